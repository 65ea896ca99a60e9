//! Rows of activations in the forms that products with packed weights read.

use yard_gguf::BlockType;

use crate::error::check_length;
use crate::matrix::BLOCK;
use crate::memory::{Buffer, SharedSlice};
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

/// Rows that lie together: as many as the widest kernel works on at once.
pub(crate) const GROUP: usize = 8;

/// A block's numbers and what a product needs to know beside them.
const VALUE_BYTES: usize = BLOCK;
const META_BYTES: usize = size_of::<BlockMeta>();
/// Blocks that a thread quantizes at a time.
const BLOCKS_A_PIECE: usize = 64;
/// Fewer values than this are not worth waking a thread for.
const WORTH_SHARING: usize = 16_384;

/// Beside 32 quantized numbers `q`, which stand for `scale * q`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct BlockMeta {
    pub(crate) scale: f32,
    /// The scale times the sum of all.
    pub(crate) scaled_sum: f32,
    /// What takes off an offset of 8 from all weights: `-8` times the sum of all. Other offsets are multiples of it.
    pub(crate) offset: i32,
    /// What takes off an offset of 32: `-32` times the sums of the first and of the other 16 numbers.
    pub(crate) half_offsets: [i32; 2],
}

/// Which forms of a row are wanted: say it with [`crate::PackedMatrix::form`], joined with `|` when several matrices
/// read the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActivationForm {
    pub(crate) quantized: bool,
    pub(crate) floats: bool,
}

impl ActivationForm {
    /// What products with weights of this type read.
    #[must_use]
    pub fn of(kind: BlockType) -> Self {
        let floats = matches!(kind, BlockType::F32 | BlockType::F16 | BlockType::BF16);
        Self { quantized: !floats, floats }
    }

    fn covers(self, other: Self) -> bool {
        (self.quantized || !other.quantized) && (self.floats || !other.floats)
    }
}

impl std::ops::BitOr for ActivationForm {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { quantized: self.quantized | other.quantized, floats: self.floats | other.floats }
    }
}

/// Rows of activations, prepared once and multiplied with any number of matrices. Reused from step to step, it
/// allocates only when it has to grow.
///
/// The quantized form has a scale for each 32 neighbours of a row, the largest magnitude divided by 127. A block with a
/// value that is not finite gives results that are not a number, in that row only.
///
/// Rows lie in groups of eight (the last group may be smaller), block after block: of a group of `n` rows, block `b` is
/// `n` times 32 numbers and then `n` times the scales and sums beside them.
#[derive(Debug)]
pub struct ActivationRows {
    rows: usize,
    columns: usize,
    form: ActivationForm,
    quantized: Buffer<u8>,
    floats: Buffer<f32>,
}

/// The quantized rows of a group, for a kernel.
#[derive(Clone, Copy)]
pub(crate) struct QuantizedGroup {
    pub(crate) values: *const i8,
    pub(crate) meta: *const BlockMeta,
    /// Bytes from a block to the next.
    pub(crate) stride: usize,
}

impl Default for ActivationRows {
    fn default() -> Self {
        Self::new()
    }
}

impl ActivationRows {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: 0,
            columns: 0,
            form: ActivationForm::default(),
            quantized: Buffer::empty(),
            floats: Buffer::empty(),
        }
    }

    /// How many rows were prepared last.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many values a row has.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Takes in new rows of `columns` values, in the forms wanted.
    ///
    /// # Errors
    ///
    /// The values are not whole rows, rows to be quantized are not whole blocks of 32, or there is no memory.
    pub fn prepare(
        &mut self,
        machine: &Machine,
        values: &[f32],
        columns: usize,
        form: ActivationForm,
    ) -> Result<(), KernelError> {
        let unsupported = |what, rule| Err(KernelError::UnsupportedSize { what, actual: columns, rule });
        if columns == 0 {
            return unsupported("columns", "more than 0");
        }
        if form.quantized && !columns.is_multiple_of(BLOCK) {
            return unsupported("columns", "a multiple of 32");
        }
        let rows = values.len() / columns;
        check_length("activations", rows.checked_mul(columns), values.len())?;
        // Until all is in place there are no rows: an error must not leave a mixture.
        (self.rows, self.columns) = (0, columns);
        let out_of_memory = || KernelError::OutOfMemory { what: "activations" };
        if form.quantized {
            let bytes = values.len() / BLOCK * (VALUE_BYTES + META_BYTES);
            self.quantized.grow(bytes).ok_or_else(out_of_memory)?;
            self.quantize(machine, values, rows);
        }
        if form.floats {
            self.floats.grow(values.len()).ok_or_else(out_of_memory)?;
            self.interleave(values, rows);
        }
        (self.rows, self.form) = (rows, form);
        Ok(())
    }

    pub(crate) fn has(&self, form: ActivationForm) -> bool {
        self.form.covers(form)
    }

    pub(crate) fn blocks(&self) -> usize {
        self.columns / BLOCK
    }

    /// Rows from `first` on, which are in the group that `first` is in.
    pub(crate) fn quantized_group(&self, first: usize) -> QuantizedGroup {
        debug_assert!(first < self.rows && self.form.quantized, "rows that were prepared");
        let place = Place::of(first, self.rows, self.blocks());
        let row = first % GROUP;
        let values = &raw const self.quantized[place.start + row * VALUE_BYTES];
        let meta = &raw const self.quantized[place.start + place.members * VALUE_BYTES + row * META_BYTES];
        QuantizedGroup { values: values.cast(), meta: meta.cast(), stride: place.stride }
    }

    /// The floats of the group that `first` is in: for each column the values of its rows.
    pub(crate) fn float_group(&self, first: usize) -> (&[f32], usize) {
        let start = first / GROUP * GROUP;
        let members = GROUP.min(self.rows - start);
        (&self.floats[start * self.columns..(start + members) * self.columns], members)
    }

    fn quantize(&mut self, machine: &Machine, values: &[f32], rows: usize) {
        let (columns, blocks) = (self.columns, self.blocks());
        let pieces = blocks.div_ceil(BLOCKS_A_PIECE);
        let target = SharedSlice::new(&mut self.quantized);
        let at_a_time = if values.len() < WORTH_SHARING { rows * pieces } else { 1 };
        machine.pool.for_each(rows * pieces, at_a_time, &|items| {
            for item in items {
                let (row, piece) = (item / pieces, item % pieces);
                let from = piece * BLOCKS_A_PIECE;
                let to = (from + BLOCKS_A_PIECE).min(blocks);
                let values = &values[row * columns + from * BLOCK..row * columns + to * BLOCK];
                let place = Place::of(row, rows, blocks);
                machine.cpu.run(Quantize { values, target, place, row: row % GROUP, first_block: from });
            }
        });
    }

    fn interleave(&mut self, values: &[f32], rows: usize) {
        let columns = self.columns;
        for start in (0..rows).step_by(GROUP) {
            let members = GROUP.min(rows - start);
            let group = &mut self.floats[start * columns..(start + members) * columns];
            for member in 0..members {
                let row = &values[(start + member) * columns..(start + member + 1) * columns];
                for (column, value) in row.iter().enumerate() {
                    group[column * members + member] = *value;
                }
            }
        }
    }
}

