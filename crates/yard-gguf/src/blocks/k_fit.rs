//! Our own search for the scales, minima and numbers of the K types: least squared error of a block's values.
//!
//! There are many blocks that stand for about the same values; readers need not know how one was chosen. First each
//! group's best real scale (and minimum) is sought, from several grids and by least squares under each grid's numbers.
//! Then these are rounded to the block's common scale, their neighbours tried as well, and the numbers chosen anew.

use half::f16;

use super::SUPER_BLOCK;
use super::k_scales::{GROUPS, Group};

mod centred;
pub(super) use centred::{CENTRED_GROUPS, centred};

/// Values in a group of the types with minima.
const GROUP: usize = SUPER_BLOCK / GROUPS;
/// The largest scale or minimum of a group.
const MOST_SCALE: u8 = 63;
/// How much finer or coarser than the group's range the grids are, in numbers.
const GRID_STEPS: [f32; 9] = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0];
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
    let (value_groups, _) = values.as_chunks::<GROUP>();
    let mut lines = [Line { scale: 0.0, offset: 0.0 }; GROUPS];
    for (line, values) in lines.iter_mut().zip(value_groups) {
        *line = best_line(values, most);
    }
    let largest = |of: fn(&Line) -> f32| lines.iter().map(of).fold(0.0, f32::max);
    let scale = f16::from_f32(largest(|line| line.scale) / f32::from(MOST_SCALE));
    let minimum = f16::from_f32(largest(|line| line.offset) / f32::from(MOST_SCALE));

    let mut groups = [Group { scale: 0, minimum: 0 }; GROUPS];
    let mut numbers = [0; SUPER_BLOCK];
    let (number_groups, _) = numbers.as_chunks_mut::<GROUP>();
    for (index, values) in value_groups.iter().enumerate() {
        let near = Group {
            scale: nearest(lines[index].scale, scale.to_f32()),
            minimum: nearest(lines[index].offset, minimum.to_f32()),
        };
        let line_of = |group: Group| Line {
            scale: scale.to_f32() * f32::from(group.scale),
            offset: minimum.to_f32() * f32::from(group.minimum),
        };
        groups[index] = best_neighbour(near, |group| error(values, most, line_of(group)));
        number_groups[index] = numbers_on(values, most, line_of(groups[index]));
    }
    AboveMinimum { scale, minimum, groups, numbers }
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
    let mut least = error(values, most, best);
    for step in GRID_STEPS {
        let mut line = Line { scale: (highest - lowest) / (f32::from(most) + step), offset: -lowest };
        for _ in 0..REFINEMENTS {
            let found = error(values, most, line);
            if found < least {
                (best, least) = (line, found);
            }
            line = least_squares(values, &numbers_on(values, most, line));
        }
    }
    best
}

/// The line with the least error for these numbers.
fn least_squares(values: &[f32; GROUP], numbers: &[u8; GROUP]) -> Line {
    let (mut sum_x, mut sum_n, mut sum_nn, mut sum_nx) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    for (value, number) in values.iter().zip(numbers) {
        let number = f32::from(*number);
        sum_x += value;
        sum_n += number;
        sum_nn += number * number;
        sum_nx += number * value;
    }
    let count = values.len() as f32;
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

/// The nearest values on the line.
fn numbers_on(values: &[f32; GROUP], most: u8, line: Line) -> [u8; GROUP] {
    let inverse = super::small_fit::inverse_of(line.scale);
    values.map(|value| rounded((value + line.offset) * inverse, most))
}

/// The sum of squared differences between values and the nearest on the line.
fn error(values: &[f32; GROUP], most: u8, line: Line) -> f32 {
    let numbers = numbers_on(values, most, line);
    let pairs = values.iter().zip(numbers);
    pairs
        .map(|(value, number)| {
            let difference = line.scale * f32::from(number) - line.offset - value;
            difference * difference
        })
        .sum()
}

/// `near`, or a group one step from it, whichever has the least error.
fn best_neighbour(near: Group, error: impl Fn(Group) -> f32) -> Group {
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
    best
}

/// How often `unit` is in `value`, to the nearest.
fn nearest(value: f32, unit: f32) -> u8 {
    if unit == 0.0 { 0 } else { rounded(value / unit, MOST_SCALE) }
}

/// Rounds to the nearest, into `0..=most`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, as is wanted"
)]
fn rounded(value: f32, most: u8) -> u8 {
    ((value + 0.5) as u8).min(most)
}
