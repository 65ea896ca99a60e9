//! What may be chosen.

/// How numbers, and the numbers of images, are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberScaling {
    /// To mean 0 and standard deviation 1 over the training rows.
    #[default]
    Standardize,
    /// The smallest of the training rows to 0, the largest to 1.
    MinMax,
    /// Not at all.
    None,
}

/// What takes the place of a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingNumbers {
    /// The mean of the training rows.
    #[default]
    Mean,
    /// The median of the training rows.
    Median,
    /// Zero, before scaling.
    Zero,
    /// Nothing: a table with a missing number is refused. A served model cannot refuse: its answer is not a number.
    Refuse,
    /// Nothing: the model itself knows what to do with NaN, as trees do.
    Keep,
}

/// How the model takes its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputLayout {
    /// One matrix where every column is a number, else one input for each column.
    #[default]
    Auto,
    /// One input `[batch, columns]`; every column must be a number.
    Matrix,
    /// One input `[batch, 1]` for each column.
    Columns,
}

/// What is done with columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparationOptions {
    /// How numbers are scaled. Default: standardized.
    pub numbers: NumberScaling,
    /// What takes the place of missing numbers. Default: the mean.
    pub missing_numbers: MissingNumbers,
    /// Most categories of one column, each of which becomes a column of its own. Default: 1000.
    pub max_categories: usize,
    /// How the model takes its columns. Default: as they allow.
    pub inputs: InputLayout,
}

impl Default for PreparationOptions {
    fn default() -> Self {
        Self {
            numbers: NumberScaling::default(),
            missing_numbers: MissingNumbers::default(),
            max_categories: 1000,
            inputs: InputLayout::default(),
        }
    }
}

impl PreparationOptions {
    /// The same for trees: a split asks for order alone, so nothing is scaled, and NaN takes the branch that the split
    /// learned for it.
    #[must_use]
    pub fn for_trees(self) -> Self {
        Self { numbers: NumberScaling::None, missing_numbers: MissingNumbers::Keep, ..self }
    }
}
