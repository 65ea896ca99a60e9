//! `Q8_0`: signed bytes, one scale.

use super::{SMALL_BLOCK, read_f16};

const NUMBERS: usize = 2;
pub(super) const BYTES: usize = NUMBERS + SMALL_BLOCK;

pub(super) fn decode(block: &[u8; BYTES], values: &mut [f32; SMALL_BLOCK]) {
    let scale = read_f16(block);
    for (value, number) in values.iter_mut().zip(&block[NUMBERS..]) {
        *value = scale * f32::from(number.cast_signed());
    }
}
