//! Sums of gradients by column and bin.

use std::ops::Range;

use crate::bins::BinnedMatrix;

/// How many rows are fetched before they are added.
const BLOCK: usize = 128;

/// How the loss of one row changes with its score: by how much, and how that changes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gradient {
    pub(crate) first: f32,
    pub(crate) second: f32,
}

/// Sums over some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) first: f64,
    pub(crate) second: f64,
    pub(crate) rows: u32,
}

impl Sums {
    fn add(&mut self, gradient: Gradient) {
        self.first += f64::from(gradient.first);
        self.second += f64::from(gradient.second);
        self.rows += 1;
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            first: self.first + other.first,
            second: self.second + other.second,
            rows: self.rows + other.rows,
        }
    }

    pub(crate) fn minus(self, part: Self) -> Self {
        Self {
            first: self.first - part.first,
            second: self.second - part.second,
            rows: self.rows - part.rows,
        }
    }

    pub(crate) fn of(gradients: &[Gradient], rows: &[u32]) -> Self {
        let mut sums = Self::default();
        for row in rows {
            sums.add(gradients[*row as usize]);
        }
        sums
    }
}

/// Adds rows to the cells of some columns, row by row.
///
/// Rows are fetched in blocks before they are added: the fetches of one block wait for memory together, while each
/// would wait alone between the additions.
pub(crate) fn add_rows(
    cells: &mut [Sums],
    columns: Range<usize>,
    matrix: &BinnedMatrix,
    gradients: &[Gradient],
    rows: &[u32],
) {
    let offsets = &matrix.offsets()[columns.clone()];
    let Some(first) = offsets.first() else { return };
    let offsets: Vec<usize> = offsets.iter().map(|offset| offset - first).collect();
    let mut codes = Vec::with_capacity(BLOCK * columns.len());
    let mut block_gradients = Vec::with_capacity(BLOCK);
    for block in rows.chunks(BLOCK) {
        codes.clear();
        block_gradients.clear();
        for row in block {
            codes.extend_from_slice(&matrix.row(*row)[columns.clone()]);
            block_gradients.push(gradients[*row as usize]);
        }
        for (codes, gradient) in codes.chunks_exact(columns.len()).zip(&block_gradients) {
            for (code, offset) in codes.iter().zip(&offsets) {
                cells[offset + usize::from(*code)].add(*gradient);
            }
        }
    }
}

/// Leaves in the cells of a node what is not in those of one of its two children.
pub(crate) fn subtract(cells: &mut [Sums], part: &[Sums]) {
    for (cell, part) in cells.iter_mut().zip(part) {
        *cell = cell.minus(*part);
    }
}
