//! Request rates, exact under concurrency.
//!
//! A limiter admits at most `burst + elapsed / interval` requests in any span of time `elapsed`, where `interval` is a
//! minute divided by the requests per minute: a burst at once, then one more per interval. Its whole state is one number,
//! the moment at which the burst will be whole again, moved forward by compare-and-swap. So there is no lock, no
//! background refill and no drift, and the bound holds whatever the number of threads and the order of their clocks.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

const NANOSECONDS_PER_MINUTE: u64 = 60_000_000_000;

/// Most requests a minute that can be set. Finer intervals than a microsecond would be rounded too coarsely.
const MAX_PER_MINUTE: u32 = 60_000_000;
/// Largest burst that can be set. Keeps the arithmetic far from overflow.
const MAX_BURST: u32 = 1_000_000;

/// How often a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    requests_per_minute: NonZeroU32,
    burst: NonZeroU32,
}

/// A number outside what a limit may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is 1 to 60000000 requests per minute with a burst of 1 to 1000000")]
pub struct RateLimitError;

/// The key has used up its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key has used up its request rate: try again in {} s", self.retry_after_seconds())]
pub struct RateLimited {
    /// When one more request would be admitted if no other came.
    pub retry_after: Duration,
}

/// Counts the requests of one key.
#[derive(Debug)]
pub struct RateLimiter {
    origin: Instant,
    interval: u64,
    tolerance: u64,
    /// Nanoseconds from `origin` at which the whole burst is free again.
    replenished_at: AtomicU64,
}

// === impl RateLimit ===

impl RateLimit {
    /// A limit; without `burst`, ten seconds' worth of requests may come at once, and at least one.
    pub fn new(requests_per_minute: u32, burst: Option<u32>) -> Result<Self, RateLimitError> {
        let burst =
            burst.unwrap_or_else(|| (requests_per_minute / 6).clamp(requests_per_minute.min(1), MAX_BURST));
        if requests_per_minute > MAX_PER_MINUTE || burst > MAX_BURST {
            return Err(RateLimitError);
        }
        Ok(Self {
            requests_per_minute: NonZeroU32::new(requests_per_minute).ok_or(RateLimitError)?,
            burst: NonZeroU32::new(burst).ok_or(RateLimitError)?,
        })
    }

    /// Requests a minute in the long run.
    pub const fn requests_per_minute(&self) -> u32 {
        self.requests_per_minute.get()
    }

    /// Requests at once after a pause.
    pub const fn burst(&self) -> u32 {
        self.burst.get()
    }
}

// === impl RateLimited ===

impl RateLimited {
    /// The wait in whole seconds, rounded up, at least 1: what the header `Retry-After` takes.
    pub fn retry_after_seconds(&self) -> u64 {
        self.retry_after.as_nanos().div_ceil(1_000_000_000).clamp(1, u128::from(u64::MAX)) as u64
    }
}

// === impl RateLimiter ===

impl RateLimiter {
    /// A limiter with its whole burst free. Moments before `origin` count as `origin`.
    pub fn new(limit: RateLimit, origin: Instant) -> Self {
        // Rounded up, so that rounding never admits a request too many.
        let interval = NANOSECONDS_PER_MINUTE.div_ceil(u64::from(limit.requests_per_minute.get()));
        let tolerance = interval * u64::from(limit.burst.get() - 1);
        Self { origin, interval, tolerance, replenished_at: AtomicU64::new(0) }
    }

