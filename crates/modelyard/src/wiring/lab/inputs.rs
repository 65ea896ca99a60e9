//! The files that a job reads.
//!
//! A specification names data; its child is given a file or a directory for each name: `data` and, where there is a
//! separate held-out set, `data.test`, each with `.labels` where labels have a file of their own.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use yard_jobs::{ChildEnd, JobFailure};
use yard_registry::{ArtifactError, ArtifactStore};
use yard_spec::{DatasetRef, Source, TrainingSpec};
use yard_types::{Digest, ErrorCode, PackagePath};
use yard_worker::train::DataFile;

use super::failure;

/// The ending of the directory in which the contents of registered data sets appear, beside the job's own: they are hard
/// links into the store, and the child may write in its own directory.
const ENDING: &str = "data";

/// One file of a registered data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataSetFile {
    /// Its name; the ending says how it is laid out.
    pub(crate) path: PackagePath,
    /// Its content in the artifact store.
    pub(crate) digest: Digest,
}

/// What data sets there are.
#[async_trait]
pub(crate) trait DataSets: Send + Sync {
    /// The files of a data set.
    async fn files(&self, data_set: &DatasetRef) -> Result<Vec<DataSetFile>, JobFailure>;
}

/// Where the data of a job with this directory lie.
pub(super) fn directory_of(job: &Path) -> PathBuf {
    job.with_extension(ENDING)
}

/// Finds every file that a specification names, and lays registered data sets out beside the job's directory.
pub(super) async fn resolve(
    spec: &TrainingSpec,
    job: &Path,
    artifacts: &dyn ArtifactStore,
    data_sets: &dyn DataSets,
) -> Result<Vec<DataFile>, ChildEnd> {
    let invalid = |message: String| JobFailure { code: ErrorCode::InvalidArgument, message };
    let mut sources = vec![("data", spec.data.source())];
    if let Some(test) = &spec.data.test {
        sources.push(("data.test", test.source()));
    }
    let mut files = Vec::new();
    for (name, source) in sources {
        let source = source.map_err(|error| ChildEnd::Refused(invalid(error.to_string())))?;
        match source {
            Source::Builtin(_) => {}
            Source::Path { path, labels_path, .. } => {
                files.push(local(name, path).map_err(ChildEnd::Refused)?);
                if let Some(labels) = labels_path {
                    files.push(local(&format!("{name}.labels"), labels).map_err(ChildEnd::Refused)?);
                }
            }
            Source::Dataset(reference) => {
                let parts = data_sets.files(reference).await.map_err(ChildEnd::Refused)?;
                let path = lay_out(name, &parts, job, artifacts).await?;
                files.push(DataFile { name: name.to_owned(), path });
            }
        }
    }
    Ok(files)
}

/// What is said of a specification that names a file where it must not.
pub(super) fn no_paths_here() -> JobFailure {
    let message = "data.path: a server reads registered data sets only; register the file with `modelyard data add` and \
                   name it in data.dataset, or train with `modelyard train --local`";
    JobFailure { code: ErrorCode::InvalidArgument, message: message.to_owned() }
}

fn local(name: &str, path: &str) -> Result<DataFile, JobFailure> {
    let refused = |code, message: String| JobFailure { code, message };
    if !Path::new(path).is_absolute() {
        let message =
            format!("{name}: the path '{path}' is not absolute, and a job has no directory to start from");
        return Err(refused(ErrorCode::InvalidArgument, message));
    }
    // The child says the rest; here it could only be told apart from a file that it may not read.
    if !Path::new(path).exists() {
        return Err(refused(ErrorCode::NotFound, format!("{name}: there is no file '{path}'")));
    }
    Ok(DataFile { name: name.to_owned(), path: path.to_owned() })
}

/// Hard links where the store is on the same file system. Gives the one file, or the directory of several.
async fn lay_out(
    name: &str,
    parts: &[DataSetFile],
    job: &Path,
    artifacts: &dyn ArtifactStore,
) -> Result<String, ChildEnd> {
    let beside = directory_of(job);
    let directory = beside.join(name);
    // Left by an earlier attempt, perhaps by half.
    let cleared = match tokio::fs::remove_dir_all(&directory).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => super::prepare(&beside),
    };
    cleared.map_err(|error| failure::of_directory(&error))?;
    let files: Vec<_> = parts.iter().map(|part| (part.path.clone(), part.digest)).collect();
    artifacts.materialize(&files, &directory).await.map_err(|error| of_artifacts(name, &error))?;
    let path = match parts {
        [only] => directory.join(only.path.as_str()),
        _ => directory,
    };
    Ok(path.to_string_lossy().into_owned())
}

fn of_artifacts(name: &str, error: &ArtifactError) -> ChildEnd {
    tracing::error!(
        name,
        error = error as &dyn std::error::Error,
        "a data set could not be laid out for a job"
    );
    match error {
        ArtifactError::Missing(_) => ChildEnd::Refused(JobFailure {
            code: ErrorCode::NotFound,
            message: format!("{name}: a part of the data set is no longer in the store: register it again"),
        }),
        _ => ChildEnd::Died(JobFailure {
            code: ErrorCode::Internal,
            message: format!(
                "{name}: the data set could not be read from the store; the server's log says more"
            ),
        }),
    }
}
