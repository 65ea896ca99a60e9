//! `Q5_0`: 5 bits around zero, one scale.

use super::{SMALL_BLOCK, nibbles, put_f16, read_f16, small_fit};

const FIFTH_BITS: usize = 2;
const NUMBERS: usize = FIFTH_BITS + 4;
pub(super) const BYTES: usize = NUMBERS + nibbles::BYTES;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    let numbers = nibbles::unpack_five(&block[FIFTH_BITS..], &block[NUMBERS..]);
    *values = numbers.map(|number| scale * (f32::from(number) - 16.0));
}

pub(super) fn encode(values: &[f32; SMALL_BLOCK], block: &mut [u8; BYTES]) {
    let fit = small_fit::centred(values, 16);
    let (front, numbers) = block.split_at_mut(NUMBERS);
    put_f16(front, fit.scale);
    nibbles::pack_five(&fit.numbers, &mut front[FIFTH_BITS..], numbers);
}