    /// Admits one request, or says when to come back.
    pub fn admit(&self, now: Instant) -> Result<(), RateLimited> {
        let now = now.saturating_duration_since(self.origin).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let mut replenished_at = self.replenished_at.load(Ordering::Relaxed);
        loop {
            let backlog = replenished_at.saturating_sub(now);
            if backlog > self.tolerance {
                return Err(RateLimited { retry_after: Duration::from_nanos(backlog - self.tolerance) });
            }
            let next = replenished_at.max(now).saturating_add(self.interval);
            // The number guards nothing but itself, so no ordering with other memory is needed.
            let swapped = self.replenished_at.compare_exchange_weak(
                replenished_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return Ok(()),
                Err(current) => replenished_at = current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use proptest::prelude::*;

    use super::*;

    fn limit(requests_per_minute: u32, burst: u32) -> RateLimit {
        RateLimit::new(requests_per_minute, Some(burst)).unwrap()
    }

    /// Fails when some span of time holds more of the (sorted) admissions than the limit allows.
    fn assert_within(limit: RateLimit, admitted: &[Duration]) {
        let per_minute = u128::from(limit.requests_per_minute.get());
        for (first, start) in admitted.iter().enumerate() {
            for (last, end) in admitted.iter().enumerate().skip(first) {
                let refilled = (*end - *start).as_nanos() * per_minute / u128::from(NANOSECONDS_PER_MINUTE);
                let allowed = u128::from(limit.burst.get()) + refilled;
                let count = (last - first + 1) as u128;
                assert!(count <= allowed, "{count} > {allowed} from {start:?} to {end:?} with {limit:?}");
            }
        }
    }

    #[test]
    fn a_burst_passes_and_then_one_request_an_interval() {
        let origin = Instant::now();
        let limiter = RateLimiter::new(limit(60, 3), origin);
        for _ in 0..3 {
            assert_eq!(limiter.admit(origin), Ok(()));
        }
        let second = Duration::from_secs(1);
        assert_eq!(limiter.admit(origin), Err(RateLimited { retry_after: second }));
        let almost = origin + second - Duration::from_nanos(1);
        assert_eq!(limiter.admit(almost), Err(RateLimited { retry_after: Duration::from_nanos(1) }));
        assert_eq!(limiter.admit(origin + second), Ok(()));
        assert!(limiter.admit(origin + second).is_err());
    }

    #[test]
    fn a_pause_gives_back_the_burst_and_no_more() {
        let origin = Instant::now();
        let limiter = RateLimiter::new(limit(600, 5), origin);
        let later = origin + Duration::from_secs(86_400);
        let admitted = (0..20).filter(|_| limiter.admit(later).is_ok()).count();
        assert_eq!(admitted, 5);
    }

    #[test]
    fn waiting_is_told_in_whole_seconds_rounded_up() {
        let cases = [(1, 1), (999_999_999, 1), (1_000_000_000, 1), (1_000_000_001, 2)];
        for (nanoseconds, seconds) in cases {
            let limited = RateLimited { retry_after: Duration::from_nanos(nanoseconds) };
            assert_eq!(limited.retry_after_seconds(), seconds);
        }
    }

    #[test]
    fn limits_outside_their_range_are_refused() {
        for (requests, burst) in
            [(0, None), (0, Some(1)), (1, Some(0)), (60_000_001, Some(1)), (1, Some(1_000_001))]
        {
            assert_eq!(RateLimit::new(requests, burst), Err(RateLimitError), "{requests} {burst:?}");
        }
        assert_eq!(RateLimit::new(60_000_000, None).unwrap().burst(), 1_000_000);
        assert_eq!(RateLimit::new(90, None).unwrap().burst(), 15);
        assert_eq!(RateLimit::new(1, None).unwrap().burst(), 1);
    }

    #[test]
    fn the_largest_limits_and_distant_clocks_hold() {
        let origin = Instant::now();
        let distant = origin + Duration::from_secs(1_000_000_000);
        for largest in [limit(1, 1_000_000), limit(60_000_000, 1_000_000), limit(1, 1)] {
            let limiter = RateLimiter::new(largest, origin);
            let admitted = (0..1_000_100).filter(|_| limiter.admit(distant).is_ok()).count();
            assert_eq!(admitted, largest.burst() as usize);
            // To a clock that is behind, the burst lies in the future.
            assert!(limiter.admit(origin).is_err());
        }
    }

    #[test]
    fn sixteen_threads_at_one_moment_get_exactly_the_burst() {
        let origin = Instant::now();
        let limiter = RateLimiter::new(limit(6_000, 1_000), origin);
        let start = Barrier::new(16);
        let admitted: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        (0..500).filter(|_| limiter.admit(origin).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Each thread has a clock of its own, running at its own pace and sometimes backwards.
        #[test]
        fn sixteen_threads_with_wild_clocks_never_exceed_the_limit(
            requests_per_minute in 1..200_000_u32,
            burst in 1..100_u32,
            steps in prop::collection::vec(prop::collection::vec(-2_000_000..20_000_000_i64, 40), 16),
        ) {
            let limit = limit(requests_per_minute, burst);
            let origin = Instant::now();
            let limiter = RateLimiter::new(limit, origin);
            let start = Barrier::new(steps.len());
            let mut admitted: Vec<Duration> = thread::scope(|scope| {
                let threads: Vec<_> = steps
                    .iter()
                    .map(|steps| {
                        let (limiter, start) = (&limiter, &start);
                        scope.spawn(move || {
                            start.wait();
                            let mut nanoseconds = 0_i64;
                            let mut admitted = Vec::new();
                            for step in steps {
                                nanoseconds = (nanoseconds + step).max(0);
                                let now = Duration::from_nanos(nanoseconds.unsigned_abs());
                                if limiter.admit(origin + now).is_ok() {
                                    admitted.push(now);
                                }
                            }
                            admitted
                        })
                    })
                    .collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            admitted.sort();
            assert_within(limit, &admitted);
        }

        /// One caller that comes back exactly when told is admitted every time.
        #[test]
        fn coming_back_when_told_is_enough(requests_per_minute in 1..1_000_000_u32, burst in 1..50_u32) {
            let mut now = Instant::now();
            let limiter = RateLimiter::new(limit(requests_per_minute, burst), now);
            for _ in 0..200 {
                if let Err(limited) = limiter.admit(now) {
                    now += limited.retry_after;
                    prop_assert_eq!(limiter.admit(now), Ok(()));
                }
            }
        }
    }
}
