//! A registry on SQLite and the local file system, in a directory of its own.

use std::sync::Arc;

use tempfile::TempDir;
use yard_registry::{
    Actor, ArtifactStore, CommitOutcome, Provenance, Registry, RegistryError, RegistryOptions, RegistryStore,
    UploadId,
    testing::{ManualClock, StandInProver, bytes},
};
use yard_store::{Database, DatabaseOptions, ObjectArtifacts, SqliteRegistryStore};
use yard_types::ModelName;

pub(crate) struct Yard {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<dyn RegistryStore>,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) prover: Arc<StandInProver>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: Database,
    pub(crate) directory: TempDir,
}

impl Yard {
    pub(crate) async fn new() -> Self {
        Self::with(StandInProver::default(), |_| {}).await
    }

    pub(crate) async fn with(prover: StandInProver, change: impl FnOnce(&mut RegistryOptions)) -> Self {
        Self::open(tempfile::tempdir().unwrap(), prover, change).await
    }

    async fn open(
        directory: TempDir,
        prover: StandInProver,
        change: impl FnOnce(&mut RegistryOptions),
    ) -> Self {
        let root = directory.path();
        let database = Database::open(&root.join("t.db"), &DatabaseOptions::default()).await.unwrap();
        let store: Arc<dyn RegistryStore> = Arc::new(SqliteRegistryStore::new(database.clone()));
        let artifacts: Arc<dyn ArtifactStore> =
            Arc::new(ObjectArtifacts::local(&root.join("artifacts")).unwrap());
        let (prover, clock) = (Arc::new(prover), Arc::new(ManualClock::default()));
        let mut options = RegistryOptions::new(root.join("packages"));
        change(&mut options);
        let registry = Registry::new(
            Arc::clone(&store),
            Arc::clone(&artifacts),
            Arc::clone(&prover) as _,
            Arc::clone(&clock) as _,
            options,
        );
        registry.recover().await.unwrap();
        Self { registry, store, artifacts, prover, clock, database, directory }
    }

    /// Closes everything and opens it again, as a new process would.
    pub(crate) async fn reopen(self) -> Self {
        self.database.close().await;
        Self::open(self.directory, StandInProver::default(), |_| {}).await
    }

    pub(crate) async fn begin(&self, model: &str) -> UploadId {
        let begun = self.registry.begin_upload(model.parse().unwrap(), actor(), Provenance::default()).await;
        begun.unwrap().id
    }

    pub(crate) async fn put(&self, upload: UploadId, path: &str, content: &str) -> Result<(), RegistryError> {
        self.registry.put_file(upload, path.parse().unwrap(), bytes(content), None).await.map(drop)
    }

    pub(crate) async fn push(
        &self,
        model: &str,
        files: &[(&str, &str)],
    ) -> Result<CommitOutcome, RegistryError> {
        let upload = self.begin(model).await;
        for (path, content) in files {
            self.put(upload, path, content).await?;
        }
        self.registry.commit(upload, false).await
    }
}

pub(crate) fn actor() -> Actor {
    Actor("key-1".to_owned())
}

pub(crate) fn model(name: &str) -> ModelName {
    name.parse().unwrap()
}
