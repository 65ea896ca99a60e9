//! How many requests are in hand, and whether new ones are taken.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::ServingError;

/// What a caller refused for overload is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The door that every request passes, whatever its model and protocol.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: NonZeroUsize,
    in_flight: AtomicUsize,
    stopping: AtomicBool,
    emptied: Notify,
    /// Turns true when shutdown gives up on what still runs.
    abandoned: watch::Sender<bool>,
}

/// One admitted request; leaving is dropping it.
#[derive(Debug)]
#[must_use = "the request leaves when this is dropped"]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
}

impl Admission {
    pub(crate) fn new(limit: NonZeroUsize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            emptied: Notify::new(),
            abandoned: watch::Sender::new(false),
        }
    }

    /// Lets a request in or refuses it at once.
    pub(crate) fn admit(&self) -> Result<Admitted<'_>, ServingError> {
        // Counting before looking at `stopping`, while `stop` does it the other way round, means that shutdown either
        // sees this request or this request sees shutdown.
        let before = self.in_flight.fetch_add(1, Ordering::SeqCst);
        let admitted = Admitted { admission: self };
        if self.is_stopping() {
            return Err(ServingError::Stopping);
        }
        if before >= self.limit.get() {
            return Err(ServingError::Overloaded { limit: self.limit, retry_after: RETRY_AFTER });
        }
        Ok(admitted)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Refuses all requests from now on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Waits until no admitted request is left. To be called after [`Admission::stop`].
    pub(crate) async fn emptied(&self) {
        loop {
            let mut notified = std::pin::pin!(self.emptied.notified());
            notified.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Stops the runs that are still going.
    pub(crate) fn abandon(&self) {
        self.abandoned.send_replace(true);
    }

    /// Waits until shutdown gives up on what still runs.
    pub(crate) async fn abandoned(&self) {
        let mut receiver = self.abandoned.subscribe();
        // The sender lives as long as `self`, so this ends only when the value is true.
        let _ = receiver.wait_for(|abandoned| *abandoned).await;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let before = self.admission.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.admission.is_stopping() {
            self.admission.emptied.notify_waiters();
        }
    }
}
