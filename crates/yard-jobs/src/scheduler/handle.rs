//! The handle.

use std::{fmt, sync::Arc};

use tokio::sync::{broadcast, mpsc, oneshot};
use yard_types::Timestamp;

use super::Follower;
use crate::{Checkpoint, Job, JobEvent, JobId, JobQuery, JobStore, JobsError, LogLine, Metric, NewJob};

/// Jobs, as everybody but their scheduler sees them. Cheap to clone; clones reach the same scheduler. When all are gone
/// the scheduler stops as by [`Self::shutdown`].
#[derive(Clone)]
pub struct Jobs {
    store: Arc<dyn JobStore>,
    commands: mpsc::Sender<Command>,
    events: broadcast::WeakSender<JobEvent>,
}

/// What the owner task is asked.
pub(super) enum Command {
    Submit(Box<NewJob>, oneshot::Sender<Result<Job, JobsError>>),
    Cancel(JobId, oneshot::Sender<Result<Job, JobsError>>),
    Shutdown(oneshot::Sender<()>),
}

impl Jobs {
    pub(super) fn new(
        store: Arc<dyn JobStore>,
        commands: mpsc::Sender<Command>,
        events: broadcast::WeakSender<JobEvent>,
    ) -> Self {
        Self { store, commands, events }
    }

    /// Submits a job. When this returns, the job is a row that survives a crash; it is done even when the caller drops
    /// the future.
    pub async fn submit(&self, job: NewJob) -> Result<Job, JobsError> {
        self.ask(|reply| Command::Submit(Box::new(job), reply)).await?
    }

    /// Calls a job off. A queued one has ended when this returns; of a running one the call is noted in its row, and its
    /// child is killed within a second. It can then no longer succeed. Trials of a search go with it.
    pub async fn cancel(&self, id: JobId) -> Result<Job, JobsError> {
        self.ask(|reply| Command::Cancel(id, reply)).await?
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Job, JobsError> {
        self.store.job(id).await?.ok_or(JobsError::Unknown(id))
    }

    /// A page of jobs, newest first.
    pub async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, JobsError> {
        Ok(self.store.jobs(query).await?)
    }

    /// All jobs that are queued or running, oldest first, as they are at one moment.
    pub async fn active(&self) -> Result<Vec<Job>, JobsError> {
        Ok(self.store.active().await?)
    }

    /// All trials of a search, by number.
    pub async fn trials(&self, search: JobId) -> Result<Vec<Job>, JobsError> {
        Ok(self.store.trials(search).await?)
    }

    /// The events of a job after this sequence number, at most `limit`; see [`JobStore::events`].
    pub async fn events(&self, id: JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>, JobsError> {
        Ok(self.store.events(id, after, limit).await?)
    }

    /// The metrics of a job, by split, name and step.
    pub async fn metrics(&self, id: JobId) -> Result<Vec<Metric>, JobsError> {
        Ok(self.store.metrics(id).await?)
    }

    /// The newest log lines of a job, in order.
    pub async fn log_lines(&self, id: JobId, limit: u32) -> Result<Vec<(Timestamp, LogLine)>, JobsError> {
        Ok(self.store.log_lines(id, limit).await?)
    }

    /// The checkpoints of a job, by step.
    pub async fn checkpoints(&self, id: JobId) -> Result<Vec<Checkpoint>, JobsError> {
        Ok(self.store.checkpoints(id).await?)
    }

    /// Follows a job from now on. Follow first, then read what there is, and skip the events that were read already: so
    /// none is missed.
    pub fn follow(&self, id: JobId) -> Follower {
        Follower::new(id, self.events.upgrade().map(|events| events.subscribe()))
    }

    /// Stops the scheduler: children are killed, and their jobs queued again to go on from their last checkpoint. Returns
    /// when it has stopped; stopping what has stopped is no error.
    pub async fn shutdown(&self) {
        // An error says that it has stopped.
        let _ = self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, JobsError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| JobsError::Stopping)?;
        answer.await.map_err(|_| JobsError::Stopping)
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Jobs").finish_non_exhaustive()
    }
}
