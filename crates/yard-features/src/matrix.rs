//! Prepared rows.

/// Rows as a model takes them, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// How many.
    pub rows: usize,
    /// What each number of a row is: a column's name, `column=category`, or empty for images.
    pub columns: Vec<String>,
    /// Of one row: `[columns]`, or the shape of an image.
    pub shape: Vec<usize>,
    /// `rows` times the product of `shape`.
    pub values: Vec<f32>,
}

impl Matrix {
    /// How many numbers a row has.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.width();
        &self.values[row * width..(row + 1) * width]
    }
}
