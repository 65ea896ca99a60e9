//! `Q4_0`: 4 bits around zero, one scale.

use super::{SMALL_BLOCK, nibbles, read_f16};

const NUMBERS: usize = 2;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let numbers = nibbles::unpack(&block[NUMBERS..]);
    *values = numbers.map(|number| scale * (f32::from(number) - 8.0));
}
