//! The registry over a data directory.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use yard_registry::{ArtifactStore, Registry, SystemClock};
use yard_store::{DataDirectory, Database, ObjectArtifacts, SqliteRegistryStore};

use super::ChildProver;
use crate::settings::Settings;

/// Where contents are kept.
pub(crate) fn artifacts(directory: &DataDirectory) -> Result<Arc<dyn ArtifactStore>> {
    let artifacts =
        ObjectArtifacts::local(&directory.artifacts()).context("cannot open the artifact store")?;
    Ok(Arc::new(artifacts))
}

/// The registry, after it has recovered what an earlier run left. `library` is ONNX Runtime's, where there is one.
pub(crate) async fn registry(
    settings: &Settings,
    directory: &DataDirectory,
    database: &Database,
    artifacts: Arc<dyn ArtifactStore>,
    library: Option<PathBuf>,
) -> Result<Registry> {
    let prover = ChildProver::new(settings.proof.clone(), settings.serving.load.clone(), library);
    let mut options = settings.registry.clone();
    options.packages_directory = directory.packages();
    let registry = Registry::new(
        Arc::new(SqliteRegistryStore::new(database.clone())),
        artifacts,
        Arc::new(prover),
        Arc::new(SystemClock),
        options,
    );
    let recovered = registry.recover().await.context("cannot recover what an earlier run left")?;
    tracing::debug!(?recovered, "recovered");
    Ok(registry)
}
