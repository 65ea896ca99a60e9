//! Which job runs next: a pure function of the rows.

use std::{collections::HashMap, fmt, time::Duration};

use yard_types::{ErrorCode, Timestamp};

use crate::{Demand, Job, JobFailure, JobId, JobKind, JobState};

/// What all running jobs may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Threads that compute.
    pub threads: u32,
    /// Memory of all children.
    pub memory_bytes: u64,
}

/// By what the choice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What there is.
    pub capacity: Capacity,
    /// How long smaller jobs may pass one that does not fit yet. After that everything behind it waits, so that it gets
    /// its place.
    pub patience: Duration,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Start this job.
    Start(JobId),
    /// This job can never run here.
    Fail(JobId, JobFailure),
    /// Nothing, until a job ends or is submitted.
    Wait,
}

impl Capacity {
    /// Whether a job could run here if it were alone.
    pub const fn could_hold(&self, demand: &Demand) -> bool {
        demand.threads <= self.threads && demand.memory_bytes <= self.memory_bytes
    }
}

/// Chooses among the queued of these jobs; the running ones take their part of the capacity.
///
/// A search's trials, or a job alone, are a party. The party with the fewest running threads comes first, so that a
/// search of a hundred trials leaves room for others; among equals the oldest job comes first. A job that does not fit
/// at the moment is passed by smaller ones until its patience is over.
pub fn next_job(jobs: &[Job], policy: &Policy, now: Timestamp) -> Choice {
    let mut queued: Vec<&Job> = jobs.iter().filter(|job| job.state == JobState::Queued).collect();
    if let Some(job) = queued.iter().find(|job| !policy.capacity.could_hold(&job.demand)) {
        return Choice::Fail(job.id, never_fits(&job.demand, &policy.capacity));
    }
    let mut free = policy.capacity;
    let mut threads_of_party: HashMap<JobId, u32> = HashMap::new();
    for job in jobs.iter().filter(|job| job.state == JobState::Running) {
        // More may run than there is: the limit may have been lowered at the last start.
        let taken = job.taken();
        free.threads = free.threads.saturating_sub(taken.threads);
        free.memory_bytes = free.memory_bytes.saturating_sub(taken.memory_bytes);
        let threads = threads_of_party.entry(party(job)).or_default();
        *threads = threads.saturating_add(taken.threads);
    }
    queued.sort_by_key(|job| {
        let threads = threads_of_party.get(&party(job)).copied().unwrap_or(0);
        (threads, job.created_at, number_of_trial(job), job.id)
    });
    let patience = i64::try_from(policy.patience.as_millis()).unwrap_or(i64::MAX);
    for job in queued {
        if free.could_hold(&job.taken()) {
            return Choice::Start(job.id);
        }
        if job.created_at.plus_milliseconds(patience) <= now {
            return Choice::Wait;
        }
    }
    Choice::Wait
}

/// Whom a job's threads are counted for.
fn party(job: &Job) -> JobId {
    job.search().unwrap_or(job.id)
}

/// Trials that were submitted at once run in their order.
fn number_of_trial(job: &Job) -> u32 {
    match job.kind {
        JobKind::Trial { number, .. } => number,
        JobKind::Train | JobKind::Search => 0,
    }
}

pub(crate) fn never_fits(asked: &Demand, there: &Capacity) -> JobFailure {
    let there = Demand { threads: there.threads, memory_bytes: there.memory_bytes };
    let message = format!(
        "the job asks for {asked}, more than the {there} that jobs have here: ask for less, or have the limit raised"
    );
    JobFailure { code: ErrorCode::InvalidArgument, message }
}

impl fmt::Display for Demand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        let mebibytes = self.memory_bytes.div_ceil(1 << 20);
        write!(formatter, "{} thread{plural} and {mebibytes} MiB of memory", self.threads)
    }
}

#[cfg(test)]
mod tests;
