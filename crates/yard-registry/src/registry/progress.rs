//! When something last arrived for an upload.
//!
//! Kept in memory alone: after a restart every upload is counted as if something had just arrived, so that nobody loses
//! one because the server was away.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use yard_types::Timestamp;

use crate::{Clock, UploadId, UploadRecord};

/// What arrived when. Holds at most one moment for each unfinished upload, and those that ended since the last
/// [`Self::forget_others`].
pub(super) struct Progress {
    clock: Arc<dyn Clock>,
    since: Timestamp,
    last: Mutex<HashMap<UploadId, Timestamp>>,
}

/// A file on its way; whatever becomes of it, its end counts as progress.
#[derive(Debug)]
pub(super) struct Arrival {
    progress: Arc<Progress>,
    upload: UploadId,
}

impl Progress {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { since: clock.now(), clock, last: Mutex::default() }
    }

    /// To be held while a file arrives.
    pub(super) fn arrival(self: &Arc<Self>, upload: UploadId) -> Arrival {
        Arrival { progress: Arc::clone(self), upload }
    }

    /// When something last arrived; the beginning of the upload counts.
    pub(super) fn last(&self, upload: &UploadRecord) -> Timestamp {
        let arrived = self.lock().get(&upload.id).copied();
        arrived.unwrap_or(upload.created_at).max(upload.created_at).max(self.since)
    }

    /// Forgets all uploads but these.
    pub(super) fn forget_others(&self, open: &[UploadRecord]) {
        self.lock().retain(|id, _| open.iter().any(|upload| upload.id == *id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Timestamp>> {
        // No change above can stop halfway.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Progress").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let now = self.progress.clock.now();
        self.progress.lock().insert(self.upload, now);
    }
}
