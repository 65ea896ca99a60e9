//! Columns in memory, ready to learn from.

mod read;

pub use read::TableOptions;

/// Rows in memory, column by column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// How many rows each column has.
    pub rows: usize,
    /// In the order in which they were asked for.
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As it stands in the data.
    pub name: String,
    /// One for each row.
    pub values: Values,
}

/// The values of a column, by its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// NaN is missing; no infinities.
    Numbers(Vec<f64>),
    /// Names, by number.
    Categories {
        /// Positions in `levels`; [`Values::MISSING`] is missing.
        codes: Vec<u32>,
        /// Sorted by [`sort_levels`](crate::sort_levels), each there once.
        levels: Vec<String>,
    },
    /// Words.
    Texts(Vec<Option<String>>),
    /// Blocks of numbers, row after row; none is missing.
    Tensors {
        /// Of one row.
        shape: Vec<usize>,
        /// `rows` times the product of `shape`.
        values: Vec<f32>,
    },
}

impl Values {
    /// The code of a missing category.
    pub const MISSING: u32 = u32::MAX;

    /// For how many rows there are values.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Categories { codes, .. } => codes.len(),
            Self::Texts(texts) => texts.len(),
            Self::Tensors { shape, values } => values.len() / shape.iter().product::<usize>().max(1),
        }
    }
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}
