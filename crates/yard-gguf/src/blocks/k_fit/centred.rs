//! `Q6_K`: numbers around zero, groups with signed scales.

use half::f16;

use super::{REFINEMENTS, nearest_whole, stored, sum};
use crate::blocks::SUPER_BLOCK;
use crate::blocks::small_fit::inverse_of;

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
    let mut scales = [0.0_f32; CENTRED_GROUPS];
    for (scale, values) in scales.iter_mut().zip(values.as_chunks::<GROUP>().0) {
        *scale = best_scale(values);
    }
    // The group with the largest scale gets -128, as there is no 128.
    let largest =
        scales.iter().fold(0.0_f32, |best, scale| if scale.abs() > best.abs() { *scale } else { best });
    let (mut best, mut least) = rounded_to(largest / f32::from(i8::MIN), &scales, values);
    for _ in 0..REFINEMENTS {
        let (found, error) = rounded_to(best_unit(values, &best), &scales, values);
        if error >= least {
            break;
        }
        (best, least) = (found, error);
    }
    best
}

/// The block whose groups' scales are about `scales`, in multiples of the unit, and its error.
fn rounded_to(unit: f32, scales: &[f32; CENTRED_GROUPS], values: &[f32; SUPER_BLOCK]) -> (Centred, f32) {
    let mut block =
        Centred { scale: f16::from_f32(unit), groups: [0; CENTRED_GROUPS], numbers: [0; SUPER_BLOCK] };
    let unit = block.scale.to_f32();
    let scale_of = |group: i8| unit * f32::from(group);
    let (value_groups, _) = values.as_chunks::<GROUP>();
    let (number_groups, _) = block.numbers.as_chunks_mut::<GROUP>();
    let mut block_error = 0.0;
    for (index, (values, stored_numbers)) in value_groups.iter().zip(number_groups).enumerate() {
        let (group, group_error) = best_neighbour(nearest(scales[index], unit), |group| {
            let scale = scale_of(group);
            error(values, &numbers_at(values, scale), scale)
        });
        block.groups[index] = group;
        *stored_numbers = numbers_at(values, scale_of(group)).map(|number| stored(number + CENTRE));
        block_error += group_error;
    }
    (block, block_error)
}

/// The unit with the least error for a block's groups and numbers.
fn best_unit(values: &[f32; SUPER_BLOCK], block: &Centred) -> f32 {
    let (mut sum_ss, mut sum_sx) = (0.0, 0.0);
    for (index, (value, number)) in values.iter().zip(block.numbers).enumerate() {
        let scales = f32::from(block.groups[index / GROUP]) * (f32::from(number) - CENTRE);
        sum_ss += scales * scales;
        sum_sx += scales * value;
    }
    if sum_ss > 0.0 { sum_sx / sum_ss } else { block.scale.to_f32() }
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
            let numbers = numbers_at(values, scale);
            let found = error(values, &numbers, scale);
            if found < least {
                (best, least) = (scale, found);
            }
            scale = least_squares(values, &numbers);
        }
    }
    best
}

/// The scale with the least error for these numbers.
fn least_squares(values: &[f32; GROUP], numbers: &[f32; GROUP]) -> f32 {
    let sum_nn = sum(numbers, numbers, |number, same| number * same);
    let sum_nx = sum(numbers, values, |number, value| number * value);
    if sum_nn > 0.0 { sum_nx / sum_nn } else { 0.0 }
}

/// The numbers whose values are nearest.
fn numbers_at(values: &[f32; GROUP], scale: f32) -> [f32; GROUP] {
    let inverse = inverse_of(scale);
    values.map(|value| nearest_whole(value * inverse, -CENTRE, CENTRE - 1.0))
}

/// The sum of squared differences between values and those of the numbers.
fn error(values: &[f32; GROUP], numbers: &[f32; GROUP], scale: f32) -> f32 {
    sum(numbers, values, |number, value| {
        let difference = scale * number - value;
        difference * difference
    })
}

/// `near`, or a step from it, whichever has the least error; and the error.
fn best_neighbour(near: i8, error: impl Fn(i8) -> f32) -> (i8, f32) {
    let (mut best, mut least) = (near, error(near));
    for group in [near.saturating_sub(1), near.saturating_add(1)] {
        let found = error(group);
        if found < least {
            (best, least) = (group, found);
        }
    }
    (best, least)
}

/// How often `unit` is in `value`, to the nearest.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted")]
fn nearest(value: f32, unit: f32) -> i8 {
    if unit == 0.0 { 0 } else { (value / unit).round() as i8 }
}
