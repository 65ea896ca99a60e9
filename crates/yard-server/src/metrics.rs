//! What is counted of requests, with relaxed atomics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;

use crate::routes::Endpoint;

/// Upper bounds of the histogram of request times, in microseconds.
pub(crate) const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// The statuses that this server answers with; others are counted together in the last place.
const STATUSES: [u16; 18] =
    [200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 429, 499, 500, 501, 503, 504, 505, 0];

/// One more for requests that found no route.
const PLACES: usize = Endpoint::Rpc as usize + 2;

/// The requests of each endpoint.
#[derive(Debug)]
pub(crate) struct RequestMetrics {
    endpoints: Box<[EndpointMetrics]>,
}

#[derive(Debug)]
struct EndpointMetrics {
    statuses: [AtomicU64; STATUSES.len()],
    /// One more than there are bounds.
    times: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// The numbers of one endpoint at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointCounts {
    /// By status; 0 stands for all others.
    pub(crate) statuses: Vec<(u16, u64)>,
    /// How many took at most each of [`BOUNDS`].
    pub(crate) at_most: [u64; BOUNDS.len()],
    pub(crate) count: u64,
    pub(crate) microseconds: u64,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self { endpoints: (0..PLACES).map(|_| EndpointMetrics::default()).collect() }
    }
}

impl Default for EndpointMetrics {
    fn default() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; STATUSES.len()],
            times: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            microseconds: AtomicU64::new(0),
        }
    }
}

impl RequestMetrics {
    /// Counts a finished request; `None` is one that found no route.
    pub(crate) fn observe(&self, endpoint: Option<Endpoint>, status: StatusCode, took: Duration) {
        let metrics = &self.endpoints[endpoint.map_or(PLACES - 1, |endpoint| endpoint as usize)];
        let status =
            STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        metrics.statuses[status].fetch_add(1, Ordering::Relaxed);
        metrics.times[bucket].fetch_add(1, Ordering::Relaxed);
        metrics.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// The numbers of one endpoint, `None` being requests that found no route.
    pub(crate) fn counts(&self, endpoint: Option<Endpoint>) -> EndpointCounts {
        let metrics = &self.endpoints[endpoint.map_or(PLACES - 1, |endpoint| endpoint as usize)];
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut at_most = [0; BOUNDS.len()];
        let mut sum = 0;
        for (place, counter) in at_most.iter_mut().zip(&metrics.times) {
            sum += read(counter);
            *place = sum;
        }
        let statuses = STATUSES.iter().copied().zip(metrics.statuses.iter().map(read));
        EndpointCounts {
            statuses: statuses.filter(|(_, count)| *count > 0).collect(),
            at_most,
            count: sum + metrics.times.last().map_or(0, read),
            microseconds: read(&metrics.microseconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_endpoint_status_and_time() {
        let metrics = RequestMetrics::default();
        metrics.observe(Some(Endpoint::Infer), StatusCode::OK, Duration::from_micros(100));
        metrics.observe(Some(Endpoint::Infer), StatusCode::OK, Duration::from_secs(60));
        metrics.observe(Some(Endpoint::Infer), StatusCode::IM_A_TEAPOT, Duration::from_micros(101));
        metrics.observe(None, StatusCode::NOT_FOUND, Duration::ZERO);
        let counts = metrics.counts(Some(Endpoint::Infer));
        assert_eq!(counts.statuses, [(200, 2), (0, 1)]);
        assert_eq!((counts.at_most[0], counts.at_most[1], counts.at_most[13], counts.count), (1, 2, 2, 3));
        assert_eq!(metrics.counts(None).statuses, [(404, 1)]);
        assert_eq!(metrics.counts(Some(Endpoint::Rpc)).count, 0);
    }
}
