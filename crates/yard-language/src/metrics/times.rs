//! Histograms of times.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::add;

/// Upper bounds of the time until an answer's first token: from a prompt that is known to a long one behind a queue.
pub(super) const TO_FIRST_TOKEN: [Duration; 15] = [
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// Upper bounds of the time from one token to the next; those that were guessed come together.
pub(super) const BETWEEN_TOKENS: [Duration; 13] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// A histogram of times at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimesSnapshot {
    /// How many were at most so long, by rising bound. All together are [`Self::count`].
    pub at_most: Vec<(Duration, u64)>,
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
}

#[derive(Debug)]
pub(super) struct Times {
    bounds: &'static [Duration],
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Times {
    pub(super) fn new(bounds: &'static [Duration]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, nanoseconds: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, time: Duration) {
        let place = self.bounds.partition_point(|bound| *bound < time);
        add(&self.counts[place], 1);
        add(&self.nanoseconds, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn snapshot(&self) -> TimesSnapshot {
        let mut count = 0;
        let mut at_most = Vec::with_capacity(self.bounds.len());
        for (bound, here) in self.bounds.iter().zip(&self.counts) {
            count += here.load(Ordering::Relaxed);
            at_most.push((*bound, count));
        }
        count += self.counts.last().map_or(0, |above| above.load(Ordering::Relaxed));
        TimesSnapshot { at_most, count, sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_a_bound_counts_below_it() {
        let times = Times::new(&TO_FIRST_TOKEN);
        for time in [Duration::ZERO, Duration::from_millis(1), Duration::from_nanos(1_000_001)] {
            times.record(time);
        }
        times.record(Duration::from_secs(61));
        let snapshot = times.snapshot();
        assert_eq!(snapshot.at_most.len(), TO_FIRST_TOKEN.len());
        assert_eq!(snapshot.at_most[0], (Duration::from_millis(1), 2));
        assert_eq!(snapshot.at_most[1], (Duration::from_micros(2_500), 3));
        assert_eq!(snapshot.at_most[14], (Duration::from_secs(60), 3));
        assert_eq!((snapshot.count, snapshot.sum), (4, Duration::from_nanos(61_002_000_001)));
    }

    #[test]
    fn bounds_rise() {
        assert!(TO_FIRST_TOKEN.is_sorted() && BETWEEN_TOKENS.is_sorted());
    }
}
