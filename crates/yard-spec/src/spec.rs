//! The specification itself: every key, declared once.

mod data;
mod features;
mod layers;
mod model;
mod optimizer;
mod search;
mod split;
mod training;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;
use yard_types::ModelName;

pub use data::{
    Builtin, ColumnRole, ColumnSpec, ColumnType, DataFormat, DataSpec, DatasetRef, Source, TestDataSpec,
};
pub use features::{
    CategoryPreparation, FeaturesSpec, InputsLayout, LabelPreparation, MissingNumbers, NumberPreparation,
};
pub use layers::{
    Activation, ActivationLayer, BatchNormLayer, Conv2dLayer, DenseLayer, DropoutLayer, Layer,
    LayerNormLayer, Pool2dLayer,
};
pub use model::{BoostedTreesModel, DecisionTreeModel, ModelSpec, NetworkModel, TextClassifierModel};
pub use optimizer::{
    AdamOptimizer, ConstantSchedule, CosineSchedule, ExponentialSchedule, GradientOptimizer,
    MomentumOptimizer, Optimizer, RmspropOptimizer, Schedule, StepSchedule,
};
pub use search::{CandidateRange, Candidates, Metric, RangeScale, SearchSpec, SearchStrategy};
pub use split::SplitSpec;
pub use training::{ClassWeights, EarlyStopping, Loss, TrainingSettings};

use crate::{
    check,
    error::{KeyPath, SpecError},
    keys::{ANY, Field, allowed_between},
    text,
};

/// The largest seed: every reader of JSON holds whole numbers up to here exactly.
const MAX_SEED: f64 = 9_007_199_254_740_991.0;

spec_table! {
    /// What is to be trained, from which data, and how.
    pub struct TrainingSpec {
        /// The name under which the trained model is registered. A name that exists gets a new version.
        name: ModelName = required, "", ANY;
        /// What is predicted.
        task: Task = (Task::Auto), "", ANY;
        /// The number from which every random draw is derived. Equal specification, data and seed give equal bytes.
        seed: u64 = 0, "", allowed_between(0.0, MAX_SEED);
        /// Where the rows come from and what their columns are.
        data: DataSpec = required, "", ANY;
        /// Which rows are learned from, which watched while learning and which held out.
        split: SplitSpec = (SplitSpec::default()), "", ANY;
        /// How columns are prepared. The preparation is fitted on the training rows and becomes part of the model.
        features: FeaturesSpec = (FeaturesSpec::default()), "", ANY;
        /// What is fitted.
        model: ModelSpec = required, "", ANY;
        /// How it is fitted.
        training: TrainingSettings = (TrainingSettings::default()), "", ANY;
        /// Many specifications instead of one: the keys to vary, and how to look for the best values.
        search: Option<SearchSpec> = none, "", ANY;
    }
}

spec_choice! {
    /// What is predicted.
    pub enum Task {
        /// Decided by the label column: a number is regression, anything else classification.
        Auto = "auto",
        /// A number.
        Regression = "regression",
        /// One of several classes.
        Classification = "classification",
    }
}

// === impl TrainingSpec ===

impl TrainingSpec {
    /// Reads a specification in TOML, fills in the defaults and checks it.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        Self::from_value(&text::read_toml(text)?)
    }

    /// Reads a specification in JSON, fills in the defaults and checks it.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        Self::from_value(&text::read_json(text)?)
    }

    /// Reads a specification that was parsed already, fills in the defaults and checks it.
    pub fn from_value(value: &Value) -> Result<Self, SpecError> {
        let spec = Self::read(value, &KeyPath::root(), ANY)?;
        check::check(&spec)?;
        Ok(spec)
    }

    /// The canonical text: every default written out, keys sorted. Equal specifications give equal bytes, so this is
    /// what is kept as the record of a run and what a digest is taken of.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    /// The canonical text as a tree.
    pub fn to_value(&self) -> Value {
        let mut value = self.write().unwrap_or_default();
        // The order of an object's keys depends on features that other crates may switch on; the record may not.
        value.sort_all_objects();
        value
    }

    /// Checks a specification that was built or changed in code, as far as it can be checked before data is read.
    pub fn check(&self) -> Result<(), SpecError> {
        // Ranges are those of the keys' declarations and are looked at where keys are read.
        let read_again = Self::read(&self.to_value(), &KeyPath::root(), ANY)?;
        check::check(&read_again)
    }

    /// Whether files of this machine are named. A server refuses such a specification: it reads registered data sets
    /// only.
    pub fn names_paths(&self) -> bool {
        let data = &self.data;
        let test = data.test.as_ref();
        data.path.is_some()
            || data.labels_path.is_some()
            || test.is_some_and(|test| test.path.is_some() || test.labels_path.is_some())
    }
}

impl Serialize for TrainingSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TrainingSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}
