//! Matrices of weights, packed for products.

use std::ops::Range;

use yard_gguf::BlockType;

use crate::error::check_length;
use crate::memory::{Buffer, SharedSlice};
use crate::{ActivationForm, KernelError, Machine};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod float;
mod format;
mod pack;
mod portable;
mod product;

pub(crate) use format::BLOCK;
use format::TILE;
use pack::{Layout, Tile};
pub use product::{Finish, GatedProduct, Product};

/// Weights of `rows` outputs by `columns` inputs, repacked from the blocks of a file so that sixteen outputs are computed
/// together. Takes as much memory as the blocks (the K types about 3 % more), with the rows filled up to a multiple of
/// sixteen.
///
/// The layout is the same on every path; it is the kernels that differ.
#[derive(Debug)]
pub struct PackedMatrix {
    kind: BlockType,
    rows: usize,
    columns: usize,
    layout: TileBytes,
    numbers: Buffer<u8>,
    scales: Buffer<u8>,
}

#[derive(Debug, Clone, Copy)]
struct TileBytes {
    numbers: usize,
    scales: usize,
}

impl PackedMatrix {
    /// Packs the blocks of a tensor: `rows` rows of `columns` values each, one after the other.
    ///
    /// # Errors
    ///
    /// The bytes are not that many whole rows, the matrix is empty, or there is no memory for it. Any bytes are valid
    /// weights.
    pub fn pack(
        machine: &Machine,
        kind: BlockType,
        rows: usize,
        columns: usize,
        bytes: &[u8],
    ) -> Result<Self, KernelError> {
        for (what, actual) in [("rows", rows), ("columns", columns)] {
            if actual == 0 {
                return Err(KernelError::UnsupportedSize { what, actual, rule: "more than 0" });
            }
        }
        let row_bytes = kind.row_bytes(columns)?;
        check_length("the bytes of a matrix", rows.checked_mul(row_bytes), bytes.len())?;
        let out_of_memory = || KernelError::OutOfMemory { what: "weights" };
        let layout = Layout::of(kind, columns).ok_or_else(out_of_memory)?;
        let tiles = rows.div_ceil(TILE);
        let buffer =
            |tile: usize| tiles.checked_mul(tile).and_then(Buffer::zeroed_whole).ok_or_else(out_of_memory);
        let mut matrix = Self {
            kind,
            rows,
            columns,
            layout: TileBytes { numbers: layout.numbers, scales: layout.scales },
            numbers: buffer(layout.numbers)?,
            scales: buffer(layout.scales)?,
        };
        let numbers = SharedSlice::new(&mut matrix.numbers);
        let scales = SharedSlice::new(&mut matrix.scales);
        machine.pool.for_each(tiles, 1, &|range| {
            for tile in range {
                // SAFETY: every tile is packed once, and tiles do not overlap.
                let mut memory = unsafe {
                    Tile {
                        numbers: numbers.part(tile * layout.numbers, layout.numbers),
                        scales: scales.part(tile * layout.scales, layout.scales),
                    }
                };
                for row in tile * TILE..rows.min((tile + 1) * TILE) {
                    let source = &bytes[row * row_bytes..(row + 1) * row_bytes];
                    pack::pack_row(kind, source, row % TILE, &mut memory);
                }
            }
        });
        Ok(matrix)
    }

    /// How the weights were stored.
    #[must_use]
    pub const fn kind(&self) -> BlockType {
        self.kind
    }

    /// How many outputs there are.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many inputs there are.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// The memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.numbers.bytes() + self.scales.bytes()
    }

    /// The form of activations that products with it read.
    #[must_use]
    pub fn form(&self) -> ActivationForm {
        ActivationForm::of(self.kind)
    }

    fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE)
    }

    /// The outputs of a tile.
    fn tile_rows(&self, tile: usize) -> Range<usize> {
        tile * TILE..self.rows.min((tile + 1) * TILE)
    }

    fn tile_numbers(&self, tile: usize) -> &[u8] {
        &self.numbers[tile * self.layout.numbers..(tile + 1) * self.layout.numbers]
    }

    fn tile_scales(&self, tile: usize) -> &[u8] {
        &self.scales[tile * self.layout.scales..(tile + 1) * self.layout.scales]
    }
}
