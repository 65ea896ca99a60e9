//! `Q4_1`: 4 bits above a minimum, one scale.

use super::{SMALL_BLOCK, nibbles, put_f16, read_f16, small_fit};

const MINIMUM: usize = 2;
const NUMBERS: usize = MINIMUM + 2;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let minimum = read_f16(&block[MINIMUM..]);
    let numbers = nibbles::unpack(&block[NUMBERS..]);
    *values = numbers.map(|number| scale * f32::from(number) + minimum);
}

pub(super) fn encode(values: &[f32; SMALL_BLOCK], block: &mut [u8; BYTES]) {
    let fit = small_fit::above_minimum(values, 15);
    put_f16(block, fit.scale);
    put_f16(&mut block[MINIMUM..], fit.minimum);
    nibbles::pack(&fit.numbers, &mut block[NUMBERS..]);
}
