//! What the scheduler asks of whoever runs jobs.

use std::path::PathBuf;

use async_trait::async_trait;
use yard_types::{Digest, PackagePath};

use crate::{Checkpoint, Job, JobFailure, JobId, Report};

/// A job to be run by a child.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The job; its `demand` is the child's limit.
    pub job: Job,
    /// From where to go on; `None` begins anew.
    pub resume: Option<Checkpoint>,
}

/// What a child that finished leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The files of the package, on this machine. They stay there until [`Launcher::discard`].
    pub files: Vec<ProducedFile>,
    /// What the job tells of its result, as JSON.
    pub summary: String,
    /// Where the result comes from.
    pub lineage: Lineage,
}

/// One file of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducedFile {
    /// Where it will lie in the package.
    pub path: PackagePath,
    /// Where it lies now.
    pub source: PathBuf,
}

/// From what a result was made: enough to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lineage {
    /// The specification with all its defaults, as JSON.
    pub spec: String,
    /// What was read, by name.
    pub data: Vec<(String, Digest)>,
    /// The version of the code that made it.
    pub code_version: String,
    /// The seed of all random draws.
    pub seed: u64,
    /// Facts about the machine and the libraries, by name.
    pub environment: Vec<(String, String)>,
}

/// How a child came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEnd {
    /// It did its work.
    Finished(Product),
    /// The job cannot be done: trying again would end the same way.
    Refused(JobFailure),
    /// It is gone without an answer; another attempt may get further. The failure is what the job fails with when its
    /// attempts are used up.
    Died(JobFailure),
}

/// What comes from a child.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildEvent {
    /// It tells something.
    Report(Report),
    /// It is gone. Nothing comes after this.
    Ended(ChildEnd),
}

/// A running child. Dropping it kills it.
#[async_trait]
pub trait Child: Send {
    /// Waits for the next event. Dropping the future loses none. A child that dies or breaks the protocol has ended; this
    /// never hangs on one that is gone. Not called again after [`ChildEvent::Ended`].
    async fn next(&mut self) -> ChildEvent;
    /// Ends the child at once; returns when it is gone.
    async fn kill(&mut self);
}

/// Starts children for jobs, and keeps the directory of each job.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts a child for a job. The error is that of [`ChildEnd::Died`] or [`ChildEnd::Refused`].
    async fn launch(&self, launch: Launch) -> Result<Box<dyn Child>, ChildEnd>;
    /// What a job that succeeded left behind, for the search that it was a trial of.
    async fn product(&self, job: &Job) -> Result<Product, JobFailure>;
    /// Deletes what the job left behind, if anything. Called when it has ended and nobody needs its files any more; a
    /// failure is the launcher's to log.
    async fn discard(&self, job: JobId);
}
