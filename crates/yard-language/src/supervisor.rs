//! Keeps a model's process running.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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
    language::{LOAD, LoadRequest, LoadResponse, Loaded, STATS, StatsRequest, load_response},
};

use crate::LanguageError;

/// The first pause before a process is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that ran for so long is not held to have died of its start.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// How often a process with work is asked for a sign of life, which it gives between two steps.
const ASKED_EVERY: Duration = Duration::from_secs(15);

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
    worker: watch::Receiver<Option<SharedWorker>>,
    restarts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts the process and loads the model; from then on it is kept running.
    pub(crate) async fn start(start: Start) -> Result<(Self, Loaded), LanguageError> {
        let (worker, loaded) = start.run().await?;
        let (known, receiver) = watch::channel(Some(worker.clone()));
        let restarts = Arc::<AtomicU64>::default();
        let task = Handle::current().spawn(look_after(start, worker, known, Arc::clone(&restarts)));
        Ok((Self { worker: receiver, restarts, task }, loaded))
    }

    /// The process, if it runs.
    pub(crate) fn worker(&self) -> Result<SharedWorker, LanguageError> {
        self.worker.borrow().clone().ok_or(LanguageError::Restarting)
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // With the task goes its handle of the process, which ends with the last of them.
        self.task.abort();
    }
}

impl Start {
    async fn run(&self) -> Result<(SharedWorker, Loaded), LanguageError> {
        let worker = SharedWorker::spawn(self.command.clone(), self.calls.clone()).await?;
        let answer = worker.call(Request::new(LOAD, &self.request), self.load_limit).await?;
        match answer.decode::<LoadResponse>()?.outcome {
            Some(load_response::Outcome::Loaded(loaded)) => Ok((worker, loaded)),
            Some(load_response::Outcome::Refused(refusal)) => Err(refusal.into()),
            None => Err(LanguageError::Nonsense),
        }
    }
}

async fn look_after(
    start: Start,
    mut worker: SharedWorker,
    known: watch::Sender<Option<SharedWorker>>,
    restarts: Arc<AtomicU64>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let end = end_of(&worker, start.hangs_after).await;
        known.send_replace(None);
        tracing::error!(file = %start.file.display(), error = &end as &dyn std::error::Error, "the process of a language model ended");
        if began.elapsed() >= WELL_AFTER {
            pause = FIRST_PAUSE;
        }
        worker = loop {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            restarts.fetch_add(1, Ordering::Relaxed);
            match start.run().await {
                Ok((worker, _)) => break worker,
                Err(error) => {
                    tracing::error!(file = %start.file.display(), error = &error as &dyn std::error::Error, "a language model could not be loaded again");
                }
            }
        };
        tracing::warn!(file = %start.file.display(), "a language model is loaded again");
        known.send_replace(Some(worker.clone()));
    }
}

/// Waits until the process ends, or is ended because it hangs.
async fn end_of(worker: &SharedWorker, hangs_after: Duration) -> WorkerError {
    let hangs = async {
        loop {
            sleep(ASKED_EVERY).await;
            if worker.calls() == 0 {
                continue;
            }
            let sign = worker.call(Request::new(STATS, &StatsRequest {}), hangs_after).await;
            if let Err(error @ WorkerError::TimedOut { .. }) = sign {
                break error;
            }
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
