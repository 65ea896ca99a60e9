//! `Q8_0`: signed bytes, one scale.

use super::{SMALL_BLOCK, put_f16, read_f16, small_fit};

const NUMBERS: usize = 2;
pub(super) const BYTES: usize = NUMBERS + SMALL_BLOCK;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    for (value, number) in values.iter_mut().zip(&block[NUMBERS..]) {
        *value = scale * f32::from(number.cast_signed());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted")]
pub(super) fn encode(values: &[f32; SMALL_BLOCK], block: &mut [u8; BYTES]) {
    let furthest = values.iter().fold(0.0_f32, |best, value| best.max(value.abs()));
    let scale = furthest / 127.0;
    let inverse = small_fit::inverse_of(scale);
    put_f16(block, scale);
    for (byte, value) in block[NUMBERS..].iter_mut().zip(values) {
        *byte = ((value * inverse).round() as i8).cast_unsigned();
    }
}
