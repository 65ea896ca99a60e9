//! What is counted for each version, with relaxed atomics: a few nanoseconds a request.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use yard_types::{ErrorCode, VersionRef};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Upper bounds of the time histograms, in nanoseconds.
const TIME_BOUNDS: [u64; 18] = [
    5 * MICROSECOND,
    10 * MICROSECOND,
    25 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    SECOND,
    5 * SECOND,
    30 * SECOND,
];

/// Upper bounds of the histogram of rows in a run.
const ROW_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096];

/// The numbers of one loaded version at one moment. They begin at 0 with each load.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsSnapshot {
    /// The version.
    pub version: VersionRef,
    /// Requests, refused ones included.
    pub requests: u64,
    /// Requests that failed, by kind; kinds that did not occur are left out.
    pub failures: Vec<(ErrorCode, u64)>,
    /// Rows of the requests whose inputs fitted the signature.
    pub rows: u64,
    /// Runs.
    pub batches: u64,
    /// Runs in which the engine panicked.
    pub panics: u64,
    /// Interactive requests that wait now.
    pub queued_interactive: usize,
    /// Background requests that wait now.
    pub queued_background: usize,
    /// Runs that go on now.
    pub running: usize,
    /// Rows in a run.
    pub batch_rows: HistogramSnapshot,
    /// Seconds from a request's arrival to the start of its run.
    pub queue_seconds: HistogramSnapshot,
    /// Seconds of a run.
    pub compute_seconds: HistogramSnapshot,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSnapshot {
    /// The buckets, by rising bound; the one without a bound is not among them: its count is [`Self::count`].
    pub buckets: Vec<Bucket>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

/// How many values were at most so large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The bound.
    pub upper: f64,
    /// How many values were not above it.
    pub count: u64,
}

/// What is counted while a version is loaded.
#[derive(Debug)]
pub(crate) struct VersionMetrics {
    requests: AtomicU64,
    failures: [AtomicU64; ErrorCode::ALL.len()],
    rows: AtomicU64,
    panics: AtomicU64,
    batch_rows: Histogram,
    queue: Histogram,
    compute: Histogram,
}

#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

// === impl VersionMetrics ===

impl VersionMetrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            failures: [const { AtomicU64::new(0) }; ErrorCode::ALL.len()],
            rows: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            batch_rows: Histogram::new(&ROW_BOUNDS),
            queue: Histogram::new(&TIME_BOUNDS),
            compute: Histogram::new(&TIME_BOUNDS),
        }
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self, code: ErrorCode) {
        self.failures[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.queue.record(nanoseconds(time));
    }

    pub(crate) fn ran(&self, rows: usize, time: Duration) {
        self.batch_rows.record(rows as u64);
        self.compute.record(nanoseconds(time));
    }

    /// The mean time of a run; `None` before the first.
    pub(crate) fn mean_run(&self) -> Option<Duration> {
        let runs = self.compute.count();
        let total = self.compute.sum.load(Ordering::Relaxed);
        total.checked_div(runs).map(Duration::from_nanos)
    }

    /// All but the gauges, which stand in the queue.
    pub(crate) fn snapshot(&self, version: VersionRef) -> MetricsSnapshot {
        let failures = ErrorCode::ALL.into_iter().zip(&self.failures);
        let compute_seconds = self.compute.snapshot(1e-9);
        MetricsSnapshot {
            version,
            requests: self.requests.load(Ordering::Relaxed),
            failures: failures
                .map(|(code, count)| (code, count.load(Ordering::Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            rows: self.rows.load(Ordering::Relaxed),
            batches: compute_seconds.count,
            panics: self.panics.load(Ordering::Relaxed),
            queued_interactive: 0,
            queued_background: 0,
            running: 0,
            batch_rows: self.batch_rows.snapshot(1.0),
            queue_seconds: self.queue.snapshot(1e-9),
            compute_seconds,
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Histogram ===

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    fn record(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "bounds and sums are shown, not counted with")]
    fn snapshot(&self, unit: f64) -> HistogramSnapshot {
        let mut below = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            buckets.push(Bucket { upper: *bound as f64 * unit, count: below });
        }
        let above = self.counts.last().map_or(0, |count| count.load(Ordering::Relaxed));
        HistogramSnapshot {
            buckets,
            count: below + above,
            sum: self.sum.load(Ordering::Relaxed) as f64 * unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_counts_below_it() {
        let metrics = VersionMetrics::new();
        for rows in [1, 2, 3, 64, 65, 100_000] {
            metrics.ran(rows, Duration::from_micros(5));
        }
        let version = VersionRef { model: "m".parse().unwrap(), version: yard_types::VersionNumber::FIRST };
        let snapshot = metrics.snapshot(version);
        let count = |upper: f64| {
            snapshot.batch_rows.buckets.iter().find(|bucket| bucket.upper == upper).unwrap().count
        };
        assert_eq!([count(1.0), count(2.0), count(4.0), count(64.0), count(128.0)], [1, 2, 3, 4, 5]);
        assert_eq!(count(4096.0), 5);
        assert_eq!(snapshot.batches, 6);
        assert_eq!(snapshot.compute_seconds.buckets[0].count, 6);
        assert!((snapshot.compute_seconds.sum - 30e-6).abs() < 1e-12);
    }

    #[test]
    fn failures_are_told_apart_by_their_kind() {
        let metrics = VersionMetrics::new();
        for code in ErrorCode::ALL {
            metrics.failure(code);
        }
        metrics.failure(ErrorCode::Cancelled);
        let version = VersionRef { model: "m".parse().unwrap(), version: yard_types::VersionNumber::FIRST };
        for (code, count) in metrics.snapshot(version).failures {
            assert_eq!(count, if code == ErrorCode::Cancelled { 2 } else { 1 }, "{code}");
        }
    }
}
