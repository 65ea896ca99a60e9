//! `Q4_K`: 4 bits above a minimum, eight groups with 6-bit scales and minima.

use super::{SUPER_BLOCK, k_fit, k_scales, read_f16};

const MINIMUM: usize = 2;
const SCALES: usize = MINIMUM + 2;
const NUMBERS: usize = SCALES + k_scales::BYTES;
pub(super) const BYTES: usize = NUMBERS + SUPER_BLOCK / 2;

const GROUP: usize = SUPER_BLOCK / k_scales::GROUPS;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SUPER_BLOCK]) {
    let scale = read_f16(block);
    let minimum = read_f16(&block[MINIMUM..]);
    let groups = k_scales::unpack(&block[SCALES..]);
    for (index, (group, outputs)) in groups.iter().zip(values.chunks_exact_mut(GROUP)).enumerate() {
        let group_scale = scale * f32::from(group.scale);
        let group_minimum = minimum * f32::from(group.minimum);
        let bytes = &block[NUMBERS + index / 2 * GROUP..][..GROUP];
        let shift = index % 2 * 4;
        for (output, byte) in outputs.iter_mut().zip(bytes) {
            *output = group_scale * f32::from(byte >> shift & 0x0f) - group_minimum;
        }
    }
}

pub(super) fn encode(values: &[f32; SUPER_BLOCK], block: &mut [u8; BYTES]) {
    let fit = k_fit::above_minimum(values, 15);
    block[..MINIMUM].copy_from_slice(&fit.scale.to_le_bytes());
    block[MINIMUM..SCALES].copy_from_slice(&fit.minimum.to_le_bytes());
    k_scales::pack(&fit.groups, &mut block[SCALES..NUMBERS]);
    let pairs = fit.numbers.chunks_exact(2 * GROUP);
    for (bytes, pair) in block[NUMBERS..].chunks_exact_mut(GROUP).zip(pairs) {
        let (low, high) = pair.split_at(GROUP);
        for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
            *byte = low | high << 4;
        }
    }
}
