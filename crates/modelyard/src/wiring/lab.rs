//! Running jobs in `modelyard-lab`, which stands beside this program.
//!
//! Each job has a directory of its own, `jobs/ID` in the data directory: its child keeps checkpoints there and puts the
//! package it makes there, and writes nowhere else. Registered data lie beside it, in `jobs/ID.data`, where the child only
//! reads. Both outlive the child, so that a later one goes on where it ended, and are deleted when the job has come to its
//! end.

mod child;
mod failure;
mod inputs;
mod product;

use std::{
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use fs_err as fs;
use yard_jobs::{Child, ChildEnd, Job, JobFailure, JobId, Launch, Launcher, Product};
use yard_registry::ArtifactStore;
use yard_spec::TrainingSpec;
use yard_types::ErrorCode;
use yard_worker::{
    Request, Worker, WorkerCommand, WorkerLimits,
    train::{DataFile, TRAIN, TrainRequest},
};

pub(crate) use inputs::{DataSetFile, DataSets};

use child::LabChild;

/// The program that runs jobs.
const PROGRAM: &str = "modelyard-lab";
/// Its hidden subcommand.
const SUBCOMMAND: &str = "worker";
/// Largest file that a job may write: a checkpoint or a model.
const MAX_FILE_BYTES: u64 = 64 << 30;
/// Files that a job may have open: a folder of images is read file by file, but several at once.
const OPEN_FILES: u64 = 1024;

/// The child's allocator takes memory by the gigabyte and would have it counted at once; so it counts when it is used.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// Starts a child for each job.
pub(crate) struct LabLauncher {
    jobs_directory: PathBuf,
    program: PathBuf,
    library: Option<PathBuf>,
    artifacts: Arc<dyn ArtifactStore>,
    data_sets: Arc<dyn DataSets>,
    paths: Paths,
}

/// Whether a specification may name files of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Whoever submits jobs owns the machine.
    Allowed,
    /// Jobs come from elsewhere.
    Refused,
}

/// With what a [`LabLauncher`] works.
pub(crate) struct LabParts {
    /// Where each job has its directory; on the file system of the artifacts, so that hard links work.
    pub(crate) jobs_directory: PathBuf,
    /// The program that runs jobs.
    pub(crate) program: PathBuf,
    /// ONNX Runtime's library, where there is one.
    pub(crate) library: Option<PathBuf>,
    /// Where the contents of data sets are.
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    /// What data sets there are.
    pub(crate) data_sets: Arc<dyn DataSets>,
    /// Whether specifications may name files.
    pub(crate) paths: Paths,
}

/// `modelyard-lab` is not where it should be.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is not there: jobs run in the program modelyard-lab, which must stand beside modelyard; install both, or build \
     it with `cargo build -p modelyard-lab`",
    path.display()
)]
pub(crate) struct LabMissing {
    path: PathBuf,
}

/// The program that runs jobs: the one beside this program.
pub(crate) fn find_lab() -> Result<PathBuf, LabMissing> {
    let missing = |path: PathBuf| LabMissing { path };
    let command = WorkerCommand::beside(PROGRAM, [SUBCOMMAND]);
    let program = command.map_err(|_| missing(PathBuf::from(PROGRAM)))?.program;
    if program.is_file() { Ok(program) } else { Err(missing(program)) }
}

impl LabLauncher {
    pub(crate) fn new(parts: LabParts) -> Self {
        let LabParts { jobs_directory, program, library, artifacts, data_sets, paths } = parts;
        Self { jobs_directory, program, library, artifacts, data_sets, paths }
    }

    fn directory(&self, job: JobId) -> PathBuf {
        self.jobs_directory.join(job.to_string())
    }

    fn command(&self, job: &Job, directory: &Path, data: &[DataFile]) -> WorkerCommand {
        let mut command = WorkerCommand::at(&self.program, [SUBCOMMAND]);
        command.environment = vec![(ALLOCATOR.0.into(), ALLOCATOR.1.into())];
        let memory_bytes = job.demand.memory_bytes;
        let defaults = WorkerLimits::default();
        command.limits = WorkerLimits {
            memory_bytes,
            // Files that are mapped and memory that is only reserved come on top.
            address_space_bytes: memory_bytes.saturating_mul(4).max(defaults.address_space_bytes),
            cpu_seconds: None,
            open_files: OPEN_FILES,
            written_file_bytes: MAX_FILE_BYTES,
            ..defaults
        };
        let data = data.iter().map(|file| PathBuf::from(&file.path));
        command.readable = data.chain(self.library.clone()).collect();
        command.writable = vec![directory.to_owned()];
        command
    }
}

#[async_trait]
impl Launcher for LabLauncher {
    async fn launch(&self, launch: Launch) -> Result<Box<dyn Child>, ChildEnd> {
        let job = launch.job;
        let refused = |code, message: String| ChildEnd::Refused(JobFailure { code, message });
        let spec = TrainingSpec::from_json(&job.spec)
            .map_err(|error| refused(ErrorCode::InvalidArgument, error.to_string()))?;
        if spec.names_paths() && self.paths == Paths::Refused {
            return Err(ChildEnd::Refused(inputs::no_paths_here()));
        }
        let directory = self.directory(job.id);
        prepare(&directory).map_err(|error| failure::of_directory(&error))?;
        let data = inputs::resolve(&spec, &directory, &*self.artifacts, &*self.data_sets).await?;
        let command = self.command(&job, &directory, &data);
        let limits = command.limits.clone();
        let request = TrainRequest {
            spec_json: spec.to_json(),
            data_files: data,
            job_directory: directory.to_string_lossy().into_owned(),
            threads: job.demand.threads,
            memory_bytes: job.demand.memory_bytes,
            onnx_runtime_library: self.library.as_ref().map(|path| path.to_string_lossy().into_owned()),
        };
        let started = async { Worker::spawn(command).await?.stream(Request::new(TRAIN, &request)).await };
        let stream = started.await.map_err(|error| failure::of_worker(&error, &limits, 0))?;
        Ok(Box::new(LabChild::new(stream, limits, directory, &spec)))
    }

    async fn product(&self, job: &Job) -> Result<Product, JobFailure> {
        let directory = self.directory(job.id);
        let read = tokio::task::spawn_blocking(move || product::read(&directory)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map_err(|error| {
            tracing::error!(job = %job.id, error = &error as &dyn std::error::Error, "what a job made cannot be read");
            let message = format!("what job {} made is no longer there", job.id);
            JobFailure { code: ErrorCode::Internal, message }
        })
    }

    async fn discard(&self, job: JobId) {
        let own = self.directory(job);
        for directory in [inputs::directory_of(&own), own] {
            match tokio::fs::remove_dir_all(directory).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%job, error = &error as &dyn std::error::Error, "the files of a job could not be deleted");
                }
                _ => {}
            }
        }
    }
}

/// Makes a job's directory if it is not there: private, since data lies in it.
fn prepare(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl std::fmt::Debug for LabLauncher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LabLauncher").field("program", &self.program).finish_non_exhaustive()
    }
}
