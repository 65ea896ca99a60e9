//! Count, range, mean and spread of numbers.

/// Mean and sum of squared deviations, kept the way Chan, Golub and LeVeque do: a batch is measured in two passes over
/// memory and joined to what came before. Joining is also how two halves of a data set are merged.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) zeros: u64,
    pub(super) negatives: u64,
    /// Values that are not whole numbers.
    pub(super) fractional: u64,
    minimum: f64,
    maximum: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// `values` must be finite; the caller counts the others.
    pub(super) fn add(&mut self, values: &[f64]) {
        let (Some(first), count) = (values.first(), values.len() as u64) else {
            return;
        };
        let mut batch = Self { count, minimum: *first, maximum: *first, ..Self::default() };
        let mut sum = 0.0;
        for &value in values {
            batch.minimum = batch.minimum.min(value);
            batch.maximum = batch.maximum.max(value);
            batch.zeros += u64::from(value == 0.0);
            batch.negatives += u64::from(value < 0.0);
            batch.fractional += u64::from(value.fract() != 0.0);
            sum += value;
        }
        let mean = sum / count as f64;
        let mut drift = 0.0;
        for &value in values {
            let deviation = value - mean;
            drift += deviation;
            batch.squares += deviation * deviation;
        }
        // What rounding left in the mean is taken back out of it and of the squares.
        batch.mean = mean + drift / count as f64;
        batch.squares = (batch.squares - drift * drift / count as f64).max(0.0);
        self.merge(&batch);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        let total = (self.count + other.count) as f64;
        let delta = other.mean - self.mean;
        let share = other.count as f64 / total;
        self.mean += delta * share;
        self.squares += other.squares + delta * delta * self.count as f64 * share;
        self.count += other.count;
        self.zeros += other.zeros;
        self.negatives += other.negatives;
        self.fractional += other.fractional;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        (self.count > 0).then_some((self.minimum, self.maximum))
    }

    /// None without values, and where the sum is beyond what a double holds.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0 && self.mean.is_finite()).then_some(self.mean)
    }

    /// Of a sample: divided by n - 1. None for fewer than two values, and where squares overflow.
    pub(super) fn standard_deviation(&self) -> Option<f64> {
        let deviation = (self.squares / (self.count.checked_sub(1)?) as f64).sqrt();
        (self.count > 1 && deviation.is_finite()).then_some(deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments_of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        moments.add(values);
        moments
    }

    #[test]
    fn a_large_offset_does_not_eat_the_spread() {
        // The textbook sum of squares loses all of it here: the deviation is sqrt(30 / 3) whatever the offset.
        let values = [4.0, 7.0, 13.0, 16.0].map(|value| value + 1e9);
        assert_eq!(moments_of(&values).mean(), Some(1e9 + 10.0));
        let mut in_parts = moments_of(&values[..1]);
        in_parts.merge(&moments_of(&values[1..]));
        for moments in [moments_of(&values), in_parts] {
            let deviation = moments.standard_deviation().expect("four values");
            assert!((deviation - 30.0_f64.sqrt()).abs() < 1e-9, "{deviation}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        assert_eq!(moments_of(&[]).mean(), None);
        assert_eq!(moments_of(&[]).range(), None);
        assert_eq!(moments_of(&[3.0]).standard_deviation(), None);
        assert_eq!(moments_of(&[3.0, 3.0]).standard_deviation(), Some(0.0));
        assert_eq!(moments_of(&[f64::MAX, f64::MAX]).mean(), None);
    }

    #[test]
    fn zeros_negatives_and_fractions_are_counted() {
        let moments = moments_of(&[0.0, -0.0, -2.0, 2.5, 7.0]);
        assert_eq!((moments.zeros, moments.negatives, moments.fractional), (2, 1, 1));
        assert_eq!(moments.range(), Some((-2.0, 7.0)));
    }
}
