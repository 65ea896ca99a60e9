//! The threads that run models: named, of low priority, few, and handed out interactive work first.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

use crate::{QueueClass, StartError};

type Job = Box<dyn FnOnce() + Send>;

/// The compute threads. They end when this is dropped and the jobs in hand are done.
pub(crate) struct ComputePool {
    jobs: mpsc::Sender<Job>,
    budget: Arc<Budget>,
}

/// The right to occupy one compute thread.
#[derive(Debug)]
pub(crate) struct ComputePermit {
    class: QueueClass,
    /// `None` once the right has gone back.
    budget: Option<Arc<Budget>>,
}

#[derive(Debug)]
struct Budget {
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    free: usize,
    background_running: usize,
    /// Background work leaves a thread for interactive work, where there is more than one.
    background_limit: usize,
    interactive: VecDeque<oneshot::Sender<ComputePermit>>,
    background: VecDeque<oneshot::Sender<ComputePermit>>,
}

// === impl ComputePool ===

impl ComputePool {
    pub(crate) fn start(threads: NonZeroUsize, niceness: u8) -> Result<Self, StartError> {
        let (jobs, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.get() {
            let name = format!("yard-compute-{number}");
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name(name.clone())
                .spawn(move || work(&receiver, niceness))
                .map_err(|source| StartError { thread: name, source })?;
        }
        Ok(Self { jobs, budget: Arc::new(Budget::new(threads)) })
    }

    /// Waits for a free thread. Interactive work goes before background work that waits.
    pub(crate) async fn permit(&self, class: QueueClass) -> ComputePermit {
        let receiver = match self.budget.try_take(class) {
            Ok(permit) => return permit,
            Err(receiver) => receiver,
        };
        match receiver.await {
            Ok(permit) => permit,
            // The budget holds the other end until it hands out a permit, and lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Runs the work on a compute thread; the answer comes through the channel, which closes when the work panics.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        permit: ComputePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            let result = work();
            // Before the answer, so that whoever acts on it finds the thread free.
            drop(permit);
            let _ = sender.send(result);
        });
        // The threads hold the other end for as long as `self` lives.
        let _ = self.jobs.send(job);
        receiver
    }
}

fn work(receiver: &Mutex<mpsc::Receiver<Job>>, niceness: u8) {
    if niceness > 0 {
        // For this thread alone; raising the number needs no right. Where it fails the thread runs as it is.
        let _ = rustix::process::setpriority_process(None, i32::from(niceness.min(19)));
    }
    loop {
        let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        if outcome.is_err() {
            tracing::error!("a job on a compute thread panicked");
        }
    }
}

impl fmt::Debug for ComputePool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ComputePool").field("budget", &self.budget).finish_non_exhaustive()
    }
}

// === impl Budget ===

