//! Who waits at a model: requests for it to be loaded, unloads for their turn, and the load that waits for room.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use yard_types::VersionNumber;

/// While a load waits for room, so many requests may wait with it: they hold places of
/// [`crate::ServingSettings::max_in_flight`] that other models need.
pub(crate) const MOST_IN_LINE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Line {
    requests: AtomicUsize,
    unloads: AtomicUsize,
    wanted: Mutex<Option<Wanted>>,
}

/// What the load that waits for room needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) number: VersionNumber,
    pub(crate) bytes: u64,
}

/// One that waits, until it is dropped.
#[derive(Debug)]
#[must_use = "it leaves the line when this is dropped"]
pub(crate) struct InLine<'a>(&'a AtomicUsize);

/// A load that waits for room, until it is dropped.
#[derive(Debug)]
#[must_use = "the load waits only as long as this lives"]
pub(crate) struct WaitsForRoom<'a>(&'a Line);

impl Line {
    /// A request that wants the model loaded; refused when there is no room and enough of them wait for some.
    pub(crate) fn request(&self) -> Result<InLine<'_>, Wanted> {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        let in_line = InLine(&self.requests);
        let wanted = *self.lock();
        match wanted {
            Some(wanted) if before >= MOST_IN_LINE => Err(wanted),
            _ => Ok(in_line),
        }
    }

    /// Somebody wants the model or a version of it to go.
    pub(crate) fn unload(&self) -> InLine<'_> {
        self.unloads.fetch_add(1, Ordering::SeqCst);
        InLine(&self.unloads)
    }

    /// Whether somebody does: then no load of the model waits for room any longer.
    pub(crate) fn has_unloads(&self) -> bool {
        self.unloads.load(Ordering::SeqCst) > 0
    }

    /// The load whose turn it is begins to wait for room.
    pub(crate) fn wait_for_room(&self, wanted: Wanted) -> WaitsForRoom<'_> {
        *self.lock() = Some(wanted);
        WaitsForRoom(self)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for WaitsForRoom<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_refused_only_while_there_is_no_room_for_those_before_them() {
        let line = Line::default();
        let wanted = Wanted { number: VersionNumber::new(7).unwrap(), bytes: 5 };
        let mut before: Vec<_> = (0..=MOST_IN_LINE).map(|_| line.request().unwrap()).collect();
        let waits = line.wait_for_room(wanted);
        assert_eq!(line.request().unwrap_err(), wanted);
        before.truncate(MOST_IN_LINE - 1);
        let last = line.request().unwrap();
        assert_eq!(line.request().unwrap_err(), wanted);
        drop(waits);
        assert!(line.request().is_ok());
        drop((before, last));
        assert_eq!(line.requests.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_unload_counts_until_it_is_through() {
        let line = Line::default();
        let (first, second) = (line.unload(), line.unload());
        drop(first);
        assert!(line.has_unloads());
        drop(second);
        assert!(!line.has_unloads());
    }
}
