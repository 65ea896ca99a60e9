//! Scales and numbers of the types with one scale for 32 values, by the published arithmetic: other rounding gives
//! other files.

use super::SMALL_BLOCK;

/// A block's scale and its numbers.
pub(super) struct Centred {
    pub(super) scale: f32,
    pub(super) numbers: [u8; SMALL_BLOCK],
}

/// A block's scale, its minimum and its numbers.
pub(super) struct AboveMinimum {
    pub(super) scale: f32,
    pub(super) minimum: f32,
    pub(super) numbers: [u8; SMALL_BLOCK],
}

/// Numbers of `0..2 * centre`; the value that is furthest from zero becomes number 0.
pub(super) fn centred(values: &[f32; SMALL_BLOCK], centre: u8) -> Centred {
    // The first of the furthest, so that the sign of a zero is that of the reference.
    let furthest =
        values.iter().fold(values[0], |best, value| if value.abs() > best.abs() { *value } else { best });
    let centre_value = f32::from(centre);
    let scale = furthest / -centre_value;
    let inverse = inverse_of(scale);
    let numbers = values.map(|value| down(value * inverse + (centre_value + 0.5), 2 * centre - 1));
    Centred { scale, numbers }
}

/// Numbers of `0..=most`; the smallest value becomes number 0, the largest number `most`.
pub(super) fn above_minimum(values: &[f32; SMALL_BLOCK], most: u8) -> AboveMinimum {
    let minimum = values.iter().copied().fold(f32::INFINITY, f32::min);
    let maximum = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = (maximum - minimum) / f32::from(most);
    let inverse = inverse_of(scale);
    let numbers = values.map(|value| down((value - minimum) * inverse + 0.5, most));
    AboveMinimum { scale, minimum, numbers }
}

/// 1 through the scale, as it is before it is rounded to `f16`.
pub(super) fn inverse_of(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// Rounds towards zero, into `0..=most`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, as is wanted"
)]
fn down(value: f32, most: u8) -> u8 {
    (value as u8).min(most)
}
