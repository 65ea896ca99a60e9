//! Keeps a model's process running.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};
use yard_worker::{
    CallLimits, Request, SharedWorker, WorkerCommand, WorkerError,
    language::{LOAD, LoadRequest, LoadResponse, Loaded, STATS, StatsRequest, StatsResponse, load_response},
};

use crate::LanguageError;

/// The first pause before a process is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran for so long is not held to have died of its start.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// How often a process with work is asked what it has done and holds.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// How often one without work is asked.
const IDLE_ASKED_EVERY: Duration = Duration::from_secs(15);

/// How a process is started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) command: WorkerCommand,
    pub(crate) request: LoadRequest,
    pub(crate) calls: CallLimits,
    /// Longest time until the model is loaded.
    pub(crate) load_limit: Duration,
    /// A process that gives no sign of life for so long, though it has work, hangs.
    pub(crate) hangs_after: Duration,
    /// For the log.
    pub(crate) file: PathBuf,
}

/// The process of a model, and the task that looks after it.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shown: Arc<Shown>,
    runtime: Handle,
    /// `None` once it was stopped.
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the task shows of the process.
#[derive(Debug)]
struct Shown {
    /// `None` while it is started again.
    worker: watch::Sender<Option<SharedWorker>>,
    /// What it said last of itself; `None` until it did.
    stats: watch::Sender<Option<StatsResponse>>,
    /// The one started last, loaded or not.
    process: Mutex<Option<SharedWorker>>,
    restarts: AtomicU64,
}

impl Supervisor {
    /// Starts the process and loads the model; from then on it is kept running.
    pub(crate) async fn start(start: Start) -> Result<(Self, Loaded), LanguageError> {
        let shown = Arc::new(Shown {
            worker: watch::Sender::new(None),
            stats: watch::Sender::new(None),
            process: Mutex::new(None),
            restarts: AtomicU64::new(0),
        });
        let (worker, loaded) = start.run(&shown).await?;
        shown.worker.send_replace(Some(worker.clone()));
        let runtime = Handle::current();
        let task = runtime.spawn(look_after(start, worker, Arc::clone(&shown)));
        Ok((Self { shown, runtime, task: Mutex::new(Some(task)) }, loaded))
    }

    /// Ends the process for good and waits until it is gone, for at most this long; `false` when it took longer. To be called
    /// on a thread that may block.
    pub(crate) fn stop(&self, limit: Duration) -> bool {
        let task = lock(&self.task).take();
        let shown = Arc::clone(&self.shown);
        let (stopping, stopped) = mpsc::channel::<()>();
        self.runtime.spawn(async move {
            // First the task, which would start another process.
            if let Some(task) = task {
                task.abort();
                // It was called off, or had ended: either is well.
                let _ = task.await;
            }
            shown.worker.send_replace(None);
            let process = lock(&shown.process).take();
            if let Some(process) = process {
                process.stop().await;
            }
            drop(stopping);
        });
        // Nothing is ever sent: this ends when the sender is dropped, by the task above or with it.
        stopped.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout)
    }

    /// The process, if it runs.
    pub(crate) fn worker(&self) -> Result<SharedWorker, LanguageError> {
        self.shown.worker.borrow().clone().ok_or(LanguageError::Restarting)
    }

    /// What the process said last of itself, if it runs and has said something.
    pub(crate) fn stats(&self) -> Option<StatsResponse> {
        *self.shown.stats.borrow()
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.shown.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // With the task goes its part of what they share, and with that the handles of the process, which ends with the last of
        // them.
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// Nobody panics while holding one of these locks; a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Start {
    /// A process with the model loaded. One that could not load it is gone when this is through.
    async fn run(&self, shown: &Shown) -> Result<(SharedWorker, Loaded), LanguageError> {
        let worker = SharedWorker::spawn(self.command.clone(), self.calls.clone()).await?;
        *lock(&shown.process) = Some(worker.clone());
        match self.load(&worker).await {
            Ok(loaded) => Ok((worker, loaded)),
            Err(error) => {
                worker.stop().await;
                Err(error)
            }
        }
    }

    async fn load(&self, worker: &SharedWorker) -> Result<Loaded, LanguageError> {
        let answer = worker.call(Request::new(LOAD, &self.request), self.load_limit).await?;
        match answer.decode::<LoadResponse>()?.outcome {
            Some(load_response::Outcome::Loaded(loaded)) => Ok(loaded),
            Some(load_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }
}

async fn look_after(start: Start, mut worker: SharedWorker, shown: Arc<Shown>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let end = end_of(&worker, start.hangs_after, &shown.stats).await;
        shown.worker.send_replace(None);
        shown.stats.send_replace(None);
        tracing::error!(file = %start.file.display(), error = &end as &dyn std::error::Error, "the process of a language model ended");
        if began.elapsed() >= WELL_AFTER {
            pause = FIRST_PAUSE;
        }
        worker = loop {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            shown.restarts.fetch_add(1, Ordering::Relaxed);
            match start.run(&shown).await {
                Ok((worker, _)) => break worker,
                Err(error) => {
                    tracing::error!(file = %start.file.display(), error = &error as &dyn std::error::Error, "a language model could not be loaded again");
                }
            }
        };
        tracing::warn!(file = %start.file.display(), "a language model is loaded again");
        shown.worker.send_replace(Some(worker.clone()));
    }
}

/// Waits until the process ends, or is ended because it hangs. Until then it says now and then what it has done and holds;
/// it answers between two steps, so that is its sign of life too.
async fn end_of(
    worker: &SharedWorker,
    hangs_after: Duration,
    stats: &watch::Sender<Option<StatsResponse>>,
) -> WorkerError {
    let hangs = async {
        let (mut asked, mut had_work) = (Instant::now(), true);
        loop {
            let has_work = worker.calls() > 0;
            // Once more after its last call: else that would be shown as if it went on.
            if has_work || had_work || asked.elapsed() >= IDLE_ASKED_EVERY {
                (asked, had_work) = (Instant::now(), has_work);
                let sign = worker.look_in(Request::new(STATS, &StatsRequest {}), hangs_after).await;
                match sign.and_then(|answer| answer.decode::<StatsResponse>()) {
                    Ok(said) => {
                        stats.send_replace(Some(said));
                    }
                    Err(error @ WorkerError::TimedOut { .. }) => break error,
                    // It has just ended, which is seen below.
                    Err(_) => {}
                }
            }
            sleep(ASKED_EVERY).await;
        }
    };
    tokio::select! {
        end = worker.ended() => end,
        error = hangs => {
            worker.stop().await;
            error
        }
    }
}
