//! Our own search for the scales, minima and numbers of the K types: least squared error of a block's values.
//!
//! There are many blocks that stand for about the same values; readers need not know how one was chosen. First each
//! group's best real scale (and minimum) is sought, from several grids and by least squares under each grid's numbers.
//! Then these are rounded to the block's common scale, their neighbours tried as well, and the numbers chosen anew.

use half::f16;

use super::SUPER_BLOCK;
use super::k_scales::{GROUPS, Group};
use super::small_fit::inverse_of;

mod centred;
pub(super) use centred::{CENTRED_GROUPS, centred};

/// Values in a group of the types with minima.
const GROUP: usize = SUPER_BLOCK / GROUPS;
/// The largest scale or minimum of a group.
const MOST_SCALE: u8 = 63;
/// The grids that a group's search begins with: how much finer (or coarser) than the group's range they are, in
/// numbers, and how much of the range below zero they cut off. Each leads to a best line nearby, not to the best of all.
const GRIDS: [(f32, f32); 24] = {
    let mut grids = [(0.0, 0.0); 24];
    let mut index = 0;
    while index < grids.len() {
        grids[index] = (-1.0 + 0.25 * (index / 2) as f32, if index % 2 == 0 { 0.0 } else { 0.07 });
        index += 1;
    }
    grids
};
/// How often numbers and scale are fitted to each other.
const REFINEMENTS: usize = 3;

/// A block of groups whose values are `scale * group.scale * number - minimum * group.minimum`.
pub(super) struct AboveMinimum {
    pub(super) scale: f16,
    pub(super) minimum: f16,
    pub(super) groups: [Group; GROUPS],
    pub(super) numbers: [u8; SUPER_BLOCK],
}

/// A line through a group's numbers: `scale * number - offset`, neither negative.
#[derive(Clone, Copy)]
struct Line {
    scale: f32,
    offset: f32,
}

/// Fits numbers of `0..=most`.
pub(super) fn above_minimum(values: &[f32; SUPER_BLOCK], most: u8) -> AboveMinimum {
    let mut lines = [Line { scale: 0.0, offset: 0.0 }; GROUPS];
    for (line, values) in lines.iter_mut().zip(values.as_chunks::<GROUP>().0) {
        *line = best_line(values, most);
    }
    let largest = |of: fn(&Line) -> f32| lines.iter().map(of).fold(0.0, f32::max) / f32::from(MOST_SCALE);
    let mut unit = Line { scale: largest(|line| line.scale), offset: largest(|line| line.offset) };
    let (mut best, mut least) = rounded_to(unit, &lines, values, most);
    for _ in 0..REFINEMENTS {
        unit = best_unit(values, &best);
        let (found, error) = rounded_to(unit, &lines, values, most);
        if error >= least {
            break;
        }
        (best, least) = (found, error);
    }
    best
}

/// The block whose groups are about `lines`, in multiples of the unit's scale and offset, and its error.
fn rounded_to(
    unit: Line,
    lines: &[Line; GROUPS],
    values: &[f32; SUPER_BLOCK],
    most: u8,
) -> (AboveMinimum, f32) {
    let mut block = AboveMinimum {
        scale: f16::from_f32(unit.scale),
        minimum: f16::from_f32(unit.offset),
        groups: [Group { scale: 0, minimum: 0 }; GROUPS],
        numbers: [0; SUPER_BLOCK],
    };
    let unit = Line { scale: block.scale.to_f32(), offset: block.minimum.to_f32() };
    let line_of = |group: Group| Line {
        scale: unit.scale * f32::from(group.scale),
        offset: unit.offset * f32::from(group.minimum),
    };
    let (value_groups, _) = values.as_chunks::<GROUP>();
    let (number_groups, _) = block.numbers.as_chunks_mut::<GROUP>();
    let mut block_error = 0.0;
    for (index, (values, stored_numbers)) in value_groups.iter().zip(number_groups).enumerate() {
        let near = Group {
            scale: nearest(lines[index].scale, unit.scale),
            minimum: nearest(lines[index].offset, unit.offset),
        };
        let (group, group_error) = best_neighbour(near, |group| {
            let line = line_of(group);
            error(values, &numbers_on(values, most, line), line)
        });
        block.groups[index] = group;
        *stored_numbers = numbers_on(values, most, line_of(group)).map(stored);
        block_error += group_error;
    }
    (block, block_error)
}

