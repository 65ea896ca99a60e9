//! What is to be trained, said in TOML or JSON: the specification, its defaults and what can be checked before data
//! is read.
//!
//! [`TrainingSpec::from_toml`] and [`TrainingSpec::from_json`] read a specification, fill in the defaults and check
//! it; what they return is sound as far as it can be without data. [`TrainingSpec::to_json`] writes every default
//! out: that text is kept with the model as the record of how it was made. [`network_shapes`] says what a network
//! makes of an input, and [`apply`] puts the values of a search into a specification.
//!
//! Every key is declared once, with its type, default, unit, allowed values and meaning, by the macros of `keys`;
//! reading, writing and [`reference_page`] all come from that declaration.
//!
//! This crate does no I/O and trains nothing: a data source is only a name here.

#[macro_use]
mod keys;
mod check;
mod error;
mod examples;
mod nearest;
mod reference;
mod search;
mod shapes;
mod spec;
mod text;

pub use error::{KeyPath, SpecError};
pub use examples::{Example, example, examples};
pub use reference::reference_page;
pub use search::{apply, apply_unchecked, value_at};
pub use shapes::{MAX_PARAMETERS, MAX_ROW_VALUES, Shape, network_shapes, parameter_count};
pub use spec::{
    Activation, ActivationLayer, AdamOptimizer, BatchNormLayer, BoostedTreesModel, Builtin, CandidateRange,
    Candidates, CategoryPreparation, ClassWeights, ColumnRole, ColumnSpec, ColumnType, ConstantSchedule,
    Conv2dLayer, CosineSchedule, DataFormat, DataSpec, DatasetRef, DecisionTreeModel, DenseLayer,
    DropoutLayer, EarlyStopping, ExponentialSchedule, FeaturesSpec, GradientOptimizer, InputsLayout,
    LabelPreparation, Layer, LayerNormLayer, Loss, Metric, MissingNumbers, ModelSpec, MomentumOptimizer,
    NetworkModel, NumberPreparation, Optimizer, Pool2dLayer, RangeScale, RmspropOptimizer, Schedule,
    SearchSpec, SearchStrategy, Source, SplitSpec, StepSchedule, Task, TestDataSpec, TextClassifierModel,
    TrainingSettings, TrainingSpec,
};
