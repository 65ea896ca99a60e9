//! How many requests are being worked on, and no more than so many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use yard_types::ErrorCode;

use crate::failure::Failure;

/// A count with a limit.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: Arc<AtomicUsize>,
    limit: usize,
}

/// One counted request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl InFlight {
    pub(crate) fn new(limit: usize) -> Self {
        Self { count: Arc::default(), limit }
    }

    /// Takes a place, or refuses at once: whoever waits here would only make the wait longer for all.
    pub(crate) fn enter(&self) -> Result<Place, Failure> {
        // Counted first and taken back when it was too many, so that the limit is never passed.
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.count));
        if before < self.limit {
            return Ok(place);
        }
        let message = "the server has as many requests in hand as it may; try again later";
        Err(Failure::new(ErrorCode::Unavailable, message).with_retry_after(Duration::from_secs(1)))
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_back() {
        let requests = InFlight::new(2);
        let first = requests.enter().unwrap();
        let second = requests.enter().unwrap();
        let refusal = requests.enter().unwrap_err();
        assert_eq!((refusal.code(), requests.count()), (ErrorCode::Unavailable, 2));
        drop(first);
        assert!(requests.enter().is_ok());
        drop(second);
        assert_eq!(requests.count(), 0);
    }
}
