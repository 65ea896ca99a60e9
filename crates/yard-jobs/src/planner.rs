//! What the scheduler asks of whoever knows searches.

use yard_types::ErrorCode;

use crate::{Demand, Job, JobFailure, JobId, Report};

/// A trial about to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTrial {
    /// Which trial of its search, from 0. A number that is taken is not submitted again.
    pub number: u32,
    /// What to do, as JSON.
    pub spec: String,
    /// What it asks for.
    pub demand: Demand,
}

/// What a search does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchStep {
    /// Submits these trials, then waits until one ends.
    Submit(Vec<NewTrial>),
    /// Waits until one of its trials ends.
    Wait,
    /// Registers what this trial made.
    Finish {
        /// A trial that succeeded.
        best: JobId,
        /// What the search tells of its result, as JSON.
        summary: String,
    },
}

/// Decides what searches do. It is asked again after a restart: the same rows must give the same step.
pub trait Planner: Send + Sync {
    /// What this search does next, given all its trials by number. The error fails the search.
    fn next(&self, search: &Job, trials: &[Job]) -> Result<SearchStep, JobFailure>;

    /// What a search tells of itself, given all its trials and those that have ended since it last told something.
    fn told(&self, _search: &Job, _trials: &[Job], _ended: &[&Job]) -> Vec<Report> {
        Vec::new()
    }
}

/// Refuses every search.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSearches;

impl Planner for NoSearches {
    fn next(&self, _: &Job, _: &[Job]) -> Result<SearchStep, JobFailure> {
        let message = "searches are not offered here".to_owned();
        Err(JobFailure { code: ErrorCode::Unsupported, message })
    }
}
