//! `Q5_K`: 5 bits above a minimum, eight groups with 6-bit scales and minima.

use super::{SUPER_BLOCK, k_fit, k_scales, read_f16};

const MINIMUM: usize = 2;
const SCALES: usize = MINIMUM + 2;
const FIFTH_BITS: usize = SCALES + k_scales::BYTES;
const NUMBERS: usize = FIFTH_BITS + GROUP;
pub(super) const BYTES: usize = NUMBERS + SUPER_BLOCK / 2;

const GROUP: usize = SUPER_BLOCK / k_scales::GROUPS;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SUPER_BLOCK]) {
    let scale = read_f16(block);
    let minimum = read_f16(&block[MINIMUM..]);
    let groups = k_scales::unpack(&block[SCALES..]);
    let fifth_bits = &block[FIFTH_BITS..NUMBERS];
    for (index, (group, outputs)) in groups.iter().zip(values.chunks_exact_mut(GROUP)).enumerate() {
        let group_scale = scale * f32::from(group.scale);
        let group_minimum = minimum * f32::from(group.minimum);
        let bytes = &block[NUMBERS + index / 2 * GROUP..][..GROUP];
        let shift = index % 2 * 4;
        for ((output, byte), fifth) in outputs.iter_mut().zip(bytes).zip(fifth_bits) {
            let number = byte >> shift & 0x0f | (fifth >> index & 1) << 4;
            *output = group_scale * f32::from(number) - group_minimum;
        }
    }
}

pub(super) fn encode(values: &[f32; SUPER_BLOCK], block: &mut [u8; BYTES]) {
    let fit = k_fit::above_minimum(values, 31);
    block[..MINIMUM].copy_from_slice(&fit.scale.to_le_bytes());
    block[MINIMUM..SCALES].copy_from_slice(&fit.minimum.to_le_bytes());
    k_scales::pack(&fit.groups, &mut block[SCALES..FIFTH_BITS]);
    block[FIFTH_BITS..].fill(0);
    for (index, numbers) in fit.numbers.chunks_exact(GROUP).enumerate() {
        for (offset, number) in numbers.iter().enumerate() {
            block[FIFTH_BITS + offset] |= number >> 4 << index;
            block[NUMBERS + index / 2 * GROUP + offset] |= (number & 0x0f) << (index % 2 * 4);
        }
    }
}
