//! The rules: what may be pushed, promoted, rolled back, archived and deleted.

mod aliases;
mod commit;
mod contents;
mod data_sets;
mod garbage;
mod integrity;
mod jobs;
mod packages;
mod progress;
mod transfer;
mod uploads;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{Mutex, RwLock, Semaphore};
use yard_types::{AliasName, ModelName, PackagePath, Selector, VersionNumber, VersionState};

pub use aliases::Rollback;
pub use commit::CommitOutcome;
pub use contents::ContentHold;
pub use data_sets::DataSetOutcome;
pub use garbage::{GarbageReport, RecoveryReport};
pub use integrity::{CheckDepth, IntegrityFault};
pub use packages::PackageLease;

use crate::{
    ArtifactStore, ByteStream, Clock, ModelRecord, Prover, RegistryError, RegistryStore, ServingOptions,
    VersionRecord,
};

/// Limits and places. Made by [`RegistryOptions::new`], then changed field by field.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Most bytes of one file. Default: 8 GiB.
    pub max_file_bytes: u64,
    /// Most bytes of one package. Default: 16 GiB.
    pub max_package_bytes: u64,
    /// Most files of one package. Default: 256.
    pub max_files: usize,
    /// Most files of one data set; its bytes are bounded as those of a package are. Default: 100,000.
    pub max_data_files: u64,
    /// Most uploads that are neither ready nor failed. Default: 256.
    pub max_open_uploads: usize,
    /// Most uploads that are neither ready nor failed of one actor, so that one that forgets its uploads does not keep
    /// all others from theirs. Default: 16.
    pub max_open_uploads_per_actor: usize,
    /// How long nothing of an upload may arrive before it is given up. Default: 1 hour.
    pub upload_idle_limit: Duration,
    /// How long an upload may take from its beginning to its commit. Default: 24 hours.
    pub upload_lifetime: Duration,
    /// How long the record of a ready or failed upload is kept. Default: 30 days.
    pub upload_retention: Duration,
    /// Proofs that run side by side; others wait. Default: 1.
    pub concurrent_proofs: usize,
    /// Where packages are laid out for provers and engines. The registry owns this directory: what it finds there at
    /// start is deleted.
    pub packages_directory: PathBuf,
}

/// Models, versions and aliases with their rules. Cheap to clone; clones are the same registry.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn RegistryStore>,
    artifacts: Arc<dyn ArtifactStore>,
    prover: Arc<dyn Prover>,
    clock: Arc<dyn Clock>,
    options: Arc<RegistryOptions>,
    transfers: transfer::Transfers,
    progress: Arc<progress::Progress>,
    /// Held while uploads are counted and one more is begun: the last place is given once.
    begin_lock: Arc<Mutex<()>>,
    packages: packages::Packages,
    proof_permits: Arc<Semaphore>,
    /// Held for reading from the moment content becomes visible until the row that names it is written; held for
    /// writing while garbage is told from what is needed and deleted.
    garbage_lock: Arc<RwLock<()>>,
}

// === impl RegistryOptions ===

impl RegistryOptions {
    /// The defaults, with packages laid out in this directory.
    pub fn new(packages_directory: PathBuf) -> Self {
        const GIB: u64 = 1 << 30;
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            max_file_bytes: 8 * GIB,
            max_package_bytes: 16 * GIB,
            max_files: 256,
            max_data_files: 100_000,
            max_open_uploads: 256,
            max_open_uploads_per_actor: 16,
            upload_idle_limit: HOUR,
            upload_lifetime: 24 * HOUR,
            upload_retention: 30 * 24 * HOUR,
            concurrent_proofs: 1,
            packages_directory,
        }
    }
}

