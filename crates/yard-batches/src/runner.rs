//! The one task that runs batches, and what it does with each.

mod finish;
mod run_lines;
mod validate;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{
    Batch, BatchError, BatchId, BatchStatus, BatchStoreError, Batches, LineRunner, Owner, Waiting,
    batches::Shared, next_batches,
};

/// Rows are looked at again after so long, even if nobody says that there is something to do.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Pauses before something that failed is tried again: they double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs batches as long as it lives. Dropping it gives up what runs; [`Runner::stop`] waits for that as well.
pub struct Runner {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What all batches are run with.
pub(crate) struct Work {
    shared: Arc<Shared>,
    lines: Arc<dyn LineRunner>,
    /// One for each line that may run. Who waited longest is next, so that batches with lines to run share them.
    permits: Semaphore,
}

impl fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    /// Runs what an earlier run left, and whatever is made from now on. There must be one runner for a store.
    pub fn start(batches: &Batches, lines: Arc<dyn LineRunner>) -> Self {
        let shared = Arc::clone(&batches.shared);
        let permits = Semaphore::new(shared.options.lines_at_once.get());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(Arc::new(Work { shared, lines, permits }), stopped));
        Self { stop: Some(stop), task }
    }

    /// Gives up what runs and waits until nothing does. It goes on at the next start.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // A task that panicked is at its end as well.
        let _ = (&mut self.task).await;
    }
}

async fn run(work: Arc<Work>, mut stopped: oneshot::Receiver<()>) {
    let mut running: JoinSet<Owner> = JoinSet::new();
    let mut busy: HashSet<Owner> = HashSet::new();
    let mut turns: HashMap<Owner, u64> = HashMap::new();
    let mut turn = 0;
    loop {
        match work.shared.store.open_batches().await {
            Ok(open) => {
                let owners: HashSet<&Owner> = open.iter().map(|batch| &batch.owner).collect();
                turns.retain(|owner, _| owners.contains(owner));
                for batch in begun(&work, &open, &busy, &turns) {
                    turn += 1;
                    turns.insert(batch.owner.clone(), turn);
                    busy.insert(batch.owner.clone());
                    running.spawn(see_through(Arc::clone(&work), batch));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the batches could not be read");
            }
        }
        work.forget_files().await;
        tokio::select! {
            _ = &mut stopped => break,
            () = work.shared.wake.notified() => {}
            Some(ended) = running.join_next() => {
                if let Ok(owner) = ended {
                    busy.remove(&owner);
                }
            }
            () = sleep(LOOK_AGAIN) => {}
        }
    }
    running.shutdown().await;
}

/// The batches to begin now.
fn begun(work: &Work, open: &[Batch], busy: &HashSet<Owner>, turns: &HashMap<Owner, u64>) -> Vec<Batch> {
    let waiting: Vec<Waiting> =
        open.iter().map(|batch| Waiting { id: batch.id.clone(), owner: batch.owner.clone() }).collect();
    let most = work.shared.options.owners_at_once.get();
    let chosen = next_batches(&waiting, busy, turns, most);
    chosen.iter().filter_map(|id| open.iter().find(|batch| batch.id == *id)).cloned().collect()
}

/// Works on a batch until it has ended. What fails is tried again: its rows say where to go on.
async fn see_through(work: Arc<Work>, batch: Batch) -> Owner {
    let called_off = work.shared.take_up(&batch.id);
    let mut pause = FIRST_PAUSE;
    loop {
        let worked =
            AssertUnwindSafe(work.work_on(&batch.owner, &batch.id, &called_off)).catch_unwind().await;
        match worked {
            Ok(Ok(())) => break,
            Ok(Err(error)) => {
                tracing::error!(
                    batch = %batch.id,
                    error = &error as &dyn std::error::Error,
                    "a batch cannot go on; it is tried again"
                );
            }
            Err(_) => tracing::error!(batch = %batch.id, "the work on a batch panicked; it is tried again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    work.shared.lay_down(&batch.id);
    batch.owner
}

impl Work {
    /// Brings a batch from where it stands to its end.
    async fn work_on(&self, owner: &Owner, id: &BatchId, called_off: &Notify) -> Result<(), BatchError> {
        loop {
            let Some(batch) = self.shared.store.batch(owner, id).await? else { return Ok(()) };
            let step = match batch.status {
                BatchStatus::Validating => self.validate(&batch).await,
                BatchStatus::InProgress => self.run_lines(&batch, called_off).await,
                BatchStatus::Finalizing | BatchStatus::Cancelling => self.finish(&batch).await,
                BatchStatus::Completed
                | BatchStatus::Failed
                | BatchStatus::Expired
                | BatchStatus::Cancelled => return Ok(()),
            };
            match step {
                // Somebody called it off meanwhile: its row says so.
                Ok(()) | Err(BatchError::Store(BatchStoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes files whose time is over.
    async fn forget_files(&self) {
        let now = self.shared.clock.now();
        if let Err(error) = self.shared.store.remove_expired_files(now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files whose time is over could not be deleted"
            );
        }
    }
}

#[cfg(test)]
mod tests;
