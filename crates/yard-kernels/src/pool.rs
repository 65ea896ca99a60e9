//! Threads that run the same piece of work together.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};

/// Turns of waiting before a thread gives its core away. About thirty microseconds: longer than the gaps between the
/// kernels of one step, far shorter than a time slice.
const SPINS: u32 = 1500;

/// A number of threads that wait for work and do it together, the caller being one of them.
///
/// Between pieces of work the others wait actively for some microseconds and then sleep; an idle pool uses no
/// processor time. Work is handed out by a counter, so a thread that the system has taken off its core holds the
/// others up by no more than the piece in its hands.
///
/// Callers on several threads take turns. Work that itself calls the same or another pool runs that inner work alone
/// on its own thread. When a piece of work panics the others finish theirs, and the panic goes on in the caller.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

/// What one call of [`ThreadPool::run`] asks for. Lives on the caller's stack.
struct Job<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    /// Threads that have not finished.
    pending: AtomicUsize,
    caller: Thread,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Shared {
    /// Grows with each job; workers wait for it to change.
    epoch: AtomicUsize,
    stop: AtomicBool,
    /// Written by the caller before `epoch` grows, read by workers after they see it.
    job: UnsafeCell<*const Job<'static>>,
}

// SAFETY: `job` is written only while every worker waits for `epoch` (the caller holds `turn` and has seen `pending`
// of the job before reach 0), and read only after the release store of `epoch` that follows.
unsafe impl Sync for Shared {}
// SAFETY: the pointer is to a `Job`, all of whose parts may be used from any thread.
unsafe impl Send for Shared {}

thread_local! {
    /// Whether this thread is inside a piece of work.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

impl ThreadPool {
    /// A pool of so many threads, of which one less is started: the caller of [`Self::run`] is the first.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(std::ptr::null()),
        });
        let mut pool = Self { shared: Arc::clone(&shared), workers: Vec::new(), turn: Mutex::new(()) };
        for index in 1..threads.get() {
            let shared = Arc::clone(&shared);
            // If one cannot be started, dropping the pool ends those before it.
            let worker = std::thread::Builder::new()
                .name(format!("kernels-{index}"))
                .spawn(move || shared.serve(index))?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// How many threads work together.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task` with every number below [`Self::threads`], each on its own thread, and returns when all are done.
    /// The calls must not wait for one another: inside other work they run one after the other.
    ///
    /// # Panics
    ///
    /// When a call panics, with the first panic's payload, after all calls have ended.
    pub fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || WORKING.get() {
            for index in 0..self.threads() {
                task(index);
            }
            return;
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let job = Job {
            task,
            pending: AtomicUsize::new(self.workers.len()),
            caller: std::thread::current(),
            panic: Mutex::new(None),
        };
        // SAFETY: no worker reads `job` now, see `Shared`. The lifetime is forgotten, but this function does not
        // return, not even by a panic, before `pending` is 0, and workers do not touch the job after they lower it.
        unsafe { *self.shared.job.get() = std::ptr::from_ref(&job).cast() };
        self.shared.epoch.fetch_add(1, Ordering::Release);
        for worker in &self.workers {
            worker.thread().unpark();
        }
        job.run_part(0);
        wait_until(|| job.pending.load(Ordering::Acquire) == 0);
        drop(turn);
        let panic = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Cuts `0..items` into pieces of `piece` (the last may be shorter) and calls `task` with each once, on whatever
    /// thread is free.
    ///
    /// # Panics
    ///
    /// As [`Self::run`].
    pub fn for_each(&self, items: usize, piece: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
        let piece = piece.max(1);
        if items <= piece || self.workers.is_empty() {
            let mut start = 0;
            while start < items {
                task(start..(start + piece).min(items));
                start += piece;
            }
            return;
        }
        let next = AtomicUsize::new(0);
        self.run(&|_| {
            loop {
                let start = next.fetch_add(piece, Ordering::Relaxed);
                if start >= items {
                    return;
                }
                task(start..(start + piece).min(items));
            }
        });
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ThreadPool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.epoch.fetch_add(1, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its work, so there is nothing to learn from its end.
            drop(worker.join());
        }
    }
}

impl Job<'_> {
    fn run_part(&self, index: usize) {
        let outer = WORKING.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| (self.task)(index)));
        WORKING.set(outer);
        if let Err(payload) = result {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(payload);
        }
    }
}

impl Shared {
    fn serve(&self, index: usize) {
        let mut seen = 0;
        loop {
            wait_until(|| self.epoch.load(Ordering::Acquire) != seen);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            // One job at a time, and the next only after this thread has finished this one: no epoch is missed.
            seen = seen.wrapping_add(1);
            // SAFETY: the caller has written it before the epoch and keeps the job alive until `pending` is 0.
            let job = unsafe { &**self.job.get() };
            job.run_part(index);
            let caller = job.caller.clone();
            // The job may be gone as soon as this is done.
            if job.pending.fetch_sub(1, Ordering::Release) == 1 {
                caller.unpark();
            }
        }
    }
}

/// Waits actively for a moment, then asleep. Whoever makes `ready` true unparks this thread afterwards.
fn wait_until(ready: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    while !ready() {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests;
