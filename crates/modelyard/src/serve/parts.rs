//! The parts of a running server, started in order and stopped in the opposite one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use yard_access::Access;
use yard_batches::{Batches, Runner};
use yard_encoders::{Occasion, WithTexts};
use yard_engine::{Engine, LoadError, ModelPackage};
use yard_jobs::{Capacity, Jobs, SchedulerOptions};
use yard_language::{LanguageEngine, LanguageOptions};
use yard_registry::ArtifactStore;
use yard_registry::{Clock as _, EngineStamp, SystemClock};
use yard_server::{Application, ApplicationParts, JobResults, JobService, RegistrySource, Server};
use yard_serving::Serving;
use yard_store::{
    AdminKeyFile, DataDirectory, Database, DatabaseOptions, SqliteAuditStore, SqliteBatchStore,
    SqliteKeyStore, SqliteUsageStore,
};
use yard_worker::WorkerCommand;

use super::usage::UsageWriter;
use crate::{
    settings::{JobSettings, Settings, model_bytes},
    wiring::{self, JobsParts, Paths, RegistryContents},
};

/// The memory of a job that does not say, where jobs have as much.
const JOB_MEMORY_BYTES: u64 = 4 << 30;

/// Everything that runs.
pub(super) struct Parts {
    server: Server,
    serving: Serving,
    /// `None` where the program that runs jobs is not installed.
    jobs: Option<Jobs>,
    batches: Runner,
    usage: UsageWriter,
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
        let engines = engines(library.as_deref(), settings.language.clone());
        let artifacts = wiring::artifacts(&data_directory)?;
        let registry =
            wiring::registry(&settings, &data_directory, &database, artifacts.clone(), library.clone())
                .await?;
        let access = Arc::new(access(&data_directory, &database, new_admin_key).await?);
        let queue_defaults = settings.serving.queue.clone();
        let source =
            RegistrySource::new(registry.clone(), queue_defaults.clone(), settings.language.positions);
        let mut serving_settings = settings.serving;
        if serving_settings.memory_budget_bytes == 0 {
            serving_settings.memory_budget_bytes = model_bytes();
        }
        tracing::info!(bytes = serving_settings.memory_budget_bytes, "memory for models");
        let serving = Serving::start(Arc::new(source), engines.clone(), serving_settings)
            .context("cannot start serving")?;
        let report = serving.start_all().await.context("cannot read the models")?;
        for (model, error) in &report.failed {
            tracing::error!(%model, %error, "a model could not be loaded; the others are served");
        }
        tracing::info!(loaded = report.loaded.len(), failed = report.failed.len(), "models are loaded");
        let application = Application::new(ApplicationParts {
            registry,
            access: Arc::clone(&access),
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
        // After recovery, and after what jobs made before is served; before anybody can submit one.
        let jobs = start_jobs(&application, &settings.jobs, &data_directory, &database, artifacts, library)?;
        let batches = Batches::new(
            Arc::new(SqliteBatchStore::new(database.clone())),
            Arc::new(RegistryContents(application.registry().clone())),
            Arc::new(yard_batches::SystemClock),
            settings.batches,
        );
        application.attach_batches(batches.clone());
        let server = Server::start(application, settings.server).await?;
        let batches = Runner::start(&batches, server.batch_lines());
        let usage = UsageWriter::start(access);
        Ok(Self { server, serving, jobs, batches, usage, database, shutdown_grace, data_directory })
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
        // Nobody waits for their lines: those under way are given up, and run again after the next start.
        self.batches.stop().await;
        let connections = self.server.stop().await;
        if let Some(jobs) = self.jobs {
            // Nobody can submit any more. Children end, and their jobs go on from their checkpoints at the next start.
            jobs.shutdown().await;
        }
        let runs = self.serving.shutdown(deadline).await;
        self.usage.stop().await;
        self.database.close().await;
        if connections.finished && runs.finished {
            tracing::info!("stopped; every admitted request was finished");
        } else {
            let (connections, requests) = (connections.abandoned, runs.abandoned);
            tracing::warn!(connections, requests, "stopped; not everything was finished in time");
        }
    }
}

fn start_jobs(
    application: &Application,
    settings: &JobSettings,
    directory: &DataDirectory,
    database: &Database,
    artifacts: Arc<dyn ArtifactStore>,
    library: Option<PathBuf>,
) -> Result<Option<Jobs>> {
    if let Err(missing) = wiring::find_lab() {
        tracing::warn!("no jobs are run: {missing}");
        return Ok(None);
    }
    let threads = u32::try_from(settings.cpu_threads.get()).unwrap_or(u32::MAX);
    let mut options = SchedulerOptions::new(Capacity { threads, memory_bytes: settings.memory_bytes });
    options.max_unfinished = settings.max_queued.get();
    let jobs = wiring::start_jobs(JobsParts {
        directory,
        database,
        registry: application.registry(),
        results: Arc::new(JobResults::new(application.clone())),
        artifacts,
        library,
        paths: Paths::Refused,
        options,
    })?;
    let default_memory_bytes = JOB_MEMORY_BYTES.min(settings.memory_bytes);
    application.attach_jobs(JobService { jobs: jobs.clone(), default_memory_bytes });
    Ok(Some(jobs))
}

/// The engines that can be used, the preferred one first.
fn engines(library: Option<&Path>, language: LanguageOptions) -> Vec<Arc<dyn Engine>> {
    let (engines, missing) = yard_engine_onnx::engines_available(library);
    let mut engines = WithTexts::around(engines, Occasion::Serving { warn: warn_of_unread_texts });
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
    let worker = WorkerCommand::same_program(["worker", "language"]);
    engines.push(Arc::new(LanguageEngine::new(worker, env!("CARGO_PKG_VERSION"), language)));
    engines
}

/// For the log: the model is served by its tensors alone.
fn warn_of_unread_texts(package: &ModelPackage, error: &LoadError) {
    tracing::warn!(
        package = %package.directory().display(),
        error = error as &dyn std::error::Error,
        "a model cannot read texts, and is served by its tensors alone"
    );
}

fn stamp(engine: &dyn Engine) -> EngineStamp {
    let info = engine.info();
    EngineStamp { name: info.name.to_owned(), version: info.version }
}

async fn access(directory: &DataDirectory, database: &Database, new_admin_key: bool) -> Result<Access> {
    let keys = Arc::new(SqliteKeyStore::new(database.clone()));
    let audit = Arc::new(SqliteAuditStore::new(database.clone()));
    let file = AdminKeyFile::new(directory.path());
    let access = Access::open(keys, audit, Instant::now()).await.context("cannot read the keys")?;
    let access = access.with_keeper(Arc::new(file.clone()));
    let now = SystemClock.now();
    let usage = Arc::new(SqliteUsageStore::new(database.clone()));
    let access = access.with_usage_store(usage, now).await.context("cannot read what keys have used")?;
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
