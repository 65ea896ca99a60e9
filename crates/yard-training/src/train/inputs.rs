//! What is done with raw columns before a model of any kind sees them.

use yard_data::Table;
use yard_features::{FeatureError, Matrix, Preparation};
use yard_onnx::GraphBuilder;
use yard_spec::{FeaturesSpec, ModelSpec};
use yard_types::NamedTensor;

use super::fit::{is_of_trees, preparation_options};
use crate::{
    TrainingError,
    text::{TextPreparation, TokenizerOptions},
};

/// A preparation of columns, or of one column of texts.
pub(crate) enum Inputs {
    Columns(Preparation),
    Text(TextPreparation),
}

impl Inputs {
    pub(super) fn fit(
        model: &ModelSpec,
        features: &FeaturesSpec,
        table: &Table,
        train: &[usize],
    ) -> Result<Self, TrainingError> {
        if let ModelSpec::TextClassifier(keys) = model {
            let options = TokenizerOptions {
                vocabulary: keys.vocabulary,
                min_count: keys.min_count,
                lower_case: keys.lower_case,
                max_tokens: keys.max_tokens,
            };
            return Ok(Self::Text(TextPreparation::fit(table, train, &options)?));
        }
        let options = preparation_options(features);
        let options = if is_of_trees(model) { options.for_trees() } else { options };
        Ok(Self::Columns(Preparation::fit(table, train, &options)?))
    }

    /// Rows as the model takes them.
    pub(crate) fn apply(&self, table: &Table, rows: &[usize]) -> Result<Matrix, FeatureError> {
        match self {
            Self::Columns(columns) => columns.apply(table, rows),
            Self::Text(text) => text.apply(table, rows),
        }
    }

    /// Rows as requests bring them.
    pub(crate) fn raw_inputs(&self, table: &Table, rows: &[usize]) -> Result<Vec<NamedTensor>, FeatureError> {
        match self {
            Self::Columns(columns) => columns.raw_inputs(table, rows),
            Self::Text(text) => text.raw_inputs(table, rows),
        }
    }

    /// The inputs of the graph and what is done with them.
    pub(crate) fn emit(&self, graph: GraphBuilder) -> (GraphBuilder, String) {
        match self {
            Self::Columns(columns) => columns.emit(graph),
            Self::Text(text) => text.emit(graph),
        }
    }

    /// The shape of one prepared row.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Columns(columns) => columns.shape(),
            Self::Text(text) => vec![text.tokenizer().max_tokens()],
        }
    }

    /// How many numbers of words there are; 0 where there are no words.
    pub(super) fn known_words(&self) -> usize {
        match self {
            Self::Columns(_) => 0,
            Self::Text(text) => text.tokenizer().size(),
        }
    }

    /// What the prepared numbers are of.
    pub(crate) fn columns(&self) -> Vec<String> {
        match self {
            Self::Columns(columns) => columns.columns(),
            Self::Text(text) => text.columns(),
        }
    }

    /// What whoever trains should know about the data.
    pub(crate) fn remarks(&self) -> Vec<String> {
        match self {
            Self::Columns(columns) => columns.remarks().iter().map(ToString::to_string).collect(),
            Self::Text(text) => text.remarks().to_vec(),
        }
    }
}
