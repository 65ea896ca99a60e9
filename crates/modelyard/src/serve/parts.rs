//! The parts of a running server, started in order and stopped in the opposite one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use yard_access::Access;
use yard_engine::Engine;
use yard_registry::{Clock as _, EngineStamp, Registry, SystemClock};
use yard_server::{Application, ApplicationParts, RegistrySource, Server};
use yard_serving::Serving;
use yard_store::{
    AdminKeyFile, DataDirectory, Database, DatabaseOptions, ObjectArtifacts, SqliteAuditStore,
    SqliteKeyStore, SqliteRegistryStore,
};

use crate::{settings::Settings, wiring::ChildProver};

/// Everything that runs.
pub(super) struct Parts {
    server: Server,
    serving: Serving,
    database: Database,
    shutdown_grace: Duration,
    /// Held to the end: it is the lock on the data directory.
    data_directory: DataDirectory,
}

impl Parts {
    /// Opens the data directory and starts everything; serves when it returns.
    pub(super) async fn start(
        settings: Settings,
        library: Option<PathBuf>,
        new_admin_key: bool,
    ) -> Result<Self> {
        settings.server.check()?;
        let data_directory = DataDirectory::open(&settings.data_dir)?;
        let database = Database::open(&data_directory.database(), &DatabaseOptions::default())
            .await
            .context("cannot open the database")?;
        let engines = engines(library.as_deref());
        let registry = registry(&settings, &data_directory, &database, library).await?;
        let access = access(&data_directory, &database, new_admin_key).await?;
        let queue_defaults = settings.serving.queue.clone();
        let source = RegistrySource::new(registry.clone(), queue_defaults.clone());
        let serving = Serving::start(Arc::new(source), engines.clone(), settings.serving)
            .context("cannot start serving")?;
        let report = serving.start_all().await.context("cannot read the models")?;
        for (model, error) in &report.failed {
            tracing::error!(%model, %error, "a model could not be loaded; the others are served");
        }
        tracing::info!(loaded = report.loaded.len(), failed = report.failed.len(), "models are loaded");
        let application = Application::new(ApplicationParts {
            registry,
            access: Arc::new(access),
            serving: serving.clone(),
            engines: engines.iter().map(|engine| stamp(engine.as_ref())).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            default_model: settings.server.default_model.clone(),
            queue_defaults,
        })
        .await
        .context("cannot read the models")?;
        let shutdown_grace = settings.server.shutdown_grace;
        if settings.server.insecure_no_auth {
            tracing::warn!("serving without keys: whoever can connect is admin");
        }
        let server = Server::start(application, settings.server).await?;
        Ok(Self { server, serving, database, shutdown_grace, data_directory })
    }

    pub(super) const fn http_address(&self) -> SocketAddr {
        self.server.http_address()
    }

    pub(super) const fn grpc_address(&self) -> Option<SocketAddr> {
        self.server.grpc_address()
    }

    pub(super) fn data_dir(&self) -> &Path {
        self.data_directory.path()
    }

    pub(super) const fn shutdown_grace(&self) -> Duration {
        self.shutdown_grace
    }

    /// Finishes what was admitted, until the deadline.
    pub(super) async fn stop(self, deadline: Instant) {
        let connections = self.server.stop().await;
        let runs = self.serving.shutdown(deadline).await;
        self.database.close().await;
        if connections.finished && runs.finished {
            tracing::info!("stopped; every admitted request was finished");
        } else {
            let (connections, requests) = (connections.abandoned, runs.abandoned);
            tracing::warn!(connections, requests, "stopped; not everything was finished in time");
        }
    }
}

/// The engines that can be used, the preferred one first.
fn engines(library: Option<&Path>) -> Vec<Arc<dyn Engine>> {
    let (engines, missing) = yard_engine_onnx::engines_available(library);
    match missing {
        Some(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "ONNX Runtime cannot be used; RTen serves"
            );
        }
        None if library.is_none() => {
            tracing::info!(
                "ONNX Runtime is not installed: RTen serves what it can; see `modelyard engine install`"
            );
        }
        None => {}
    }
    engines
}

fn stamp(engine: &dyn Engine) -> EngineStamp {
    let info = engine.info();
    EngineStamp { name: info.name.to_owned(), version: info.version }
}

async fn registry(
    settings: &Settings,
    directory: &DataDirectory,
    database: &Database,
    library: Option<PathBuf>,
) -> Result<Registry> {
    let artifacts =
        ObjectArtifacts::local(&directory.artifacts()).context("cannot open the artifact store")?;
    let prover = ChildProver::new(settings.proof.clone(), settings.serving.load.clone(), library);
    let mut options = settings.registry.clone();
    options.packages_directory = directory.packages();
    let registry = Registry::new(
        Arc::new(SqliteRegistryStore::new(database.clone())),
        Arc::new(artifacts),
        Arc::new(prover),
        Arc::new(SystemClock),
        options,
    );
    let recovered = registry.recover().await.context("cannot recover what an earlier run left")?;
    tracing::debug!(?recovered, "recovered");
    Ok(registry)
}

async fn access(directory: &DataDirectory, database: &Database, new_admin_key: bool) -> Result<Access> {
    let keys = Arc::new(SqliteKeyStore::new(database.clone()));
    let audit = Arc::new(SqliteAuditStore::new(database.clone()));
    let file = AdminKeyFile::new(directory.path());
    let access = Access::open(keys, audit, Instant::now()).await.context("cannot read the keys")?;
    let access = access.with_keeper(Arc::new(file.clone()));
    let now = SystemClock.now();
    let made = if new_admin_key {
        access.new_admin_key(now, |text| file.write(text)).await.map(Some)
    } else {
        access.ensure_admin_key(now, |text| file.write(text)).await
    };
    if let Some(key) = made.context("cannot make an admin key")? {
        // Once, for the person who starts it; from then on it is in the file alone.
        eprintln!("The admin key of this server, shown this once and kept in {}:", file.path().display());
        eprintln!("  {}", key.text.reveal());
    }
    Ok(access)
}
