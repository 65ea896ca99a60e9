//! The scheduler of jobs over a data directory.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use yard_jobs::{
    JobFailure, Jobs, Results, Scheduler, SchedulerOptions, SchedulerParts, SearchPlanner, SystemClock,
};
use yard_registry::{ArtifactStore, Registry, RegistryError};
use yard_spec::DatasetRef;
use yard_store::{DataDirectory, Database, SqliteJobStore};
use yard_types::{Coded as _, ErrorCode};

use super::lab::{DataSetFile, DataSets, LabLauncher, LabParts, Paths, find_lab};

/// The directory in which each job has its own.
const DIRECTORY: &str = "jobs";

/// With what jobs run.
pub(crate) struct JobsParts<'a> {
    /// Where everything is kept.
    pub(crate) directory: &'a DataDirectory,
    /// Where rows are kept.
    pub(crate) database: &'a Database,
    /// What data sets there are.
    pub(crate) registry: &'a Registry,
    /// Where results go.
    pub(crate) results: Arc<dyn Results>,
    /// Where the contents of data sets are.
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    /// ONNX Runtime's library, where there is one.
    pub(crate) library: Option<PathBuf>,
    /// Whether specifications may name files of this machine.
    pub(crate) paths: Paths,
    /// What all jobs together may take, and how many there may be.
    pub(crate) options: SchedulerOptions,
}

/// Starts the scheduler. The data directory is locked, so it is the only one there is for these rows.
pub(crate) fn start_jobs(parts: JobsParts<'_>) -> Result<Jobs> {
    let JobsParts { directory, database, registry, results, artifacts, library, paths, options } = parts;
    let launcher = LabLauncher::new(LabParts {
        jobs_directory: directory.path().join(DIRECTORY),
        program: find_lab()?,
        library,
        artifacts,
        data_sets: Arc::new(RegisteredDataSets(registry.clone())),
        paths,
    });
    let parts = SchedulerParts {
        store: Arc::new(SqliteJobStore::new(database.clone())),
        launcher: Arc::new(launcher),
        results,
        planner: Arc::new(SearchPlanner),
        clock: Arc::new(SystemClock),
    };
    Scheduler::start(parts, options).context("cannot start the scheduler of jobs")
}

/// The data sets of the registry.
struct RegisteredDataSets(Registry);

#[async_trait]
impl DataSets for RegisteredDataSets {
    async fn files(&self, data_set: &DatasetRef) -> Result<Vec<DataSetFile>, JobFailure> {
        let found = async {
            let record = self.0.data_set(&data_set.name, data_set.version).await?;
            self.0.data_set_files(&record).await
        };
        let files = found.await.map_err(|error| failure(data_set, &error))?;
        Ok(files.into_iter().map(|file| DataSetFile { path: file.path, digest: file.digest }).collect())
    }
}

fn failure(data_set: &DatasetRef, error: &RegistryError) -> JobFailure {
    let code = error.code();
    let message = if code == ErrorCode::Internal {
        tracing::error!(%data_set, error = error as &dyn std::error::Error, "a data set could not be read");
        format!("data.dataset: data set '{data_set}' could not be read; the log says more")
    } else {
        format!("data.dataset: {error}: `modelyard data list` shows those there are")
    };
    JobFailure { code, message }
}
