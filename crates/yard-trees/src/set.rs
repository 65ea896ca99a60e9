//! What is trained on: features, targets, weights.

use crate::TreesError;

/// Beyond this, squared residuals would no longer be safe to sum in `f32` gradients.
const TARGET_LIMIT: f32 = 1e37;
const MOST_ROWS: usize = u32::MAX as usize;
const MOST_COLUMNS: usize = 1 << 20;
const MOST_CLASSES: usize = 1 << 16;

/// Features, row by row; `NaN` is a missing value.
#[derive(Debug, Clone, Copy)]
pub struct TreeMatrix<'a> {
    rows: usize,
    columns: usize,
    values: &'a [f32],
}

/// What to predict, one entry for each row.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// Regression.
    Numbers(&'a [f32]),
    /// Classification: codes from 0 up to, not including, `classes`.
    Classes {
        /// One code for each row.
        codes: &'a [u32],
        /// How many classes there are; some may have no rows.
        classes: usize,
    },
}

/// Rows with their targets and, if not all count alike, weights.
#[derive(Debug, Clone, Copy)]
pub struct TrainingSet<'a> {
    matrix: TreeMatrix<'a>,
    targets: Targets<'a>,
    weights: Option<&'a [f32]>,
}

impl<'a> TreeMatrix<'a> {
    /// A matrix that can be trained on: not empty, and no value is infinite.
    pub fn new(rows: usize, columns: usize, values: &'a [f32]) -> Result<Self, TreesError> {
        if columns == 0 {
            return Err(TreesError::NoColumns);
        }
        if rows == 0 {
            return Err(TreesError::NoRows);
        }
        for (what, count, limit) in [("rows", rows, MOST_ROWS), ("columns", columns, MOST_COLUMNS)] {
            if count > limit {
                return Err(TreesError::TooMany { what, count, limit });
            }
        }
        if rows.checked_mul(columns) != Some(values.len()) {
            return Err(TreesError::Shape { values: values.len(), rows, columns });
        }
        if let Some(place) = values.iter().position(|value| value.is_infinite()) {
            return Err(TreesError::InfiniteFeature { row: place / columns, column: place % columns });
        }
        Ok(Self { rows, columns, values })
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row by row.
    pub const fn values(&self) -> &'a [f32] {
        self.values
    }

    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }
}

impl<'a> TrainingSet<'a> {
    /// Rows with targets that can be learned from.
    pub fn new(matrix: TreeMatrix<'a>, targets: Targets<'a>) -> Result<Self, TreesError> {
        check_length("targets", targets.len(), matrix.rows)?;
        match targets {
            Targets::Numbers(numbers) => check_numbers(numbers)?,
            Targets::Classes { codes, classes } => check_classes(codes, classes)?,
        }
        Ok(Self { matrix, targets, weights: None })
    }

    /// The same rows, some of which count more than others; a weight of 2 is as if the row were there twice.
    pub fn with_weights(self, weights: &'a [f32]) -> Result<Self, TreesError> {
        check_length("weights", weights.len(), self.matrix.rows)?;
        let bad = |weight: &f32| !weight.is_finite() || *weight < 0.0;
        if let Some(row) = weights.iter().position(bad) {
            return Err(TreesError::Weight { row, value: weights[row] });
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(TreesError::NoWeight);
        }
        Ok(Self { weights: Some(weights), ..self })
    }

    pub(crate) const fn matrix(&self) -> TreeMatrix<'a> {
        self.matrix
    }

    pub(crate) const fn targets(&self) -> Targets<'a> {
        self.targets
    }

    pub(crate) const fn weights(&self) -> Option<&'a [f32]> {
        self.weights
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row]))
    }
}

impl Targets<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Classes { codes, .. } => codes.len(),
        }
    }

    /// Whether both are numbers or both are codes of as many classes.
    pub(crate) const fn are_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(_), Self::Numbers(_)) => true,
            (Self::Classes { classes, .. }, Self::Classes { classes: others, .. }) => *classes == *others,
            _ => false,
        }
    }

    /// Refuses targets that leave nothing to tell apart. A validation set may well hold one class only.
    pub(crate) fn check_variety(&self) -> Result<(), TreesError> {
        match self {
            Self::Classes { codes, .. } if codes.iter().all(|code| *code == codes[0]) => {
                Err(TreesError::OneClass { class: codes[0] })
            }
            _ => Ok(()),
        }
    }
}

fn check_length(what: &'static str, found: usize, rows: usize) -> Result<(), TreesError> {
    if found == rows { Ok(()) } else { Err(TreesError::Length { what, found, rows }) }
}

fn check_numbers(numbers: &[f32]) -> Result<(), TreesError> {
    let fits = |number: &f32| number.abs() < TARGET_LIMIT;
    match numbers.iter().position(|number| !fits(number)) {
        Some(row) => Err(TreesError::Target { row, value: numbers[row], limit: TARGET_LIMIT }),
        None => Ok(()),
    }
}

fn check_classes(codes: &[u32], classes: usize) -> Result<(), TreesError> {
    if classes > MOST_CLASSES {
        return Err(TreesError::TooMany { what: "classes", count: classes, limit: MOST_CLASSES });
    }
    match codes.iter().position(|code| *code as usize >= classes) {
        Some(row) => Err(TreesError::UnknownClass { row, class: codes[row], classes }),
        None => Ok(()),
    }
}
