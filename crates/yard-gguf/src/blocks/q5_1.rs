//! `Q5_1`: 5 bits above a minimum, one scale.

use super::{SMALL_BLOCK, nibbles, put_f16, read_f16, small_fit};

const MINIMUM: usize = 2;
const FIFTH_BITS: usize = MINIMUM + 2;
const NUMBERS: usize = FIFTH_BITS + 4;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let minimum = read_f16(&block[MINIMUM..]);
    let numbers = nibbles::unpack_five(&block[FIFTH_BITS..], &block[NUMBERS..]);
    *values = numbers.map(|number| scale * f32::from(number) + minimum);
}

pub(super) fn encode(values: &[f32; SMALL_BLOCK], block: &mut [u8; BYTES]) {
    let fit = small_fit::above_minimum(values, 31);
    let (front, numbers) = block.split_at_mut(NUMBERS);
    put_f16(front, fit.scale);
    put_f16(&mut front[MINIMUM..], fit.minimum);
    nibbles::pack_five(&fit.numbers, &mut front[FIFTH_BITS..], numbers);
}
