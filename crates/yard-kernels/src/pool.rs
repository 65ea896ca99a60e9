//! Threads that run the same piece of work together.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};

/// Turns of waiting before a thread gives its core away. About thirty microseconds: longer than the gaps between the
/// kernels of one step, far shorter than a time slice.
const SPINS: u32 = 1500;

/// A number of threads that wait for work and do it together, the caller being one of them.
///
/// Between pieces of work the others wait actively for some microseconds and then sleep; an idle pool uses no
/// processor time. Work is handed out piece by piece, and whoever comes late finds less of it or none: a thread that the
/// system has taken off its core, or has not woken yet, holds the others up by no more than the piece in its hands.
///
/// Callers on several threads take turns. Work that itself calls the same or another pool runs that inner work alone
/// on its own thread. When a piece of work panics the other pieces are still done, and the panic goes on in the caller.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

/// What one call of [`ThreadPool::for_each`] asks for. Lives on the caller's stack.
struct Job<'a> {
    task: &'a (dyn Fn(Range<usize>) + Sync),
    items: usize,
    piece: usize,
    /// The first item that nobody has taken.
    next: AtomicUsize,
    caller: Thread,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Shared {
    /// The number of the job (upper half), whether workers may enter it ([`OPEN`]) and how many are inside.
    state: AtomicU64,
    stop: AtomicBool,
    /// The open job. Written only while closed and empty, read only by workers inside.
    job: UnsafeCell<*const Job<'static>>,
}

const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const NUMBER_SHIFT: u32 = 32;

// SAFETY: a worker reads `job` only between entering (which needs `OPEN`, set after the pointer was written) and
// leaving; the caller writes it only under `turn`, after it has closed the job before and seen it empty.
unsafe impl Sync for Shared {}
// SAFETY: the pointer is to a `Job`, all of whose parts may be used from any thread.
unsafe impl Send for Shared {}

thread_local! {
    /// Whether this thread is inside a piece of work.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

impl ThreadPool {
    /// A pool of so many threads, of which one less is started: the caller of [`Self::for_each`] is the first.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(std::ptr::null()),
        });
        let mut pool = Self { shared: Arc::clone(&shared), workers: Vec::new(), turn: Mutex::new(()) };
        for index in 1..threads.get() {
            let shared = Arc::clone(&shared);
            // If one cannot be started, dropping the pool ends those before it.
            let worker =
                std::thread::Builder::new().name(format!("kernels-{index}")).spawn(move || shared.serve())?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// How many threads work together.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Cuts `0..items` into pieces of `piece` (the last may be shorter), calls `task` with each once, on whatever thread
    /// is free, and returns when all are done. Pieces must not wait for one another: one thread may do them all.
    ///
    /// # Panics
    ///
    /// When a piece panics, with the first panic's payload, after the other pieces.
    pub fn for_each(&self, items: usize, piece: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
        let job = Job {
            task,
            items,
            piece: piece.max(1),
            next: AtomicUsize::new(0),
            caller: std::thread::current(),
            panic: Mutex::new(None),
        };
        if items <= job.piece || self.workers.is_empty() || WORKING.get() {
            job.work();
        } else {
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: no worker is inside, see `Shared`. The lifetime is forgotten, but this function does not return,
            // not even by a panic (`work` catches them), before the job is closed and nobody is inside any more.
            unsafe { *self.shared.job.get() = std::ptr::from_ref(&job).cast() };
            let number = (self.shared.state.load(Ordering::Relaxed) >> NUMBER_SHIFT).wrapping_add(1);
            self.shared.state.store(number << NUMBER_SHIFT | OPEN, Ordering::Release);
            for worker in &self.workers {
                worker.thread().unpark();
            }
            job.work();
            self.shared.state.fetch_and(!OPEN, Ordering::Relaxed);
            wait_until(|| self.shared.state.load(Ordering::Acquire) & INSIDE == 0);
            drop(turn);
        }
        let panic = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
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
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its work, so there is nothing to learn from its end.
            drop(worker.join());
        }
    }
}

impl Job<'_> {
    /// Takes pieces until there are none.
    fn work(&self) {
        let outer = WORKING.replace(true);
        loop {
            let start = self.next.fetch_add(self.piece, Ordering::Relaxed);
            if start >= self.items {
                break;
            }
            let range = start..self.items.min(start.saturating_add(self.piece));
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.task)(range))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(payload);
            }
        }
        WORKING.set(outer);
    }
}

impl Shared {
    fn serve(&self) {
        let mut done = None;
        loop {
            let stopping = || self.stop.load(Ordering::Acquire);
            wait_until(|| stopping() || self.open_job(done).is_some());
            if stopping() {
                return;
            }
            let Some(number) = self.enter(done) else { continue };
            // SAFETY: this thread is inside, so the job stays until it has left.
            let job = unsafe { &**self.job.get() };
            job.work();
            let caller = job.caller.clone();
            // The job may be gone as soon as this thread has left.
            let before = self.state.fetch_sub(1, Ordering::Release);
            if before & (OPEN | INSIDE) == 1 {
                caller.unpark();
            }
            done = Some(number);
        }
    }

    /// The number of the open job, unless it is the one that was done last.
    fn open_job(&self, done: Option<u64>) -> Option<u64> {
        let state = self.state.load(Ordering::Relaxed);
        let number = state >> NUMBER_SHIFT;
        (state & OPEN != 0 && done != Some(number)).then_some(number)
    }

    fn enter(&self, done: Option<u64>) -> Option<u64> {
        let enter = |state: u64| {
            let is_new = done != Some(state >> NUMBER_SHIFT);
            (state & OPEN != 0 && is_new).then_some(state + 1)
        };
        let before = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).ok()?;
        Some(before >> NUMBER_SHIFT)
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