/// Where a row's group lies in the quantized form.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    members: usize,
    stride: usize,
}

impl Place {
    fn of(row: usize, rows: usize, blocks: usize) -> Self {
        let first = row / GROUP * GROUP;
        let members = GROUP.min(rows - first);
        let block_bytes = VALUE_BYTES + META_BYTES;
        Self { start: first * blocks * block_bytes, members, stride: members * block_bytes }
    }
}

/// Neighbouring blocks of one row.
struct Quantize<'a> {
    values: &'a [f32],
    target: SharedSlice<'a, u8>,
    place: Place,
    /// Which row of its group.
    row: usize,
    first_block: usize,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (halves, _) = self.values.as_chunks::<WIDTH>();
        for (index, block) in halves.as_chunks::<2>().0.iter().enumerate() {
            let (mut low, mut high) = (lanes.load(&block[0]), lanes.load(&block[1]));
            let largest = lanes.largest_magnitude_bits(low).max(lanes.largest_magnitude_bits(high));
            let (scale, inverse) = scale_of(largest);
            if scale.is_nan() {
                (low, high) = (lanes.splat(0.0), lanes.splat(0.0));
            }
            let inverse = lanes.splat(inverse);
            let start = self.place.start + (self.first_block + index) * self.place.stride;
            let meta_start = start + self.place.members * VALUE_BYTES + self.row * META_BYTES;
            // SAFETY: the bytes of this row and block, which no other piece of work writes.
            let (numbers, meta) = unsafe {
                (
                    self.target.part(start + self.row * VALUE_BYTES, VALUE_BYTES),
                    self.target.part(meta_start, META_BYTES),
                )
            };
            // SAFETY: bytes and signed bytes are of the same size, and any of the one are valid as the other.
            let numbers = unsafe { &mut *numbers.as_mut_ptr().cast::<[[i8; WIDTH]; 2]>() };
            let low_sum = lanes.store_rounded(lanes.mul(low, inverse), &mut numbers[0]);
            let high_sum = lanes.store_rounded(lanes.mul(high, inverse), &mut numbers[1]);
            let sum = low_sum + high_sum;
            let scaled_sum = scale * sum as f32;
            meta[0..4].copy_from_slice(&scale.to_ne_bytes());
            meta[4..8].copy_from_slice(&scaled_sum.to_ne_bytes());
            meta[8..12].copy_from_slice(&(-8 * sum).to_ne_bytes());
            meta[12..16].copy_from_slice(&(-32 * low_sum).to_ne_bytes());
            meta[16..20].copy_from_slice(&(-32 * high_sum).to_ne_bytes());
        }
    }
}

/// The scale and its inverse for a block with this largest magnitude.
#[inline(always)]
fn scale_of(largest_bits: u32) -> (f32, f32) {
    const LARGEST_NUMBER: f32 = 127.0;
    /// Blocks smaller than this count as zero: their inverse scale would not be finite.
    const SMALLEST: f32 = 1e-35;
    let largest = f32::from_bits(largest_bits);
    if !largest.is_finite() {
        // No factor takes such a block to numbers; the scale alone spoils the row's results, as it should.
        (f32::NAN, 0.0)
    } else if largest < SMALLEST {
        (0.0, 0.0)
    } else {
        (largest / LARGEST_NUMBER, LARGEST_NUMBER / largest)
    }
}

#[cfg(test)]
mod tests;
