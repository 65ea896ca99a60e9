//! `Q4_1`: 4 bits above a minimum, one scale.

use super::{SMALL_BLOCK, nibbles, read_f16};

const MINIMUM: usize = 2;
const NUMBERS: usize = MINIMUM + 2;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let minimum = read_f16(&block[MINIMUM..]);
    let numbers = nibbles::unpack(&block[NUMBERS..]);
    *values = numbers.map(|number| scale * f32::from(number) + minimum);
}
