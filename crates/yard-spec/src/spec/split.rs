//! `[split]`: which rows are for what.

use crate::keys::{ANY, SHARE, allowed_between};

spec_table! {
    /// Which rows are learned from, which watched while learning and which held out. The three shares sum to 1.
    pub struct SplitSpec: Default {
        /// The share that is learned from.
        train: f64 = 0.7, "share of rows", SHARE;
        /// The share that early stopping, the best checkpoint and a search look at.
        validation: f64 = 0.15, "share of rows", SHARE;
        /// The share that is held out until the end. 0 where `data.test` is given.
        test: f64 = 0.15, "share of rows", SHARE;
        /// Whether every part gets its proportion of each class. Only for classification; elsewhere it changes
        /// nothing.
        stratify: bool = true, "", ANY;
        /// Folds of a cross-validation over the rows that are not held out: 0 for none, else 2 or more. The model
        /// that is kept is fitted as without folds; the folds add mean and deviation of its metrics.
        folds: usize = 0, "folds", allowed_between(0.0, 100.0);
    }
}
