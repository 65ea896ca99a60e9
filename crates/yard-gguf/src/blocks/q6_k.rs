//! `Q6_K`: 6 bits around zero, 16 groups with signed 8-bit scales.

use super::{SUPER_BLOCK, k_fit, read_f16};

const UPPER_BITS: usize = SUPER_BLOCK / 2;
const SCALES: usize = UPPER_BITS + SUPER_BLOCK / 4;
const SCALE: usize = SCALES + GROUPS;
pub(super) const BYTES: usize = SCALE + 2;

const GROUPS: usize = k_fit::CENTRED_GROUPS;
const GROUP: usize = SUPER_BLOCK / GROUPS;

/// Where the bits of a value are: the low 4 in a byte of the first part, the upper 2 in a byte of the second.
struct Place {
    low_byte: usize,
    low_shift: usize,
    upper_byte: usize,
    upper_shift: usize,
}

impl Place {
    const fn of(index: usize) -> Self {
        let (half, index) = (index / 128, index % 128);
        Self {
            low_byte: half * 64 + index % 64,
            low_shift: index / 64 * 4,
            upper_byte: UPPER_BITS + half * 32 + index % 32,
            upper_shift: index / 32 * 2,
        }
    }
}

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SUPER_BLOCK]) {
    let scale = read_f16(&block[SCALE..]);
    for (group, outputs) in values.chunks_exact_mut(GROUP).enumerate() {
        let group_scale = scale * f32::from(block[SCALES + group].cast_signed());
        for (offset, output) in outputs.iter_mut().enumerate() {
            let place = Place::of(group * GROUP + offset);
            let low = block[place.low_byte] >> place.low_shift & 0x0f;
            let upper = block[place.upper_byte] >> place.upper_shift & 0x03;
            *output = group_scale * (f32::from(low | upper << 4) - 32.0);
        }
    }
}

pub(super) fn encode(values: &[f32; SUPER_BLOCK], block: &mut [u8; BYTES]) {
    let fit = k_fit::centred(values);
    block[..SCALES].fill(0);
    for (index, number) in fit.numbers.into_iter().enumerate() {
        let place = Place::of(index);
        block[place.low_byte] |= (number & 0x0f) << place.low_shift;
        block[place.upper_byte] |= (number >> 4) << place.upper_shift;
    }
    for (byte, group) in block[SCALES..SCALE].iter_mut().zip(fit.groups) {
        *byte = group.cast_unsigned();
    }
    block[SCALE..].copy_from_slice(&fit.scale.to_le_bytes());
}
