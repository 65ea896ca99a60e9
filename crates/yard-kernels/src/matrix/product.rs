//! Products of prepared activations with packed weights.

use std::ops::Range;

use yard_gguf::BlockType;

use super::float::{self, Stored, StoredBf16, StoredF16, StoredF32};
use super::format::{
    Format, PackedQ4_0, PackedQ4_1, PackedQ4K, PackedQ5_0, PackedQ5_1, PackedQ5K, PackedQ6K, PackedQ8_0,
    TILE, TileInput, TileKernel, TileOutput,
};
use super::{PackedMatrix, portable};
use crate::activations::{ActivationRows, GROUP};
use crate::elementwise::Activation;
use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes};
use crate::{Cpu, KernelError, Machine, Path};

/// Activations that a thread works on at a time: small enough to stay in its own cache while weights pass by.
const CACHED_BYTES: usize = 384 << 10;
/// Bytes of a prepared activation.
const ACTIVATION_BYTES: usize = 2;
/// Pieces for each thread, so that one that is held up does not hold up the others for long.
const PIECES_A_THREAD: usize = 6;

/// `output = activations x weights^T`, for one of the matrices that read the same activations.
#[derive(Debug)]
pub struct Product<'a> {
    /// The weights.
    pub weights: &'a PackedMatrix,
    /// Added to every row: a value for each output.
    pub bias: Option<&'a [f32]>,
    /// As many rows as there are activations, each with a value for each output.
    pub output: &'a mut [f32],
    /// What becomes of the values that `output` holds.
    pub finish: Finish,
}

/// What a product does with the values that its output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Writes over them.
    Store,
    /// Adds to them: a residual connection.
    Add,
}

/// `output = activation(activations x gate^T) * (activations x up^T)`.
#[derive(Debug)]
pub struct GatedProduct<'a> {
    /// The weights whose product goes through the activation.
    pub gate: &'a PackedMatrix,
    /// The weights whose product is multiplied with it.
    pub up: &'a PackedMatrix,
    /// The function.
    pub activation: Activation,
    /// As many rows as there are activations, each with a value for each output.
    pub output: &'a mut [f32],
}

/// A product with all checks behind it.
struct Part<'a> {
    weights: &'a PackedMatrix,
    gated: Option<(&'a PackedMatrix, Activation)>,
    bias: Option<&'a [f32]>,
    output: SharedSlice<'a, f32>,
    finish: Finish,
}

