//! Tiles in plain Rust: what the other paths must equal, and what runs where there is none of them.

use half::f16;

use super::format::{BLOCK, BLOCKS_A_SUPER, Format, Scales, TILE, TileInput, TileKernel, TileOutput};
use crate::activations::{BlockMeta, GROUP};

/// The kernel for so many rows, which are at most eight.
pub(super) fn kernel<F: Format>(rows: usize) -> TileKernel {
    match rows {
        1 => tile::<F, 1>,
        2 => tile::<F, 2>,
        3 => tile::<F, 3>,
        4 => tile::<F, 4>,
        5 => tile::<F, 5>,
        6 => tile::<F, 6>,
        7 => tile::<F, 7>,
        _ => tile::<F, GROUP>,
    }
}

/// A block's scales for all rows, ready to multiply with.
struct BlockScales {
    scale: [f32; TILE],
    /// The minima, or the scales of a block's second half where it has its own.
    second: [f32; TILE],
}

/// # Safety
///
/// As [`TileKernel`].
unsafe fn tile<F: Format, const ROWS: usize>(input: &TileInput, output: &mut TileOutput) {
    output.0[..ROWS].fill([0.0; TILE]);
    let mut numbers = input.numbers;
    let mut scales = input.scales;
    let mut values = input.rows.values;
    let mut metas = input.rows.meta;
    let mut header = ([0.0; TILE], [0.0; TILE]);
    for block in 0..input.blocks {
        // SAFETY: the pointers are within the blocks that the caller vouches for.
        let (number_bytes, scale_bytes, rows, row_metas) = unsafe {
            if F::HAS_HEADER && block % BLOCKS_A_SUPER == 0 {
                let bytes = std::slice::from_raw_parts(scales, F::SCALES.header_bytes());
                header = load_header::<F>(bytes);
                scales = scales.add(F::SCALES.header_bytes());
            }
            (
                std::slice::from_raw_parts(numbers, F::NUMBER_BYTES),
                std::slice::from_raw_parts(scales, F::SCALES.block_bytes()),
                &*values.cast::<[[i8; BLOCK]; ROWS]>(),
                &*metas.cast::<[BlockMeta; ROWS]>(),
            )
        };
        let weights = load_numbers::<F>(number_bytes);
        let block_scales = load_scales::<F>(scale_bytes, &header);
        for row in 0..ROWS {
            let dots = dots(&weights, &rows[row]);
            finish::<F>(&dots, &block_scales, &row_metas[row], &mut output.0[row]);
        }
        // SAFETY: at most one past the last block.
        unsafe {
            numbers = numbers.add(F::NUMBER_BYTES);
            scales = scales.add(F::SCALES.block_bytes());
            values = values.byte_add(input.rows.stride);
            metas = metas.byte_add(input.rows.stride);
        }
    }
}

/// A block's numbers with the offset taken off: for each group of four columns and each of the four the sixteen rows.
type Weights = [[[i16; TILE]; 4]; BLOCK / 4];

fn load_numbers<F: Format>(bytes: &[u8]) -> Weights {
    let mut weights = [[[0; TILE]; 4]; BLOCK / 4];
    for (group, columns) in weights.iter_mut().enumerate() {
        for (column, rows) in columns.iter_mut().enumerate() {
            for (row, weight) in rows.iter_mut().enumerate() {
                let at = row * 4 + column;
                let number = if F::BITS == 8 {
                    bytes[group * 64 + at]
                } else {
                    let low = bytes[group % 4 * 64 + at] >> (group / 4 * 4) & 0x0f;
                    let upper = match F::BITS {
                        5 => bytes[256 + at] >> group & 1,
                        6 => bytes[256 + group / 4 * 64 + at] >> (group % 4 * 2) & 3,
                        _ => 0,
                    };
                    low | upper << 4
                };
                *weight = i16::from(number) - F::OFFSET as i16;
            }
        }
    }
    weights
}

/// The dot products of both halves of a block.
fn dots(weights: &Weights, values: &[i8; BLOCK]) -> [[i32; TILE]; 2] {
    let mut sums = [[0_i32; TILE]; 2];
    for (group, columns) in weights.iter().enumerate() {
        for (column, rows) in columns.iter().enumerate() {
            let value = i16::from(values[group * 4 + column]);
            for row in 0..TILE {
                sums[group / 4][row] += i32::from(rows[row]) * i32::from(value);
            }
        }
    }
    sums
}

fn finish<F: Format>(
    dots: &[[i32; TILE]; 2],
    scales: &BlockScales,
    meta: &BlockMeta,
    totals: &mut [f32; TILE],
) {
    for row in 0..TILE {
        if matches!(F::SCALES, Scales::SuperHalves) {
            let low = dots[0][row] as f32 * scales.scale[row];
            let both = (dots[1][row] as f32).mul_add(scales.second[row], low);
            totals[row] = both.mul_add(meta.scale, totals[row]);
            continue;
        }
        let scaled = (dots[0][row] + dots[1][row]) as f32 * meta.scale;
        totals[row] = scaled.mul_add(scales.scale[row], totals[row]);
        if matches!(F::SCALES, Scales::WithMinimum | Scales::SuperWithMinimum) {
            totals[row] = meta.scaled_sum.mul_add(scales.second[row], totals[row]);
        }
    }
}

fn load_header<F: Format>(bytes: &[u8]) -> ([f32; TILE], [f32; TILE]) {
    let minimum = match F::SCALES {
        // Taken off, so that adding is all there is to do.
        Scales::SuperWithMinimum => halves(&bytes[32..]).map(|minimum| 0.0 - minimum),
        _ => [0.0; TILE],
    };
    (halves(bytes), minimum)
}

fn load_scales<F: Format>(bytes: &[u8], header: &([f32; TILE], [f32; TILE])) -> BlockScales {
    match F::SCALES {
        Scales::One => BlockScales { scale: halves(bytes), second: [0.0; TILE] },
        Scales::WithMinimum => BlockScales { scale: halves(bytes), second: halves(&bytes[32..]) },
        Scales::SuperWithMinimum => BlockScales {
            scale: std::array::from_fn(|row| header.0[row] * f32::from(bytes[row])),
            second: std::array::from_fn(|row| header.1[row] * f32::from(bytes[TILE + row])),
        },
        Scales::SuperHalves => {
            let signed = |at: usize| f32::from(bytes[at].cast_signed());
            BlockScales {
                scale: std::array::from_fn(|row| header.0[row] * signed(row)),
                second: std::array::from_fn(|row| header.0[row] * signed(TILE + row)),
            }
        }
    }
}

/// Sixteen `f16` at the start of `bytes`.
fn halves(bytes: &[u8]) -> [f32; TILE] {
    std::array::from_fn(|row| f16::from_le_bytes([bytes[row * 2], bytes[row * 2 + 1]]).to_f32())
}