// === impl Registry ===

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Registry {
    /// Puts the parts together. Call [`Self::recover`] before anything else uses the data.
    pub fn new(
        store: Arc<dyn RegistryStore>,
        artifacts: Arc<dyn ArtifactStore>,
        prover: Arc<dyn Prover>,
        clock: Arc<dyn Clock>,
        options: RegistryOptions,
    ) -> Self {
        Self {
            packages: packages::Packages::new(options.packages_directory.clone(), Arc::clone(&artifacts)),
            proof_permits: Arc::new(Semaphore::new(options.concurrent_proofs.max(1))),
            progress: Arc::new(progress::Progress::new(Arc::clone(&clock))),
            begin_lock: Arc::default(),
            store,
            artifacts,
            prover,
            clock,
            options: Arc::new(options),
            transfers: transfer::Transfers::default(),
            garbage_lock: Arc::default(),
        }
    }

    /// All models, by name.
    pub async fn models(&self) -> Result<Vec<ModelRecord>, RegistryError> {
        Ok(self.store.models().await?)
    }

    /// One model.
    pub async fn model(&self, name: &ModelName) -> Result<ModelRecord, RegistryError> {
        let model = self.store.model(name).await?;
        model.ok_or_else(|| RegistryError::UnknownModel(name.clone()))
    }

    /// Sets how a model is served, for all its versions.
    pub async fn set_serving_options(
        &self,
        name: &ModelName,
        options: &ServingOptions,
    ) -> Result<(), RegistryError> {
        self.model(name).await?;
        Ok(self.store.set_serving_options(name, options).await?)
    }

    /// All versions of a model, by number, archived ones among them.
    pub async fn versions(&self, model: &ModelName) -> Result<Vec<VersionRecord>, RegistryError> {
        self.model(model).await?;
        Ok(self.store.versions(model).await?)
    }

    /// One version, be it ready or archived.
    pub async fn version(
        &self,
        model: &ModelName,
        number: VersionNumber,
    ) -> Result<VersionRecord, RegistryError> {
        if let Some(version) = self.store.version(model, number).await? {
            return Ok(version);
        }
        self.model(model).await?;
        Err(RegistryError::UnknownVersion { model: model.clone(), version: number })
    }

    /// The version that a request means; an archived one is refused.
    pub async fn resolve(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<VersionRecord, RegistryError> {
        let number = match selector {
            Selector::Version(number) => *number,
            Selector::Production => self.alias_target(model, &AliasName::production()).await?,
            Selector::Alias(alias) => self.alias_target(model, alias).await?,
        };
        let version = self.version(model, number).await?;
        match version.state {
            VersionState::Ready => Ok(version),
            VersionState::Archived => {
                Err(RegistryError::Archived { model: model.clone(), selector: selector.clone() })
            }
        }
    }

    /// Takes a version out of service for good, keeping its record and files. Refused while an alias points at it.
    pub async fn archive(
        &self,
        model: &ModelName,
        number: VersionNumber,
        by: &crate::Actor,
    ) -> Result<(), RegistryError> {
        let version = self.version(model, number).await?;
        if version.state == VersionState::Archived {
            return Ok(());
        }
        let aliases = self.store.aliases_of(model).await?;
        if let Some(alias) = aliases.into_iter().find(|alias| alias.version == number) {
            return Err(RegistryError::InUse { model: model.clone(), version: number, alias: alias.alias });
        }
        // The store looks again within its transaction: an alias may have been moved here meanwhile.
        Ok(self.store.archive_version(model, number, self.clock.now(), by).await?)
    }

    /// Reads one file of a version; its length comes first.
    pub async fn read_file(
        &self,
        model: &ModelName,
        number: VersionNumber,
        path: &PackagePath,
    ) -> Result<(u64, ByteStream), RegistryError> {
        let version = self.version(model, number).await?;
        let file = version.files.iter().find(|file| file.path == *path).ok_or_else(|| {
            RegistryError::UnknownFile { model: model.clone(), version: number, path: path.clone() }
        })?;
        Ok(self.artifacts.read(&file.digest).await?)
    }

    /// Lays the files of a version out in a directory for an engine. The directory is there as long as the lease, and
    /// all leases of the same files share one.
    pub async fn open_package(&self, version: &VersionRecord) -> Result<PackageLease, RegistryError> {
        self.packages.lease(&version.digest, &version.files).await
    }
}
