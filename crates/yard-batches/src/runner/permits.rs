//! How batches share the lines that may run.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{AcquireError, Notify, Semaphore, SemaphorePermit};

/// A batch may have so many times more lines under way than run, if the others only wait to be asked again.
const SPARE: usize = 7;

/// What all batches share.
pub(super) struct Permits {
    most: usize,
    /// One for each line that may run. Who waited longest is next.
    all: Semaphore,
    /// Batches with lines that run or could.
    sharers: AtomicUsize,
    /// A line has ended, or there is a batch less to share with.
    changed: Notify,
    /// One for each line that a batch has under way beyond those that could run at once.
    spare: Semaphore,
}

/// What one batch has of it. All its lines are in one task.
pub(super) struct Share<'a> {
    permits: &'a Permits,
    /// Lines that run or could.
    wanting: AtomicUsize,
    /// Those of them that have a part of this share.
    taking: AtomicUsize,
    /// Lines that wait to be asked again.
    pausing: AtomicUsize,
    /// There is one more of these.
    has_paused: Notify,
}

/// A line that runs.
pub(super) struct Permit<'a> {
    _one_of_all: SemaphorePermit<'a>,
    _place: Place<'a>,
}

/// A line that runs or could.
struct Place<'a> {
    share: &'a Share<'a>,
    is_taking: bool,
}

/// A line that waits to be asked again.
pub(super) struct Pausing<'a>(&'a AtomicUsize);

impl Permits {
    /// For so many lines at once.
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let spare = most.saturating_mul(SPARE).min(Semaphore::MAX_PERMITS);
        let (all, spare) = (Semaphore::new(most), Semaphore::new(spare));
        Self { most, all, sharers: AtomicUsize::new(0), changed: Notify::new(), spare }
    }

    /// Lines of a batch that may run at once now. Rounded up: what is left over is for who waits longest.
    fn of_each(&self) -> usize {
        self.most.div_ceil(self.sharers.load(Ordering::SeqCst).max(1))
    }
}

impl<'a> Share<'a> {
    pub(super) fn new(permits: &'a Permits) -> Self {
        Self {
            permits,
            wanting: AtomicUsize::new(0),
            taking: AtomicUsize::new(0),
            pausing: AtomicUsize::new(0),
            has_paused: Notify::new(),
        }
    }

    /// Whether a batch with so many lines under way has room for one more that is not spare.
    pub(super) const fn has_room(&self, under_way: usize) -> bool {
        under_way < self.permits.most
    }

    /// Room for one more beyond that, if those under way only wait.
    pub(super) fn spare(&self, under_way: usize) -> Option<SemaphorePermit<'a>> {
        let at_work = under_way.saturating_sub(self.pausing.load(Ordering::SeqCst));
        if at_work >= self.permits.most {
            return None;
        }
        self.permits.spare.try_acquire().ok()
    }

    /// Returns when a line has begun to wait since this was asked last.
    pub(super) async fn has_paused(&self) {
        self.has_paused.notified().await;
    }

    /// Waits until a line of this batch may run.
    pub(super) async fn permit(&'a self) -> Result<Permit<'a>, AcquireError> {
        let mut place = Place::new(self);
        loop {
            // Made before looking: what changes from here on is not missed.
            let changed = self.permits.changed.notified();
            if self.taking.load(Ordering::SeqCst) < self.permits.of_each() {
                break;
            }
            changed.await;
        }
        // Nothing came between: the lines of a batch are in one task.
        self.taking.fetch_add(1, Ordering::SeqCst);
        place.is_taking = true;
        let one_of_all = self.permits.all.acquire().await?;
        Ok(Permit { _one_of_all: one_of_all, _place: place })
    }

    /// Counts a line as waiting for as long as this lives.
    pub(super) fn pausing(&'a self) -> Pausing<'a> {
        self.pausing.fetch_add(1, Ordering::SeqCst);
        self.has_paused.notify_one();
        Pausing(&self.pausing)
    }
}

impl<'a> Place<'a> {
    fn new(share: &'a Share<'a>) -> Self {
        if share.wanting.fetch_add(1, Ordering::SeqCst) == 0 {
            share.permits.sharers.fetch_add(1, Ordering::SeqCst);
        }
        Self { share, is_taking: false }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_taking {
            self.share.taking.fetch_sub(1, Ordering::SeqCst);
        }
        if self.share.wanting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.share.permits.sharers.fetch_sub(1, Ordering::SeqCst);
        }
        self.share.permits.changed.notify_waiters();
    }
}

impl Drop for Pausing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Takes what may run now.
    fn taken<'a>(share: &'a Share<'a>) -> Vec<Permit<'a>> {
        let mut permits = Vec::new();
        while let Some(permit) = share.permit().now_or_never() {
            permits.push(permit.unwrap());
        }
        permits
    }

    #[test]
    fn a_batch_alone_has_all_and_two_have_half_each() {
        let permits = Permits::new(8);
        let (one, other) = (Share::new(&permits), Share::new(&permits));
        let mut of_one = taken(&one);
        assert_eq!(of_one.len(), 8);
        let waiting = Place::new(&other);
        of_one.truncate(3);
        of_one.extend(taken(&one));
        assert_eq!(of_one.len(), 4);
        assert_eq!(taken(&other).len(), 4);
        drop(waiting);
        of_one.extend(taken(&one));
        assert_eq!(of_one.len(), 8);
    }

    #[test]
    fn lines_beyond_those_that_could_run_are_bounded_for_all_batches() {
        let permits = Permits::new(2);
        let (one, other) = (Share::new(&permits), Share::new(&permits));
        assert!(one.has_room(1) && !one.has_room(2));
        assert!(one.spare(2).is_none(), "both could run");
        let _pausing = [one.pausing(), other.pausing()];
        let mut spare: Vec<_> = (0..10).map_while(|_| one.spare(2)).collect();
        spare.extend((0..10).map_while(|_| other.spare(2)));
        assert_eq!(spare.len(), 14);
        spare.pop();
        assert!(other.spare(2).is_some());
    }
}