impl Machine {
    /// Multiplies the activations with several matrices. All of it is shared among the threads at once.
    ///
    /// A row's results are the same bits whatever other rows there are, on any path and with any number of threads.
    ///
    /// # Errors
    ///
    /// Sizes do not fit together, or the activations were not prepared for these weights. Nothing was written.
    pub fn multiply(
        &self,
        activations: &ActivationRows,
        products: &mut [Product<'_>],
    ) -> Result<(), KernelError> {
        for product in &*products {
            check(activations, product.weights, product.output)?;
            if let Some(bias) = product.bias {
                check_length("the bias", Some(product.weights.rows), bias.len())?;
            }
        }
        let parts: Vec<Part<'_>> = products
            .iter_mut()
            .map(|product| Part {
                weights: product.weights,
                gated: None,
                bias: product.bias,
                output: SharedSlice::new(product.output),
                finish: product.finish,
            })
            .collect();
        self.multiply_parts(activations, &parts);
        Ok(())
    }

    /// Multiplies with two matrices and joins the results, as gated feed-forward layers do.
    ///
    /// # Errors
    ///
    /// As [`Self::multiply`].
    pub fn multiply_gated(
        &self,
        activations: &ActivationRows,
        product: GatedProduct<'_>,
    ) -> Result<(), KernelError> {
        check(activations, product.gate, product.output)?;
        check(activations, product.up, product.output)?;
        let part = Part {
            weights: product.gate,
            gated: Some((product.up, product.activation)),
            bias: None,
            output: SharedSlice::new(product.output),
            finish: Finish::Store,
        };
        self.multiply_parts(activations, &[part]);
        Ok(())
    }

    fn multiply_parts(&self, activations: &ActivationRows, parts: &[Part<'_>]) {
        let rows = activations.rows();
        if rows == 0 {
            return;
        }
        let tiles: usize = parts.iter().map(|part| part.weights.tiles()).sum();
        let cached_rows = CACHED_BYTES / (activations.columns() * ACTIVATION_BYTES);
        let block_rows = (cached_rows / GROUP * GROUP).max(GROUP);
        let threads = self.pool.threads();
        let piece = if threads == 1 { tiles } else { tiles.div_ceil(threads * PIECES_A_THREAD) };
        let pieces = tiles.div_ceil(piece.max(1));
        self.pool.for_each(rows.div_ceil(block_rows) * pieces, 1, &|items| {
            for item in items {
                let (block, index) = (item / pieces, item % pieces);
                let rows = block * block_rows..rows.min((block + 1) * block_rows);
                self.multiply_tiles(activations, parts, index * piece..tiles.min((index + 1) * piece), rows);
            }
        });
    }

    /// Some of the tiles of all parts, numbered through.
    fn multiply_tiles(
        &self,
        activations: &ActivationRows,
        parts: &[Part<'_>],
        tiles: Range<usize>,
        rows: Range<usize>,
    ) {
        let mut first = 0;
        for part in parts {
            let count = part.weights.tiles();
            let own = tiles.start.max(first)..tiles.end.min(first + count);
            if !own.is_empty() {
                let tiles = own.start - first..own.end - first;
                self.cpu.run(Tiles { cpu: self.cpu, activations, part, tiles, rows: rows.clone() });
            }
            first += count;
        }
    }
}

fn check(activations: &ActivationRows, weights: &PackedMatrix, output: &[f32]) -> Result<(), KernelError> {
    check_length("a row of activations", Some(weights.columns), activations.columns())?;
    check_length("the output", activations.rows().checked_mul(weights.rows), output.len())?;
    if activations.has(weights.form()) { Ok(()) } else { Err(KernelError::NotPrepared(weights.kind)) }
}

/// Some tiles of a part with some rows.
struct Tiles<'a> {
    cpu: Cpu,
    activations: &'a ActivationRows,
    part: &'a Part<'a>,
    tiles: Range<usize>,
    rows: Range<usize>,
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let part = self.part;
        let first = TileProduct::new::<L>(self.cpu, part.weights);
        let second = part.gated.map(|(up, activation)| (TileProduct::new::<L>(self.cpu, up), activation));
        // Products for one and the other matrix go hand in hand, as many rows as both can take.
        let step = second.as_ref().map_or(first.rows, |(second, _)| second.rows.min(first.rows));
        let mut sums = TileOutput([[0.0; TILE]; GROUP]);
        let mut others = TileOutput([[0.0; TILE]; GROUP]);
        for tile in self.tiles {
            let outputs = part.weights.tile_rows(tile);
            let bias = match part.bias {
                Some(bias) => lanes.load_some(&bias[outputs.clone()]),
                None => lanes.splat(0.0),
            };
            for start in self.rows.clone().step_by(step) {
                let count = step.min(self.rows.end - start);
                // The rows that will be written lie far apart: they are fetched while the products are computed.
                for row in start..start + count {
                    let from = row * part.weights.rows + outputs.start;
                    part.output.prefetch(from);
                    part.output.prefetch(from + outputs.len() - 1);
                }
                first.compute(lanes, self.activations, tile, start, count, &mut sums);
                if let Some((second, activation)) = &second {
                    second.compute(lanes, self.activations, tile, start, count, &mut others);
                    for row in 0..count {
                        let gate = activation.apply(lanes, lanes.load(&sums.0[row]));
                        lanes.store(lanes.mul(gate, lanes.load(&others.0[row])), &mut sums.0[row]);
                    }
                }
                for row in 0..count {
                    let from = (start + row) * part.weights.rows + outputs.start;
                    // SAFETY: these outputs of this row belong to this tile, which nobody else works on.
                    let target = unsafe { part.output.part(from, outputs.len()) };
                    let mut sum = lanes.load(&sums.0[row]);
                    if part.bias.is_some() {
                        sum = lanes.add(sum, bias);
                    }
                    if let Ok(target) = <&mut [f32; TILE]>::try_from(&mut *target) {
                        if part.finish == Finish::Add {
                            sum = lanes.add(lanes.load(target), sum);
                        }
                        lanes.store(sum, target);
                    } else {
                        if part.finish == Finish::Add {
                            sum = lanes.add(lanes.load_some(target), sum);
                        }
                        lanes.store_some(sum, target);
                    }
                }
            }
        }
    }
}

/// How a matrix's tiles are multiplied.
struct TileProduct<'a> {
    weights: &'a PackedMatrix,
    /// Rows at once; a divisor of the size of groups.
    rows: usize,
    /// For each number of rows, from one; none for floats.
    kernels: Option<[TileKernel; GROUP]>,
}

