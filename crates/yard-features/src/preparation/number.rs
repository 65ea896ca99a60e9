//! A column of numbers.

use yard_data::{Table, Values};

use super::{column, refuses, wrong_type};
use crate::{FeatureError, MissingNumbers, NumberScaling, PreparationOptions};

/// `(value - shift) * factor`, in 32-bit arithmetic, after `fill` took the place of NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberColumn {
    pub(super) name: String,
    /// In the unit of the column; `None` keeps NaN.
    pub(super) fill: Option<f32>,
    pub(super) scale: Scale,
    /// Whether NaN is an error.
    refuses_missing: bool,
}

/// A shift and a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) shift: f32,
    pub(super) factor: f32,
}

impl NumberColumn {
    /// Learns from the training rows. The text is the value of a column that is the same in all of them.
    pub(super) fn fit(
        name: &str,
        values: &[f64],
        train: &[usize],
        options: &PreparationOptions,
    ) -> Result<(Self, Option<String>), FeatureError> {
        let refuses_missing = refuses(options.missing_numbers);
        let mut known = Vec::with_capacity(train.len());
        for row in train {
            let value = narrowed(name, values[*row], *row)?;
            if !value.is_nan() {
                known.push(value);
            } else if refuses_missing {
                return Err(FeatureError::Missing { column: name.to_owned(), row: row + 1 });
            }
        }
        if known.is_empty() {
            return Err(FeatureError::NoValues { column: name.to_owned() });
        }
        let missing = train.len() - known.len();
        let fill = match options.missing_numbers {
            MissingNumbers::Mean => Some(mean(&known) as f32),
            MissingNumbers::Median => Some(median(&mut known)),
            MissingNumbers::Zero => Some(0.0),
            MissingNumbers::Refuse | MissingNumbers::Keep => None,
        };
        if let Some(fill) = fill {
            // What the model sees is scaled, and it sees the filled places as well.
            known.extend(std::iter::repeat_n(fill, missing));
        }
        let (scale, is_constant) = Scale::fit(name, &known, options.numbers)?;
        // Trees also learn from where a value is missing.
        let is_constant = is_constant && (fill.is_some() || missing == 0);
        let constant = is_constant.then(|| known[0].to_string());
        Ok((Self { name: name.to_owned(), fill, scale, refuses_missing }, constant))
    }

    /// Writes the prepared rows into column `place` of rows that are `width` wide.
    pub(super) fn apply(
        &self,
        table: &Table,
        rows: &[usize],
        into: &mut [f32],
        place: usize,
        width: usize,
    ) -> Result<(), FeatureError> {
        let column = column(table, &self.name)?;
        let Values::Numbers(values) = &column.values else { return Err(wrong_type(column, "numbers")) };
        for (prepared, row) in into.chunks_exact_mut(width).zip(rows) {
            let value = narrowed(&self.name, values[*row], *row)?;
            if value.is_nan() && self.refuses_missing {
                return Err(FeatureError::Missing { column: self.name.clone(), row: row + 1 });
            }
            let filled = if value.is_nan() { self.fill.unwrap_or(value) } else { value };
            prepared[place] = self.scale.of(filled);
        }
        Ok(())
    }
}

impl Scale {
    pub(super) const IDENTITY: Self = Self { shift: 0.0, factor: 1.0 };

    /// Learns how to scale values, none of which is NaN, and says whether they are all the same.
    pub(super) fn fit(
        name: &str,
        values: &[f32],
        scaling: NumberScaling,
    ) -> Result<(Self, bool), FeatureError> {
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (shift, spread) = match scaling {
            NumberScaling::None => return Ok((Self::IDENTITY, min == max)),
            // The values are all equal: centred, a column adds nothing, and nothing is divided by zero.
            _ if min == max => return Ok((Self { shift: min, factor: 1.0 }, true)),
            NumberScaling::Standardize => {
                let mean = mean(values);
                let squares = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
                (mean, (squares / values.len() as f64).sqrt())
            }
            NumberScaling::MinMax => (f64::from(min), f64::from(max) - f64::from(min)),
        };
        let scale = Self { shift: shift as f32, factor: spread.recip() as f32 };
        if scale.factor.is_normal() && scale.of(min).is_finite() && scale.of(max).is_finite() {
            Ok((scale, false))
        } else {
            Err(FeatureError::Unscalable { column: name.to_owned(), min, max })
        }
    }

    /// A scaled value, rounded as the graph rounds it.
    pub(super) fn of(self, value: f32) -> f32 {
        (value - self.shift) * self.factor
    }
}

/// A number as the model takes it.
pub(super) fn narrowed(column: &str, value: f64, row: usize) -> Result<f32, FeatureError> {
    let narrowed = value as f32;
    if narrowed.is_infinite() {
        return Err(FeatureError::Infinite { column: column.to_owned(), row: row + 1 });
    }
    Ok(narrowed)
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        return values[middle];
    }
    ((f64::from(values[middle - 1]) + f64::from(values[middle])) / 2.0) as f32
}
