//! Moments of wall-clock time.

/// Milliseconds since 1970-01-01T00:00:00Z. Reading the clock and writing dates belong to other crates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment plus some milliseconds, at the ends of the range held there.
    pub const fn plus_milliseconds(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}
