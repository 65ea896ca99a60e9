//! Decision trees and gradient boosting over histograms, and their form as ONNX.
//!
//! Training takes slices of `f32` and nothing else: features row by row with `NaN` where a value is missing, targets as
//! numbers or class codes. Thresholds are exact `f32` values that were compared with `<=` in training, so that the
//! exported `TreeEnsembleRegressor` takes every row, ties and missing values included, to the same leaf. Leaf values of
//! boosted trees lie on a grid on which sums of `f32` are exact, so that an engine may add them in any order.
//!
//! The same data, options and seed give the same bytes, with any number of threads, and also when a forest that was
//! kept half way is trained on. This crate reads no files, knows no column names and runs no engine.

#![warn(missing_docs)]

mod bins;
mod boosting;
mod decision;
mod draw;
mod emit;
mod error;
mod fingerprint;
mod forest;
mod grid;
mod grow;
mod histogram;
mod loss;
mod options;
mod set;
mod split;

pub use boosting::{Ended, Outcome, TrainingRun, TreeProgress, train};
pub use decision::train_decision_tree;
pub use error::TreesError;
pub use forest::{ColumnImportance, Forest, ForestOutput};
pub use options::{BoostedTreesOptions, Criterion, DecisionTreeOptions, EarlyStopping, RegressionLoss};
pub use set::{Targets, TrainingSet, TreeMatrix};

/// The deepest that a tree may be: engines follow trees by recursion when they load them.
pub const MAX_DEPTH: usize = 64;
