//! Stops runs that occupy an I/O thread for too long.
//!
//! A run on a compute thread is watched by its own task. A run on an I/O thread keeps that thread's tasks from running,
//! so a thread of its own must watch it. It sleeps while there is nothing to watch.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use yard_engine::RunControl;

use crate::StartError;

/// How many looks without a run go by before the thread sleeps until it is woken. Waking it costs a system call, which
/// a busy model should not pay on every run.
const QUIET_LOOKS: u32 = 20;

pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

/// Watches a run for as long as it lives.
#[must_use = "the run is watched until this is dropped"]
pub(crate) struct Watched<'a> {
    shared: &'a Shared,
    id: u64,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    runs: Vec<WatchedRun>,
    next_id: u64,
    /// Whether there was a run since the last look.
    active: bool,
    asleep: bool,
    stopped: bool,
}

struct WatchedRun {
    id: u64,
    started: Instant,
    control: RunControl,
}

impl Watchdog {
    pub(crate) fn start(limit: Duration) -> Result<Self, StartError> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let name = "yard-watchdog".to_owned();
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || watched.watch(limit))
            .map_err(|source| StartError { thread: name, source })?;
        Ok(Self { shared })
    }

    /// Stops the run if it is not over within the limit.
    pub(crate) fn watch(&self, control: &RunControl) -> Watched<'_> {
        let mut state = self.shared.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.active = true;
        // The real clock, not the runtime's: what is watched is a thread, whatever a test does to the timers.
        state.runs.push(WatchedRun { id, started: Instant::now(), control: control.clone() });
        if std::mem::replace(&mut state.asleep, false) {
            self.shared.wake.notify_one();
        }
        Watched { shared: &self.shared, id }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, limit: Duration) {
        let look_every = (limit / 2).max(Duration::from_millis(1));
        let mut quiet = 0;
        let mut state = self.lock();
        while !state.stopped {
            let mut overdue = Vec::new();
            for run in &state.runs {
                if run.started.elapsed() > limit && !run.control.is_terminated() {
                    overdue.push(run.control.clone());
                }
            }
            if !overdue.is_empty() {
                // Stopping calls into the engine: not under the lock.
                drop(state);
                for control in overdue {
                    control.terminate();
                }
                state = self.lock();
            }
            let active = std::mem::replace(&mut state.active, false);
            quiet = if active || !state.runs.is_empty() { 0 } else { quiet + 1 };
            if quiet > QUIET_LOOKS {
                state.asleep = true;
                while state.asleep && !state.stopped {
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                quiet = 0;
            } else {
                let waited = self.wake.wait_timeout(state, look_every);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.shared.lock().runs.retain(|run| run.id != self.id);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.wake.notify_one();
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watchdog").finish_non_exhaustive()
    }
}
