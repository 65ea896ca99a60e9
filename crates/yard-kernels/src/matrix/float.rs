//! Tiles of weights that are floats: each sum takes the columns in their order, one fused multiply-add a column.

use super::format::{TILE, TileOutput};
use crate::activations::GROUP;
use crate::simd::Lanes;

/// How sixteen weights are stored.
pub(super) trait Stored {
    type Value: Copy;
    fn load<L: Lanes>(lanes: L, values: &[Self::Value; TILE]) -> L::V;
}

pub(super) struct StoredF32;
pub(super) struct StoredF16;
pub(super) struct StoredBf16;

impl Stored for StoredF32 {
    type Value = f32;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[f32; TILE]) -> L::V {
        lanes.load(values)
    }
}

impl Stored for StoredF16 {
    type Value = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; TILE]) -> L::V {
        lanes.load_f16(values)
    }
}

impl Stored for StoredBf16 {
    type Value = u16;

    #[inline(always)]
    fn load<L: Lanes>(lanes: L, values: &[u16; TILE]) -> L::V {
        lanes.load_bf16(values)
    }
}

/// The products of a tile with rows `first..first + rows` (at most eight) of a group of `members`.
#[inline(always)]
pub(super) fn tile<L: Lanes, S: Stored>(
    lanes: L,
    weights: &[[S::Value; TILE]],
    group: &[f32],
    members: usize,
    first: usize,
    rows: usize,
    output: &mut TileOutput,
) {
    match rows {
        1 => rows_of_tile::<L, S, 1>(lanes, weights, group, members, first, output),
        2 => rows_of_tile::<L, S, 2>(lanes, weights, group, members, first, output),
        3 => rows_of_tile::<L, S, 3>(lanes, weights, group, members, first, output),
        4 => rows_of_tile::<L, S, 4>(lanes, weights, group, members, first, output),
        5 => rows_of_tile::<L, S, 5>(lanes, weights, group, members, first, output),
        6 => rows_of_tile::<L, S, 6>(lanes, weights, group, members, first, output),
        7 => rows_of_tile::<L, S, 7>(lanes, weights, group, members, first, output),
        _ => rows_of_tile::<L, S, GROUP>(lanes, weights, group, members, first, output),
    }
}

#[inline(always)]
fn rows_of_tile<L: Lanes, S: Stored, const ROWS: usize>(
    lanes: L,
    weights: &[[S::Value; TILE]],
    group: &[f32],
    members: usize,
    first: usize,
    output: &mut TileOutput,
) {
    let mut totals = [lanes.splat(0.0); ROWS];
    for (column, weights) in weights.iter().enumerate() {
        let weights = S::load(lanes, weights);
        let values = &group[column * members + first..][..ROWS];
        for row in 0..ROWS {
            totals[row] = lanes.fma(lanes.splat(values[row]), weights, totals[row]);
        }
    }
    for row in 0..ROWS {
        lanes.store(totals[row], &mut output.0[row]);
    }
}