impl Budget {
    fn new(threads: NonZeroUsize) -> Self {
        Self {
            state: Mutex::new(BudgetState {
                free: threads.get(),
                background_running: 0,
                background_limit: (threads.get() - 1).max(1),
                interactive: VecDeque::new(),
                background: VecDeque::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(
        self: &Arc<Self>,
        class: QueueClass,
    ) -> Result<ComputePermit, oneshot::Receiver<ComputePermit>> {
        let mut state = self.lock();
        if state.take(class) {
            return Ok(ComputePermit { class, budget: Some(Arc::clone(self)) });
        }
        let (sender, receiver) = oneshot::channel();
        let queue = match class {
            QueueClass::Interactive => &mut state.interactive,
            QueueClass::Background => &mut state.background,
        };
        // Waiters that gave up are swept here, so that the queue is bounded by those who really wait.
        queue.retain(|waiter| !waiter.is_closed());
        queue.push_back(sender);
        Err(receiver)
    }

    fn give_back(self: &Arc<Self>, class: QueueClass) {
        let mut state = self.lock();
        state.put_back(class);
        for class in [QueueClass::Interactive, QueueClass::Background] {
            while state.may_take(class) {
                let waiter = match class {
                    QueueClass::Interactive => state.interactive.pop_front(),
                    QueueClass::Background => state.background.pop_front(),
                };
                let Some(waiter) = waiter else { break };
                let permit = ComputePermit { class, budget: Some(Arc::clone(self)) };
                match waiter.send(permit) {
                    Ok(()) => {
                        state.take(class);
                    }
                    // The waiter has gone. Nothing was counted for it, so nothing goes back.
                    Err(mut permit) => permit.budget = None,
                }
            }
        }
    }
}

impl BudgetState {
    const fn may_take(&self, class: QueueClass) -> bool {
        match class {
            QueueClass::Interactive => self.free > 0,
            QueueClass::Background => self.free > 0 && self.background_running < self.background_limit,
        }
    }

    const fn take(&mut self, class: QueueClass) -> bool {
        if !self.may_take(class) {
            return false;
        }
        self.free -= 1;
        if matches!(class, QueueClass::Background) {
            self.background_running += 1;
        }
        true
    }

    const fn put_back(&mut self, class: QueueClass) {
        self.free += 1;
        if matches!(class, QueueClass::Background) {
            self.background_running -= 1;
        }
    }
}

impl Drop for ComputePermit {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.give_back(self.class);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(threads: usize) -> Arc<Budget> {
        Arc::new(Budget::new(NonZeroUsize::new(threads).unwrap()))
    }

    #[test]
    fn background_work_leaves_a_thread_for_interactive_work() {
        let budget = budget(2);
        let background = budget.try_take(QueueClass::Background).unwrap();
        let mut second = budget.try_take(QueueClass::Background).unwrap_err();
        assert!(second.try_recv().is_err());
        let _interactive = budget.try_take(QueueClass::Interactive).unwrap();
        drop(background);
        assert!(second.try_recv().is_ok());
    }

    #[test]
    fn interactive_work_is_handed_a_thread_before_background_work_that_came_first() {
        let budget = budget(1);
        let running = budget.try_take(QueueClass::Background).unwrap();
        let mut background = budget.try_take(QueueClass::Background).unwrap_err();
        let mut interactive = budget.try_take(QueueClass::Interactive).unwrap_err();
        drop(running);
        let permit = interactive.try_recv().unwrap();
        assert!(background.try_recv().is_err());
        drop(permit);
        assert!(background.try_recv().is_ok());
    }

    #[test]
    fn a_permit_for_a_waiter_that_left_goes_to_the_next() {
        let budget = budget(1);
        let running = budget.try_take(QueueClass::Interactive).unwrap();
        drop(budget.try_take(QueueClass::Interactive).unwrap_err());
        let mut next = budget.try_take(QueueClass::Interactive).unwrap_err();
        drop(running);
        drop(next.try_recv().unwrap());
        assert_eq!(budget.lock().free, 1);
    }

    #[test]
    fn a_permit_handed_to_a_waiter_that_never_looks_comes_back() {
        let budget = budget(1);
        let running = budget.try_take(QueueClass::Background).unwrap();
        let waiter = budget.try_take(QueueClass::Background).unwrap_err();
        drop(running);
        assert_eq!(budget.lock().free, 0);
        drop(waiter);
        assert_eq!(budget.lock().free, 1);
        assert_eq!(budget.lock().background_running, 0);
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_neither_its_thread_nor_its_permit() {
        let pool = ComputePool::start(NonZeroUsize::MIN, 0).unwrap();
        let permit = pool.permit(QueueClass::Interactive).await;
        let broken = pool.run(permit, || panic!("meant to"));
        let broken: Result<(), _> = broken.await;
        assert!(broken.is_err());
        let permit = pool.permit(QueueClass::Interactive).await;
        assert_eq!(pool.run(permit, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn compute_threads_yield_to_others_and_nobody_else_does() {
        let before = rustix::process::getpriority_process(None).unwrap();
        let pool = ComputePool::start(NonZeroUsize::MIN, 19).unwrap();
        let permit = pool.permit(QueueClass::Interactive).await;
        let there = pool.run(permit, || rustix::process::getpriority_process(None).unwrap());
        assert_eq!(there.await, Ok(19));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
    }
}