/// The unit with the least error for a block's groups and numbers: a value is the unit's scale so many times, less the
/// unit's offset so many times.
fn best_unit(values: &[f32; SUPER_BLOCK], block: &AboveMinimum) -> Line {
    let (mut sum_ss, mut sum_so, mut sum_oo, mut sum_sx, mut sum_ox) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (index, (value, number)) in values.iter().zip(block.numbers).enumerate() {
        let group = block.groups[index / GROUP];
        let scales = f32::from(group.scale) * f32::from(number);
        let offsets = -f32::from(group.minimum);
        sum_ss += scales * scales;
        sum_so += scales * offsets;
        sum_oo += offsets * offsets;
        sum_sx += scales * value;
        sum_ox += offsets * value;
    }
    let determinant = sum_ss * sum_oo - sum_so * sum_so;
    let unit = Line {
        scale: (sum_sx * sum_oo - sum_ox * sum_so) / determinant,
        offset: (sum_ox * sum_ss - sum_sx * sum_so) / determinant,
    };
    // Without offsets, or when all values lie on one line, there is nothing to gain.
    if unit.scale.is_finite() && unit.offset.is_finite() && unit.scale >= 0.0 && unit.offset >= 0.0 {
        unit
    } else {
        Line { scale: block.scale.to_f32(), offset: block.minimum.to_f32() }
    }
}

/// The line with the least error among those of all grids, each refined.
fn best_line(values: &[f32; GROUP], most: u8) -> Line {
    // An offset lowers the grid; it cannot raise it above zero.
    let lowest = values.iter().copied().fold(0.0, f32::min);
    let highest = values.iter().copied().fold(lowest, f32::max);
    let mut best = Line { scale: 0.0, offset: -lowest };
    if highest == lowest {
        return best;
    }
    let mut least = f32::INFINITY;
    for (finer, cut) in GRIDS {
        let scale = (highest - lowest) / (f32::from(most) + finer);
        let mut line = Line { scale, offset: -lowest * (1.0 - cut) };
        for _ in 0..REFINEMENTS {
            let numbers = numbers_on(values, most, line);
            let found = error(values, &numbers, line);
            if found < least {
                (best, least) = (line, found);
            }
            line = least_squares(values, &numbers);
        }
    }
    best
}

/// The line with the least error for these numbers.
fn least_squares(values: &[f32; GROUP], numbers: &[f32; GROUP]) -> Line {
    let sum_x = sum(values, values, |value, _| value);
    let sum_n = sum(numbers, values, |number, _| number);
    let sum_nn = sum(numbers, numbers, |number, same| number * same);
    let sum_nx = sum(numbers, values, |number, value| number * value);
    let count = GROUP as f32;
    let spread = count * sum_nn - sum_n * sum_n;
    if spread > 0.0 {
        let scale = (count * sum_nx - sum_n * sum_x) / spread;
        let offset = (scale * sum_n - sum_x) / count;
        if scale >= 0.0 && offset >= 0.0 {
            return Line { scale, offset };
        }
    }
    // Without an offset: the line through zero.
    let scale = if sum_nn > 0.0 { (sum_nx / sum_nn).max(0.0) } else { 0.0 };
    Line { scale, offset: 0.0 }
}

/// The numbers whose values on the line are nearest.
fn numbers_on(values: &[f32; GROUP], most: u8, line: Line) -> [f32; GROUP] {
    let inverse = inverse_of(line.scale);
    let most = f32::from(most);
    values.map(|value| nearest_whole((value + line.offset) * inverse, 0.0, most))
}

/// The sum of squared differences between values and those of the numbers.
fn error(values: &[f32; GROUP], numbers: &[f32; GROUP], line: Line) -> f32 {
    sum(numbers, values, |number, value| {
        let difference = line.scale * number - line.offset - value;
        difference * difference
    })
}

/// `near`, or a group one step from it, whichever has the least error; and the error.
fn best_neighbour(near: Group, error: impl Fn(Group) -> f32) -> (Group, f32) {
    let around = |number: u8| number.saturating_sub(1)..=number.saturating_add(1).min(MOST_SCALE);
    let mut best = near;
    let mut least = error(near);
    for scale in around(near.scale) {
        for minimum in around(near.minimum) {
            let group = Group { scale, minimum };
            let found = error(group);
            if found < least {
                (best, least) = (group, found);
            }
        }
    }
    (best, least)
}

/// How often `unit` is in `value`, to the nearest.
fn nearest(value: f32, unit: f32) -> u8 {
    stored(nearest_whole(value * inverse_of(unit), 0.0, f32::from(MOST_SCALE)))
}

/// Rounds to the nearest whole number between two small ones, ties to even; what is no number becomes the least.
///
/// Adding 1.5 * 2^23 leaves no bits for fractions, so the addition rounds: several at once, where `f32::round` is a
/// call of a function for each.
fn nearest_whole(value: f32, least: f32, most: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    let value = if value > least { value } else { least };
    let value = if value < most { value } else { most };
    value + NO_FRACTION - NO_FRACTION
}

/// The sum of a term for each pair, in eight parts, as several are added at once so.
fn sum<const COUNT: usize>(left: &[f32; COUNT], right: &[f32; COUNT], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut parts = [0.0_f32; 8];
    for (left, right) in left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0) {
        for ((part, left), right) in parts.iter_mut().zip(left).zip(right) {
            *part += term(*left, *right);
        }
    }
    parts.iter().sum()
}

/// A number as it is stored.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number below 64")]
fn stored(number: f32) -> u8 {
    number as u8
}
