//! How many bytes of bodies are held in memory, over all requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use yard_types::ErrorCode;

use crate::failure::Failure;

/// So many bytes of every body are free: small requests are bounded by their number alone.
const FREE: usize = 64 << 10;

/// A limit on bytes, shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct BodyBudget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// What one body takes of the budget, until it is dropped.
#[derive(Debug)]
pub(crate) struct BodyCharge {
    budget: BodyBudget,
    bytes: usize,
    charged: usize,
}

impl BodyBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// A body that holds nothing yet.
    pub(crate) fn begin(&self) -> BodyCharge {
        BodyCharge { budget: self.clone(), bytes: 0, charged: 0 }
    }

    /// Bytes taken at present.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl BodyCharge {
    /// A body beside this one, such as what this one unpacks to.
    pub(crate) fn another(&self) -> Self {
        self.budget.begin()
    }

    /// Takes more of the budget, or says that there is none left.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        let owed = self.bytes.saturating_sub(FREE) - self.charged;
        if owed == 0 {
            return Ok(());
        }
        let before = self.budget.used.fetch_add(owed, Ordering::Relaxed);
        self.charged += owed;
        if before.saturating_add(owed) <= self.budget.limit {
            return Ok(());
        }
        let message = "the server holds as many bytes of requests as it may; try again later";
        Err(Failure::new(ErrorCode::Unavailable, message).with_retry_after(Duration::from_secs(1)).closing())
    }
}

impl Drop for BodyCharge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.charged, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_the_budget_and_small_ones_are_free() {
        let budget = BodyBudget::new(1000);
        let mut small = budget.begin();
        small.grow(FREE).unwrap();
        assert_eq!(budget.used(), 0);
        let mut large = budget.begin();
        large.grow(FREE + 600).unwrap();
        small.grow(400).unwrap();
        assert_eq!(budget.used(), 1000);
        let mut third = budget.begin();
        assert_eq!(third.grow(FREE + 1).unwrap_err().code(), ErrorCode::Unavailable);
        drop((third, large));
        assert_eq!(budget.used(), 400);
        drop(small);
        assert_eq!(budget.used(), 0);
    }
}
