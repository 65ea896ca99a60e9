//! How the registry fails.

use yard_types::{AliasName, Coded, ErrorCode, ModelName, PackagePath, Selector, VersionNumber};

use crate::{ArtifactError, ProofFailure, StoreError, UploadId};

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such model.
    #[error("model '{0}' is not found")]
    UnknownModel(ModelName),
    /// No such version.
    #[error("model '{model}' has no version {version}")]
    UnknownVersion {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionNumber,
    },
    /// No such alias, or nothing at which the selector could point.
    #[error("model '{model}' has no alias '{alias}'")]
    UnknownAlias {
        /// The model.
        model: ModelName,
        /// The alias.
        alias: AliasName,
    },
    /// The version has no such file.
    #[error("version {version} of model '{model}' has no file '{path}'")]
    UnknownFile {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionNumber,
        /// The file.
        path: PackagePath,
    },
    /// The version is archived.
    #[error("model '{model}' {selector} is archived")]
    Archived {
        /// The model.
        model: ModelName,
        /// What was asked for.
        selector: Selector,
    },
    /// An alias points at the version that was to be archived.
    #[error(
        "version {version} of model '{model}' cannot be archived while alias '{alias}' points at it: move the alias first"
    )]
    InUse {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionNumber,
        /// One of the aliases.
        alias: AliasName,
    },
    /// The alias `production` cannot be removed.
    #[error("alias 'production' cannot be removed: it is what a request without a version gets")]
    ProductionStays,
    /// No such data set.
    #[error("data set '{0}' is not found")]
    UnknownDataSet(ModelName),
    /// No such version of a data set.
    #[error("data set '{name}' has no version {version}")]
    UnknownDataSetVersion {
        /// The data set.
        name: ModelName,
        /// The version.
        version: VersionNumber,
    },
    /// A data set without files.
    #[error("the data set has no files: send some first")]
    EmptyDataSet,
    /// No such upload.
    #[error("upload {0} is not found")]
    UnknownUpload(UploadId),
    /// The upload has been refused, given up or lost before.
    #[error("upload {upload} has failed: {reason}; begin a new upload")]
    UploadFailed {
        /// The upload.
        upload: UploadId,
        /// Why it failed.
        reason: String,
    },
    /// The upload is past the state in which this can be done.
    #[error("upload {upload} is {state} and takes no more changes")]
    UploadClosed {
        /// The upload.
        upload: UploadId,
        /// Its state.
        state: &'static str,
    },
    /// The actor has too many unfinished uploads.
    #[error(
        "this key has {limit} unfinished uploads, which is the limit: commit or abort one (the oldest is {oldest}), or wait until it is given up because nothing of it arrives"
    )]
    TooManyOwnUploads {
        /// The limit.
        limit: usize,
        /// The oldest of them.
        oldest: UploadId,
    },
    /// There are too many unfinished uploads of all actors.
    #[error(
        "the server has {limit} unfinished uploads, which is the limit: try again later; uploads of which nothing arrives are given up"
    )]
    TooManyUploads {
        /// The limit.
        limit: usize,
    },
    /// There is nothing to go back to.
    #[error(
        "no move of alias '{alias}' of model '{model}' is left to undo: there is nothing to roll back to"
    )]
    NothingToRollBack {
        /// The model.
        model: ModelName,
        /// The alias.
        alias: AliasName,
    },
    /// The package has no model file, or several.
    #[error("{0}")]
    NoModelFile(String),
    /// A file that cannot lie in the package beside the others.
    #[error("'{path}' and '{other}' cannot lie in one package: one of them would have to be a folder")]
    PathCollision {
        /// The new file.
        path: PackagePath,
        /// The file that is there.
        other: PackagePath,
    },
    /// A file of a kind that is not taken.
    #[error("'{path}' is not accepted: {advice}")]
    RefusedFile {
        /// The file.
        path: PackagePath,
        /// What to do instead.
        advice: &'static str,
    },
    /// What is told about the version's origin is too long.
    #[error("{0}")]
    Provenance(&'static str),
    /// A limit on the number of files or bytes.
    #[error("{0}")]
    TooLarge(String),
    /// The proof refused the package.
    #[error("the model was refused: {0}")]
    Refused(#[source] ProofFailure),
    /// Proving ended in a fault of ours; the upload has failed.
    #[error("the model could not be proven because of an internal fault")]
    ProofLost,
    /// A package could not be laid out for a prover or an engine.
    #[error("the files of the package cannot be laid out")]
    Package(#[source] std::io::Error),
    /// Storing or reading bytes failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// Storing or reading rows failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for RegistryError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownModel(_)
            | Self::UnknownVersion { .. }
            | Self::UnknownAlias { .. }
            | Self::UnknownFile { .. }
            | Self::UnknownUpload(_)
            | Self::UnknownDataSet(_)
            | Self::UnknownDataSetVersion { .. }
            | Self::Store(StoreError::Missing(_)) => ErrorCode::NotFound,
            Self::Archived { .. }
            | Self::InUse { .. }
            | Self::ProductionStays
            | Self::UploadFailed { .. }
            | Self::UploadClosed { .. }
            | Self::NothingToRollBack { .. }
            | Self::Store(StoreError::Conflict(_)) => ErrorCode::Conflict,
            Self::NoModelFile(_)
            | Self::EmptyDataSet
            | Self::PathCollision { .. }
            | Self::RefusedFile { .. }
            | Self::Provenance(_)
            | Self::Artifact(ArtifactError::DigestMismatch { .. } | ArtifactError::Interrupted(_)) => {
                ErrorCode::InvalidArgument
            }
            Self::TooLarge(_) | Self::Artifact(ArtifactError::TooLarge { .. }) => ErrorCode::PayloadTooLarge,
            Self::TooManyUploads { .. }
            | Self::TooManyOwnUploads { .. }
            | Self::Store(StoreError::Full(_)) => ErrorCode::Unavailable,
            Self::Refused(failure) => failure.code,
            Self::ProofLost | Self::Package(_) | Self::Artifact(_) | Self::Store(StoreError::Backend(_)) => {
                ErrorCode::Internal
            }
        }
    }
}
