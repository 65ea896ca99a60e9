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
    /// The version is archived.
    #[error("model '{model}' {selector} is archived")]
    Archived {
        /// The model.
        model: ModelName,
        /// What was asked for.
        selector: Selector,
    },
    /// No such upload.
    #[error("upload {0} is not found")]
    UnknownUpload(UploadId),
    /// There is nothing to go back to.
    #[error("alias '{alias}' of model '{model}' has not been moved before: there is nothing to roll back to")]
    NothingToRollBack {
        /// The model.
        model: ModelName,
        /// The alias.
        alias: AliasName,
    },
    /// The package has no model file, or several.
    #[error("{0}")]
    NoModelFile(String),
    /// A file of a kind that is not taken.
    #[error("'{path}' is not accepted: {advice}")]
    RefusedFile {
        /// The file.
        path: PackagePath,
        /// What to do instead.
        advice: &'static str,
    },
    /// A limit on the number of files or bytes.
    #[error("{0}")]
    TooLarge(String),
    /// The proof refused the package.
    #[error("the model was refused: {0}")]
    Refused(#[source] ProofFailure),
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
            | Self::UnknownUpload(_)
            | Self::Store(StoreError::Missing(_)) => ErrorCode::NotFound,
            Self::Archived { .. } | Self::NothingToRollBack { .. } | Self::Store(StoreError::Conflict(_)) => {
                ErrorCode::Conflict
            }
            Self::NoModelFile(_) | Self::RefusedFile { .. } => ErrorCode::InvalidArgument,
            Self::TooLarge(_) | Self::Artifact(ArtifactError::TooLarge { .. }) => ErrorCode::PayloadTooLarge,
            Self::Refused(failure) => failure.code,
            Self::Artifact(ArtifactError::DigestMismatch { .. } | ArtifactError::Interrupted(_)) => {
                ErrorCode::InvalidArgument
            }
            Self::Artifact(_) | Self::Store(StoreError::Backend(_)) => ErrorCode::Internal,
        }
    }
}
