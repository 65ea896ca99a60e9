//! Following a job.

use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{JobEvent, JobId};

/// What a follower gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// Something happened.
    Event(JobEvent),
    /// The follower was too slow and missed some events, perhaps of this job: read them again by the last sequence
    /// number it has seen.
    Missed,
    /// The scheduler has stopped; nothing comes any more.
    Stopped,
}

/// The events of one job, as they happen.
#[derive(Debug)]
pub struct Follower {
    job: JobId,
    /// `None` when the scheduler had stopped before.
    events: Option<Receiver<JobEvent>>,
}

impl Follower {
    pub(super) fn new(job: JobId, events: Option<Receiver<JobEvent>>) -> Self {
        Self { job, events }
    }

    /// Waits for the next event. Dropping the future loses none.
    pub async fn next(&mut self) -> Followed {
        let Some(events) = &mut self.events else { return Followed::Stopped };
        loop {
            match events.recv().await {
                Ok(event) if event.job == self.job => return Followed::Event(event),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Followed::Missed,
                Err(RecvError::Closed) => return Followed::Stopped,
            }
        }
    }
}
