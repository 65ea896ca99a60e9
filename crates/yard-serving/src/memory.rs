//! The memory that all loaded versions have together.
//!
//! A load takes its share, a [`Charge`], before it begins; the loaded version owns it and gives it back only when its
//! model is gone from memory. So versions that drain still count, and what is charged never exceeds the budget.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, futures::Notified};

use crate::MemoryStatus;

/// Who has how much of the budget.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// [`u64::MAX`] for none.
    budget: u64,
    charged: Mutex<u64>,
    evictions: AtomicU64,
    /// How many loads wait for room. While there are none, nobody is told of anything, which keeps that off the path of
    /// requests.
    waiting: AtomicUsize,
    changed: Notify,
}

/// The memory of one version, given back when this is dropped.
#[derive(Debug)]
#[must_use = "the memory is given back when this is dropped"]
pub(crate) struct Charge {
    ledger: Arc<Ledger>,
    bytes: u64,
}

/// Says that a load waits for room.
#[derive(Debug)]
#[must_use = "others tell of changes as long as this lives"]
pub(crate) struct Awaited<'a> {
    ledger: &'a Ledger,
}

impl Ledger {
    /// `budget` is 0 for none, as in [`crate::ServingSettings::memory_budget_bytes`].
    pub(crate) fn new(budget: u64) -> Self {
        Self {
            budget: if budget == 0 { u64::MAX } else { budget },
            charged: Mutex::new(0),
            evictions: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn budget(&self) -> u64 {
        self.budget
    }

    pub(crate) fn charged(&self) -> u64 {
        *self.lock()
    }

    /// Takes so many bytes, if they are free.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        let mut charged = self.lock();
        let total = charged.checked_add(bytes).filter(|total| *total <= self.budget)?;
        *charged = total;
        Some(Charge { ledger: Arc::clone(self), bytes })
    }

    pub(crate) fn evicted(&self) {
        self.evictions.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on, until it is dropped, whoever changes something that may make room tells of it.
    pub(crate) fn await_room(&self) -> Awaited<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Awaited { ledger: self }
    }

    /// Ends at the next [`Ledger::tell`] after it was enabled.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Those who wait for room look again. To be called after the change that may have made some.
    pub(crate) fn tell(&self) {
        // Whoever waits counts itself first and looks then: either it sees the change, or it is seen here.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn status(&self) -> MemoryStatus {
        MemoryStatus {
            budget_bytes: if self.budget == u64::MAX { 0 } else { self.budget },
            charged_bytes: self.charged(),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }
}

impl Charge {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut charged = self.ledger.lock();
        *charged = charged.saturating_sub(self.bytes);
        drop(charged);
        self.ledger.tell();
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.ledger.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_taken_whole_or_not_at_all_and_comes_back() {
        let ledger = Arc::new(Ledger::new(10));
        let first = ledger.take(6).unwrap();
        assert!(ledger.take(5).is_none());
        let second = ledger.take(4).unwrap();
        assert_eq!((first.bytes(), second.bytes(), ledger.charged()), (6, 4, 10));
        drop(first);
        assert_eq!(ledger.charged(), 4);
        assert_eq!(ledger.status(), MemoryStatus { budget_bytes: 10, charged_bytes: 4, evictions: 0 });
    }

    #[test]
    fn without_a_budget_everything_is_counted_and_nothing_refused() {
        let ledger = Arc::new(Ledger::new(0));
        let charge = ledger.take(u64::MAX - 1).unwrap();
        assert_eq!(ledger.status().budget_bytes, 0);
        assert!(ledger.take(2).is_none(), "sums do not wrap");
        drop(charge);
        assert_eq!(ledger.charged(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_a_charge_comes_back() {
        let ledger = Arc::new(Ledger::new(10));
        let charge = ledger.take(10).unwrap();
        let _awaited = ledger.await_room();
        let mut changed = std::pin::pin!(ledger.changed());
        changed.as_mut().enable();
        drop(charge);
        changed.await;
        assert!(ledger.take(10).is_some());
    }
}
