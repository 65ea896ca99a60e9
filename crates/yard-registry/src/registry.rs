//! The rules: what may be pushed, promoted, rolled back, archived and deleted.

use std::{path::PathBuf, sync::Arc};

use yard_types::{AliasName, Digest, ModelName, PackagePath, Selector, VersionNumber};

use crate::{
    Actor, AliasMove, AliasRecord, ArtifactStore, ByteStream, Clock, FileRecord, ModelRecord, Provenance,
    Prover, RegistryError, RegistryStore, ServingOptions, UploadId, UploadRecord, VersionRecord,
};

/// Limits and places.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Most bytes of one file. Default: 8 GiB.
    pub max_file_bytes: u64,
    /// Most bytes of one package. Default: 16 GiB.
    pub max_package_bytes: u64,
    /// Most files of one package. Default: 256.
    pub max_files: usize,
    /// Where packages are laid out for provers and engines.
    pub packages_directory: PathBuf,
}

/// What came of committing an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The version.
    pub version: VersionNumber,
    /// Whether it was made now (or an identical one was there).
    pub created: bool,
}

/// What garbage collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GarbageReport {
    /// Contents deleted.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Left-overs of interrupted writes deleted.
    pub temporary: u64,
    /// Contents that something points at.
    pub kept: u64,
}

/// Models, versions and aliases with their rules. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn RegistryStore>,
    artifacts: Arc<dyn ArtifactStore>,
    prover: Arc<dyn Prover>,
    clock: Arc<dyn Clock>,
    options: Arc<RegistryOptions>,
}
