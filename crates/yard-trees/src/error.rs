//! Why trees cannot be trained, run or read.

/// Why trees cannot be trained, run or read. `Display` is fit for the person who chose the data and options.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TreesError {
    /// Nothing to learn from.
    #[error("there are no rows to train on")]
    NoRows,
    /// Nothing to split by.
    #[error("there are no feature columns to train on")]
    NoColumns,
    /// Row and column numbers are kept in 32 bits.
    #[error("{count} {what} are more than the {limit} that trees can be trained on")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The slice is no matrix of that shape.
    #[error("{values} values are not {rows} rows of {columns} columns")]
    Shape {
        /// Values in the slice.
        values: usize,
        /// Rows it should have.
        rows: usize,
        /// Columns it should have.
        columns: usize,
    },
    /// A feature is infinite.
    #[error(
        "row {row} has an infinite value in feature column {column}: replace it, or leave it out as a missing value"
    )]
    InfiniteFeature {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
    },
    /// Targets or weights of another length than the matrix.
    #[error("there are {found} {what} for {rows} rows")]
    Length {
        /// Targets or weights.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A target that is no number, or too large to square and sum.
    #[error("the target of row {row} is {value}: targets must be finite numbers below {limit:e}")]
    Target {
        /// The row, from 0.
        row: usize,
        /// Its target.
        value: f32,
        /// What targets must stay below, in size.
        limit: f32,
    },
    /// A class code beyond the number of classes.
    #[error("the target of row {row} is class {class}, but there are {classes} classes")]
    UnknownClass {
        /// The row, from 0.
        row: usize,
        /// Its class.
        class: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// Nothing to tell apart.
    #[error("all rows belong to one class (number {class}): a classifier needs at least two")]
    OneClass {
        /// That class.
        class: u32,
    },
    /// A weight that is negative or no number, or only zeros.
    #[error("the weight of row {row} is {value}: weights must be finite and not negative")]
    Weight {
        /// The row, from 0.
        row: usize,
        /// Its weight.
        value: f32,
    },
    /// No row counts.
    #[error("all weights are zero")]
    NoWeight,
    /// An option out of its range.
    #[error("the option {option} is {value}: it must be {allowed}")]
    Option {
        /// The field's name.
        option: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Early stopping without anything to judge by.
    #[error("early stopping needs a validation set")]
    NoValidation,
    /// Validation data that do not fit the training data.
    #[error(
        "the validation set has other targets than the training set: numbers or classes, and as many classes"
    )]
    OtherTargets,
    /// Rows of another width than the forest was trained on.
    #[error("the forest was trained on {expected} columns, the rows have {found}")]
    OtherColumns {
        /// Columns the forest knows.
        expected: usize,
        /// Columns the rows have.
        found: usize,
    },
    /// A checkpoint of other data or options.
    #[error("the checkpoint belongs to other data or other options")]
    ForeignCheckpoint,
    /// The bytes are no forest.
    #[error("not a stored forest: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The bytes are a forest of a format that this program does not know.
    #[error("the stored forest has format {found}, this program knows {known}")]
    UnknownFormat {
        /// The format of the bytes.
        found: u16,
        /// The format that is known.
        known: u16,
    },
}

impl TreesError {
    pub(crate) fn option(option: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self::Option { option, value: value.to_string(), allowed }
    }
}
