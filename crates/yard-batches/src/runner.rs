//! The one task that runs batches, and what it does with each.

mod finish;
mod permits;
mod run_lines;
mod validate;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{Notify, oneshot},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};

use yard_types::Timestamp;

use self::permits::Permits;
use crate::{
    Batch, BatchError, BatchId, BatchStatus, BatchStoreError, Batches, LineRunner, Owner, Waiting,
    batches::Shared, next_batches,
};

/// Rows are looked at again after so long, even if nobody says that there is something to do.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Bytes that no row names are looked for after so long, if there may be any.
const BETWEEN_COLLECTIONS: Duration = Duration::from_secs(3_600);
/// Batches that are brought to their end at once, beside those whose lines run.
const MOST_ENDING: usize = 4;
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
    permits: Permits,
}

/// The batches that somebody works on.
#[derive(Default)]
struct UnderWay {
    owners: HashMap<BatchId, Owner>,
    /// Those of them that are only brought to their end, beside whatever their owners have.
    ending: HashSet<BatchId>,
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
        let permits = Permits::new(shared.options.lines_at_once.get());
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
    let mut running: JoinSet<BatchId> = JoinSet::new();
    let mut under_way = UnderWay::default();
    let mut turns: HashMap<Owner, u64> = HashMap::new();
    let mut turn = 0;
    let mut collecting: JoinSet<()> = JoinSet::new();
    let mut collected = Instant::now();
    loop {
        match work.shared.store.open_batches().await {
            Ok(open) => {
                work.shared.open.store(open.len() as u64, Ordering::Relaxed);
                let owners: HashSet<&Owner> = open.iter().map(|batch| &batch.owner).collect();
                turns.retain(|owner, _| owners.contains(owner));
                let now = work.shared.clock.now();
                let (ending, others): (Vec<&Batch>, Vec<&Batch>) = open
                    .iter()
                    .filter(|batch| !under_way.owners.contains_key(&batch.id))
                    .partition(|batch| is_ending(batch, now));
                let room = MOST_ENDING.saturating_sub(under_way.ending.len());
                for batch in ending.into_iter().take(room) {
                    under_way.ending.insert(batch.id.clone());
                    under_way.owners.insert(batch.id.clone(), batch.owner.clone());
                    running.spawn(see_through(Arc::clone(&work), batch.clone()));
                }
                for batch in begun(&work, &others, &under_way, &turns) {
                    turn += 1;
                    turns.insert(batch.owner.clone(), turn);
                    under_way.owners.insert(batch.id.clone(), batch.owner.clone());
                    running.spawn(see_through(Arc::clone(&work), batch));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the batches could not be read");
            }
        }
        work.forget_files().await;
        while collecting.try_join_next().is_some() {}
        if collected.elapsed() >= BETWEEN_COLLECTIONS
            && collecting.is_empty()
            && work.shared.has_garbage.swap(false, Ordering::Relaxed)
        {
            collected = Instant::now();
            // Beside the loop: it waits for whoever publishes, and others want to be begun.
            collecting.spawn(collect(Arc::clone(&work)));
        }
        tokio::select! {
            _ = &mut stopped => break,
            () = work.shared.wake.notified() => {}
            Some(ended) = running.join_next() => {
                if let Ok(id) = ended {
                    under_way.owners.remove(&id);
                    under_way.ending.remove(&id);
                }
            }
            () = sleep(LOOK_AGAIN) => {}
        }
    }
    running.shutdown().await;
    // As if the process were killed: nothing is deleted that a row names, at any moment.
    collecting.shutdown().await;
}

/// Whether no line of a batch runs any more. What waits for others would wait for nothing.
fn is_ending(batch: &Batch, now: Timestamp) -> bool {
    matches!(batch.status, BatchStatus::Finalizing | BatchStatus::Cancelling) || batch.expires_at <= now
}

/// The batches to begin now, of those that nobody works on.
fn begun(work: &Work, open: &[&Batch], under_way: &UnderWay, turns: &HashMap<Owner, u64>) -> Vec<Batch> {
    let waiting: Vec<Waiting> =
        open.iter().map(|batch| Waiting { id: batch.id.clone(), owner: batch.owner.clone() }).collect();
    let running = under_way.owners.iter().filter(|(id, _)| !under_way.ending.contains(*id));
    let busy: HashSet<Owner> = running.map(|(_, owner)| owner.clone()).collect();
    let most = work.shared.options.owners_at_once.get();
    let chosen = next_batches(&waiting, &busy, turns, most);
    let found = chosen.iter().filter_map(|id| open.iter().find(|batch| batch.id == *id));
    found.map(|batch| Batch::clone(batch)).collect()
}

/// Deletes the bytes that no row names any more.
async fn collect(work: Arc<Work>) {
    match work.shared.contents.collect().await {
        Ok(0) => {}
        Ok(bytes) => tracing::info!(bytes, "the bytes of deleted files were deleted"),
        Err(error) => {
            work.shared.has_garbage.store(true, Ordering::Relaxed);
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the bytes of deleted files could not be deleted; it is tried again"
            );
        }
    }
}

/// Works on a batch until it has ended. What fails is tried again: its rows say where to go on.
async fn see_through(work: Arc<Work>, batch: Batch) -> BatchId {
    let called_off = work.shared.take_up(&batch.id);
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
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
        if began.elapsed() > LONGEST_PAUSE {
            // It went well for a while.
            pause = FIRST_PAUSE;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    work.shared.lay_down(&batch.id);
    // Its input, if the file was deleted before.
    work.shared.has_garbage.store(true, Ordering::Relaxed);
    batch.id
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
        match self.shared.store.remove_expired_files(now).await {
            Ok(0) => {}
            Ok(_) => self.shared.has_garbage.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files whose time is over could not be deleted"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
