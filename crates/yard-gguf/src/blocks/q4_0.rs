//! `Q4_0`: 4 bits around zero, one scale.

use super::{SMALL_BLOCK, nibbles, put_f16, read_f16, small_fit};

const NUMBERS: usize = 2;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let numbers = nibbles::unpack(&block[NUMBERS..]);
    *values = numbers.map(|number| scale * (f32::from(number) - 8.0));
}

pub(super) fn encode(values: &[f32; SMALL_BLOCK], block: &mut [u8; BYTES]) {
    let fit = small_fit::centred(values, 8);
    put_f16(block, fit.scale);
    nibbles::pack(&fit.numbers, &mut block[NUMBERS..]);
}
