//! Which numbers a key takes.

use std::fmt;

/// Which numbers a key takes; for a list or a table of numbers, what each of them may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Allowed {
    /// Whatever its type can hold.
    Any,
    /// Numbers above 0.
    Positive,
    /// 0 and numbers above it.
    NotNegative,
    /// From the first to the second, both included.
    Between(f64, f64),
    /// From the first, which is included, to the second, which is not.
    Below(f64, f64),
    /// Above the first, up to the second, which is included.
    AboveUpTo(f64, f64),
}

pub(crate) const ANY: Allowed = Allowed::Any;
pub(crate) const POSITIVE: Allowed = Allowed::Positive;
pub(crate) const NOT_NEGATIVE: Allowed = Allowed::NotNegative;
pub(crate) const SHARE: Allowed = Allowed::Between(0.0, 1.0);

/// From `low` to `high`, both included.
pub(crate) const fn allowed_between(low: f64, high: f64) -> Allowed {
    Allowed::Between(low, high)
}

impl Allowed {
    pub(crate) fn takes(self, number: f64) -> bool {
        match self {
            Self::Any => true,
            Self::Positive => number > 0.0,
            Self::NotNegative => number >= 0.0,
            Self::Between(low, high) => (low..=high).contains(&number),
            Self::Below(low, high) => (low..high).contains(&number),
            Self::AboveUpTo(low, high) => number > low && number <= high,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::Positive => formatter.write_str("above 0"),
            Self::NotNegative => formatter.write_str("0 or above"),
            Self::Between(low, high) => write!(formatter, "from {low} to {high}"),
            Self::Below(low, high) => write!(formatter, "from {low} to below {high}"),
            Self::AboveUpTo(low, high) => write!(formatter, "above {low}, at most {high}"),
        }
    }
}
