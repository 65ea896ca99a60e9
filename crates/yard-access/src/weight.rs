//! What share of a language model a key has beside others.

use std::num::NonZeroU32;

/// Largest weight. A key of weight one still gets on beside one of it.
const MAX_WEIGHT: u32 = 1_000;

/// How much of a language model a key gets when several want it at once: twice the weight, twice the tokens. Changes
/// nothing while the model has room for all who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueWeight(NonZeroU32);

/// A number outside what a weight may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a weight is a number from 1 to 1000")]
pub struct QueueWeightError;

// === impl QueueWeight ===

impl QueueWeight {
    /// A weight from 1 to 1000.
    pub fn new(weight: u32) -> Result<Self, QueueWeightError> {
        NonZeroU32::new(weight).filter(|weight| weight.get() <= MAX_WEIGHT).map(Self).ok_or(QueueWeightError)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for QueueWeight {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_one_to_a_thousand() {
        assert_eq!(QueueWeight::default().get(), 1);
        for (weight, expected) in [(0, false), (1, true), (1_000, true), (1_001, false), (u32::MAX, false)] {
            let read = QueueWeight::new(weight).map(QueueWeight::get);
            assert_eq!(read, expected.then_some(weight).ok_or(QueueWeightError), "{weight}");
        }
    }
}
