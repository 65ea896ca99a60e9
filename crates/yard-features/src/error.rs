//! What can be wrong with columns, said so that whoever wrote the specification can mend it.

use yard_types::{Coded, ErrorCode};

/// Why columns cannot be prepared or labels not be encoded. Rows are counted from 1, without a header.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum FeatureError {
    #[error("there is no column to learn from: at least one must be a feature")]
    NoFeatures,
    #[error("there are no training rows")]
    NoRows,
    #[error("there is no column `{column}` in the data, which the model was trained with")]
    ColumnMissing { column: String },
    #[error("column `{column}` holds {got}, but the model was trained with {expected}")]
    ColumnType { column: String, expected: &'static str, got: &'static str },
    #[error("every column has the same value in all {rows} training rows: there is nothing to learn from")]
    AllConstant { rows: usize },
    #[error(
        "column `{column}` has no value in any of the training rows: leave it out (data.ignore = [\"{column}\"])"
    )]
    NoValues { column: String },
    #[error(
        "row {row}, column `{column}`: the value is infinite or too large for a 32-bit number; replace it by a number \
         that fits or leave it empty (missing)"
    )]
    Infinite { column: String, row: usize },
    #[error(
        "row {row}, column `{column}`: the value is missing or not a number (NaN), which features.missing_numbers = \
         \"refuse\" forbids; fill it in, or choose \"mean\", \"median\" or \"zero\""
    )]
    Missing { column: String, row: usize },
    #[error(
        "row {row}, column `{column}`: the image holds a number that is not finite; mend it or remove the row"
    )]
    NotFinite { column: String, row: usize },
    #[error(
        "column `{column}` reaches from {min:e} to {max:e}, which 32-bit numbers cannot scale: change its unit, or \
         leave it out (data.ignore = [\"{column}\"])"
    )]
    Unscalable { column: String, min: f32, max: f32 },
    #[error(
        "column `{column}` has {found} different categories in the training rows, more than features.max_categories \
         = {limit}: leave it out (data.ignore = [\"{column}\"]), read it as text ([data.columns.{column}] type = \
         \"text\"), or raise features.max_categories"
    )]
    TooManyCategories { column: String, found: usize, limit: usize },
    #[error(
        "column `{column}` is text, which only the text classifier reads: leave it out (data.ignore = \
         [\"{column}\"]), or read it as a category ([data.columns.{column}] type = \"category\")"
    )]
    Text { column: String },
    #[error(
        "column `{column}` is an image, which must be the only feature; there are also {others}: leave one or the \
         others out (data.ignore)"
    )]
    ImageWithOthers { column: String, others: String },
    #[error(
        "features.inputs = \"matrix\" wants numbers alone, but column `{column}` is {kind}: choose \"auto\" or \
         \"columns\""
    )]
    NoMatrix { column: String, kind: &'static str },
    #[error("column `{column}` cannot be the name of a model's input: {reason}; rename it")]
    InputName { column: String, reason: &'static str },
    #[error(
        "row {row}: the label `{column}` is missing or not a number (NaN); give it a value or remove the row"
    )]
    LabelMissing { column: String, row: usize },
    #[error(
        "the label `{column}` has one class only in the training rows, `{class}`: at least two are needed to tell \
         apart"
    )]
    OneClass { column: String, class: String },
    #[error(
        "the label `{column}` has {found} different values, more than the {limit} classes that can be told apart: is \
         it a number to be foretold (task = \"regression\")?"
    )]
    TooManyClasses { column: String, found: usize, limit: usize },
    #[error(
        "the label `{column}` has {found} different numbers in {rows} rows, which are no classes: to foretell the number, \
         choose a model for it (kind = \"linear\", a network with one output or boosted_trees); if they are names, give \
         the column the type \"category\""
    )]
    NotClasses { column: String, found: usize, rows: usize },
    #[error(
        "row {row}: the label `{column}` is `{class}`, a class that the training rows do not have; add training rows \
         of that class or remove these"
    )]
    UnknownClass { column: String, class: String, row: usize },
    #[error("the label `{column}` holds {got}, which {task} cannot foretell: {instead}")]
    LabelType { column: String, got: &'static str, task: &'static str, instead: &'static str },
}

impl Coded for FeatureError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}