impl<'a> TileProduct<'a> {
    #[inline(always)]
    fn new<L: Lanes>(cpu: Cpu, weights: &'a PackedMatrix) -> Self {
        match kernels(cpu, weights.kind) {
            Some((rows, kernels)) => Self { weights, rows, kernels: Some(kernels) },
            None => Self { weights, rows: L::FLOAT_ROWS, kernels: None },
        }
    }

    /// The sums of a tile for rows `first..first + count`, which are in one group.
    #[inline(always)]
    fn compute<L: Lanes>(
        &self,
        lanes: L,
        activations: &ActivationRows,
        tile: usize,
        first: usize,
        count: usize,
        output: &mut TileOutput,
    ) {
        if let Some(kernels) = &self.kernels {
            let input = TileInput {
                numbers: self.weights.tile_numbers(tile).as_ptr(),
                scales: self.weights.tile_scales(tile).as_ptr(),
                blocks: activations.blocks(),
                rows: activations.quantized_group(first),
            };
            // SAFETY: the kernel is one of this CPU's, for the format of the weights; the tile has as many blocks as
            // the activations, whose columns were compared; `count` rows of a group start at `first`.
            unsafe { kernels[count - 1](&input, output) };
            return;
        }
        match self.weights.kind {
            BlockType::F16 => self.floats::<L, StoredF16>(lanes, activations, tile, first, count, output),
            BlockType::BF16 => self.floats::<L, StoredBf16>(lanes, activations, tile, first, count, output),
            _ => self.floats::<L, StoredF32>(lanes, activations, tile, first, count, output),
        }
    }

    #[inline(always)]
    fn floats<L: Lanes, S: Stored>(
        &self,
        lanes: L,
        activations: &ActivationRows,
        tile: usize,
        first: usize,
        count: usize,
        output: &mut TileOutput,
    ) {
        let numbers = self.weights.tile_numbers(tile);
        let columns = numbers.len() / size_of::<[S::Value; TILE]>();
        // SAFETY: `Stored` values are plain numbers, tiles of floats start at multiples of 32 bytes, and the tile has
        // this many columns.
        let weights = unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), columns) };
        let (group, members) = activations.float_group(first);
        float::tile::<L, S>(lanes, weights, group, members, first % GROUP, count, output);
    }
}

/// How many rows a path's kernels for a type work on at once, and those for each number of rows from one on; `None` for
/// floats.
fn kernels(cpu: Cpu, kind: BlockType) -> Option<(usize, [TileKernel; GROUP])> {
    fn of<F: Format>(cpu: Cpu) -> Option<(usize, [TileKernel; GROUP])> {
        let (rows, kernel): (usize, fn(usize) -> TileKernel) = match cpu.path() {
            #[cfg(target_arch = "x86_64")]
            Path::Avx512Vnni => (GROUP, super::avx512::kernel::<F>),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => (super::avx2::rows_at_once::<F>(), super::avx2::kernel::<F>),
            _ => (GROUP, portable::kernel::<F>),
        };
        Some((rows, std::array::from_fn(|index| kernel(index + 1))))
    }
    match kind {
        BlockType::F32 | BlockType::F16 | BlockType::BF16 => None,
        BlockType::Q4_0 => of::<PackedQ4_0>(cpu),
        BlockType::Q4_1 => of::<PackedQ4_1>(cpu),
        BlockType::Q5_0 => of::<PackedQ5_0>(cpu),
        BlockType::Q5_1 => of::<PackedQ5_1>(cpu),
        BlockType::Q8_0 => of::<PackedQ8_0>(cpu),
        BlockType::Q4_K => of::<PackedQ4K>(cpu),
        BlockType::Q5_K => of::<PackedQ5K>(cpu),
        BlockType::Q6_K => of::<PackedQ6K>(cpu),
    }
}

#[cfg(test)]
mod tests;
