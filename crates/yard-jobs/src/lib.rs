//! Jobs: long work that is a row before it is acknowledged, runs in a child, and ends in one of three ways.
//!
//! [`Scheduler::start`] starts the one task that changes jobs; [`Jobs`] is the handle that everybody else holds. What it
//! needs from outside stands here as small traits: where rows are kept ([`JobStore`]), what starts a child for a job
//! ([`Launcher`]), where results go ([`Results`]), what a search tries next ([`Planner`]) and the clock ([`Clock`]). Which
//! job runs next is a pure function, [`next_job`].
//!
//! The specification of a search is the one that this crate reads ([`SearchPlanner`]). It does not know what a job does, no
//! SQL and no HTTP. It does not place work on other machines either: leases
//! let several servers share one store, but each runs what it takes.
//!
//! The feature `store-suite` adds a store in memory and the suite that every implementation of [`JobStore`] must pass.

#![warn(missing_docs)]

mod error;
mod id;
mod job;
mod launcher;
mod lease;
mod next_job;
mod planner;
mod report;
mod results;
mod scheduler;
mod search;
mod state;
mod store;
#[cfg(any(test, feature = "store-suite"))]
pub mod testing;

pub use error::JobsError;
pub use id::{HolderId, IdError, JobId};
pub use job::{Demand, Ending, Job, JobFailure, JobKind, JobResult, NewJob, Owner, Setback, Setbacks};
pub use launcher::{Child, ChildEnd, ChildEvent, Launch, Launcher, Lineage, ProducedFile, Product};
pub use lease::{Claim, Clock, Lease, SystemClock};
pub use next_job::{Capacity, Choice, Policy, next_job};
pub use planner::{NewTrial, NoSearches, Planner, SearchStep};
pub use report::{Checkpoint, EventBody, JobEvent, LogLevel, LogLine, Metric, Progress, Report};
pub use results::{Completion, RegisterError, Results};
pub use scheduler::{Followed, Follower, Jobs, Scheduler, SchedulerOptions, SchedulerParts};
pub use search::{Leaderboard, SearchPlanner, Standing, leaderboard, words};
pub use state::JobState;
pub use store::{
    JobQuery, JobStore, JobStoreError, KEPT_CHECKPOINTS, MAX_LOG_LINES, MAX_METRICS, MAX_SPEC_BYTES,
    MAX_SUMMARY_BYTES, MAX_TEXT_BYTES,
};
