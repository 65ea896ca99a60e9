//! `Q6_K`: numbers around zero, groups with signed scales.

use half::f16;

use super::REFINEMENTS;
use crate::blocks::{SUPER_BLOCK, small_fit};

pub(in crate::blocks) const CENTRED_GROUPS: usize = 16;

const GROUP: usize = SUPER_BLOCK / CENTRED_GROUPS;
/// The numbers are `-CENTRE..CENTRE`.
const CENTRE: f32 = 32.0;
/// Where the value that is furthest from zero may fall, on either side: beyond the last number it is cut off.
const FURTHEST: [f32; 9] = [29.0, 29.5, 30.0, 30.5, 31.0, 31.5, 32.0, 32.5, 33.0];

/// A block of groups whose values are `scale * group * (number - 32)`.
pub(in crate::blocks) struct Centred {
    pub(in crate::blocks) scale: f16,
    pub(in crate::blocks) groups: [i8; CENTRED_GROUPS],
    pub(in crate::blocks) numbers: [u8; SUPER_BLOCK],
}

/// Fits numbers of 6 bits.
pub(in crate::blocks) fn centred(values: &[f32; SUPER_BLOCK]) -> Centred {
    let (value_groups, _) = values.as_chunks::<GROUP>();
    let mut scales = [0.0_f32; CENTRED_GROUPS];
    for (scale, values) in scales.iter_mut().zip(value_groups) {
        *scale = best_scale(values);
    }
    // The group with the largest scale gets -128, as there is no 128.
    let largest =
        scales.iter().fold(0.0_f32, |best, scale| if scale.abs() > best.abs() { *scale } else { best });
    let scale = f16::from_f32(largest / f32::from(i8::MIN));

    let mut groups = [0; CENTRED_GROUPS];
    let mut numbers = [0; SUPER_BLOCK];
    let (number_groups, _) = numbers.as_chunks_mut::<GROUP>();
    for (index, values) in value_groups.iter().enumerate() {
        let near = nearest(scales[index], scale.to_f32());
        let scale_of = |group: i8| scale.to_f32() * f32::from(group);
        groups[index] = best_neighbour(near, |group| error(values, scale_of(group)));
        number_groups[index] = numbers_at(values, scale_of(groups[index])).map(stored);
    }
    Centred { scale, groups, numbers }
}

/// The scale with the least error, of either sign: there is one more number below zero than above.
fn best_scale(values: &[f32; GROUP]) -> f32 {
    let furthest =
        values.iter().fold(0.0_f32, |best, value| if value.abs() > best.abs() { *value } else { best });
    if furthest == 0.0 {
        return 0.0;
    }
    let (mut best, mut least) = (0.0, f32::INFINITY);
    for place in FURTHEST.into_iter().flat_map(|place| [place, -place]) {
        let mut scale = furthest / place;
        for _ in 0..REFINEMENTS {
            let found = error(values, scale);
            if found < least {
                (best, least) = (scale, found);
            }
            scale = least_squares(values, &numbers_at(values, scale));
        }
    }
    best
}

/// The scale with the least error for these numbers.
fn least_squares(values: &[f32; GROUP], numbers: &[f32; GROUP]) -> f32 {
    let (mut sum_nn, mut sum_nx) = (0.0, 0.0);
    for (value, number) in values.iter().zip(numbers) {
        sum_nn += number * number;
        sum_nx += number * value;
    }
    if sum_nn > 0.0 { sum_nx / sum_nn } else { 0.0 }
}

fn numbers_at(values: &[f32; GROUP], scale: f32) -> [f32; GROUP] {
    let inverse = small_fit::inverse_of(scale);
    values.map(|value| (value * inverse).round().clamp(-CENTRE, CENTRE - 1.0))
}

/// The sum of squared differences between values and the nearest that the scale gives.
fn error(values: &[f32; GROUP], scale: f32) -> f32 {
    let pairs = values.iter().zip(numbers_at(values, scale));
    pairs
        .map(|(value, number)| {
            let difference = scale * number - value;
            difference * difference
        })
        .sum()
}

/// `near`, or a step from it, whichever has the least error.
fn best_neighbour(near: i8, error: impl Fn(i8) -> f32) -> i8 {
    let (mut best, mut least) = (near, error(near));
    for group in [near.saturating_sub(1), near.saturating_add(1)] {
        let found = error(group);
        if found < least {
            (best, least) = (group, found);
        }
    }
    best
}

/// How often `unit` is in `value`, to the nearest.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted")]
fn nearest(value: f32, unit: f32) -> i8 {
    if unit == 0.0 { 0 } else { (value / unit).round() as i8 }
}

/// A number as it is stored, 32 more than it counts.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 63")]
fn stored(number: f32) -> u8 {
    (number + CENTRE) as u8
}
