//! The handle.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use yard_engine::Engine;
use yard_types::{ModelName, Selector, VersionNumber, VersionRef};

use crate::{
    Lease, MemoryStatus, MetricsSnapshot, ModelSource, ModelStatus, ServingError, ServingSettings,
    SourceError, StartError, clock, control::Prepared, error::shown, host::Host, loading::Loader,
    operations::Core, refresh::Occasion, version::Version,
};

/// Serves the models of a source. Cheap to clone; all clones are the same.
///
/// Dropping the last one ends its threads. [`Serving::shutdown`] does so in good order.
#[derive(Clone)]
pub struct Serving {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    /// Whether [`Serving::start_all`] is through.
    started: AtomicBool,
}

/// What [`Serving::start_all`] brought.
#[derive(Debug, Default)]
pub struct StartReport {
    /// Versions that answer.
    pub loaded: Vec<VersionRef>,
    /// Models of which something could not be loaded.
    pub failed: Vec<(ModelName, ServingError)>,
}

/// What [`Serving::refresh`] brought.
#[derive(Debug, Default)]
pub struct RefreshReport {
    /// Versions that aliases lead to and that could not be loaded: those aliases go on leading to their old versions.
    pub failed: Vec<(VersionNumber, ServingError)>,
}

/// How [`Serving::shutdown`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Whether every admitted request was answered.
    pub finished: bool,
    /// How many were not.
    pub abandoned: usize,
}

impl Serving {
    /// Starts the threads. Nothing is loaded until it is asked for; see [`Serving::start_all`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. Loads, unloads and runs on the compute threads are looked after in that runtime, so
    /// it must outlive them.
    pub fn start(
        source: Arc<dyn ModelSource>,
        engines: Vec<Arc<dyn Engine>>,
        settings: ServingSettings,
    ) -> Result<Self, StartError> {
        let host = Arc::new(Host::start(settings)?);
        let loader = Loader::new(source, engines, Arc::clone(&host));
        let core = Arc::new(Core::new(host, loader));
        Ok(Self { shared: Arc::new(Shared { core, started: AtomicBool::new(false) }) })
    }

    /// Loads what the aliases need, all models side by side. A model that cannot be loaded does not stop the others. With
    /// [`ServingSettings::lazy_load`] one for which there is no room beside the others is left for its first request.
    pub async fn start_all(&self) -> Result<StartReport, SourceError> {
        let core = &self.shared.core;
        let mut refreshes = tokio::task::JoinSet::new();
        for routes in core.loader.source().models().await? {
            let core = Arc::clone(core);
            let refresh = async move {
                let model = routes.model.clone();
                let refreshed = core.refresh(&model, Some(routes), Occasion::Start).await;
                (model, refreshed)
            };
            refreshes.spawn_on(refresh, &self.host().runtime);
        }
        let mut report = StartReport::default();
        while let Some(ended) = refreshes.join_next().await {
            match ended {
                Ok((model, refreshed)) => {
                    if let Err(error) = refreshed.and_then(RefreshReport::all) {
                        report.failed.push((model, error));
                    }
                }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is ending.
                Err(_) => return Ok(report),
            }
        }
        for control in core.controls() {
            report.loaded.extend(control.in_memory().iter().map(|version| version.reference.clone()));
        }
        self.shared.started.store(true, Ordering::SeqCst);
        Ok(report)
    }

    /// The loaded version that the selector means; [`ServingError::NotLoaded`] when it is not in memory, known or not.
    pub fn find(&self, model: &str, selector: &Selector) -> Result<Lease, ServingError> {
        match self.shared.core.routes.find(model, selector) {
            Some(version) => Ok(Lease::new(version)),
            None => Err(ServingError::NotLoaded { model: shown(model), selector: selector.clone() }),
        }
    }

    /// The version that the selector means, loaded first where [`ServingSettings::lazy_load`] allows it. However many
    /// ask at once, it is loaded once.
    pub async fn open(&self, model: &str, selector: &Selector) -> Result<Lease, ServingError> {
        if let Ok(lease) = self.find(model, selector) {
            return Ok(lease);
        }
        let _admitted = self.host().admission.admit()?;
        let name: ModelName =
            model.parse().map_err(|_| ServingError::UnknownModel { model: shown(model) })?;
        let selector = selector.clone();
        // Dropped with this future, which tells that the caller has left.
        let (leaves, _stays) = oneshot::channel();
        let version = self.finish(|core| async move { core.open(&name, &selector, leaves).await }).await?;
        Ok(Lease::new(version))
    }

    /// Loads a version and keeps it in memory until it is unloaded.
    pub async fn load(&self, version: &VersionRef) -> Result<(), ServingError> {
        let version = version.clone();
        self.finish(|core| async move { core.load(&version).await }).await
    }

    /// Loads what the aliases of a model need, and lifts [`Serving::unload_model`] and [`Serving::unload`]. What they lead to
    /// stays in memory, now and later, until the model is unloaded.
    pub async fn load_model(&self, model: &ModelName) -> Result<(), ServingError> {
        let model = model.clone();
        self.finish(|core| async move { core.load_model(&model).await }).await
    }

    /// Takes a version out of service until it is loaded again, and waits for its running requests. `false` when they
    /// took longer than [`ServingSettings::drain_timeout`]; then it is unloaded after them.
    pub async fn unload(&self, version: &VersionRef) -> Result<bool, ServingError> {
        let version = version.clone();
        let retired = self.finish(|core| async move { core.unload(&version).await }).await?;
        Ok(self
            .wait_until_gone(retired, clock::after(clock::now(), self.host().settings.drain_timeout))
            .await)
    }

    /// As [`Serving::unload`], for all versions of a model.
    pub async fn unload_model(&self, model: &ModelName) -> Result<bool, ServingError> {
        let model = model.clone();
        let retired = self.finish(|core| async move { core.unload_model(&model).await }).await?;
        Ok(self
            .wait_until_gone(retired, clock::after(clock::now(), self.host().settings.drain_timeout))
            .await)
    }

    /// Loads and warms a version beside what runs, before an alias is moved to it. When this fails, nothing has
    /// changed. Whatever became of the move, a [`Serving::refresh`] is to follow: before it is through, what this
    /// gives is to be dropped only if the alias was not moved. A version that is not needed is let go of by a refresh alone.
    pub async fn prepare(&self, version: &VersionRef) -> Result<Prepared, ServingError> {
        let version = version.clone();
        self.finish(|core| async move { core.prepare(&version).await }).await
    }

    /// Reads a model's aliases and options again, loads what they need now, switches, and lets go of what neither an
    /// alias nor a load on request wants any more.
    ///
    /// An alias whose new version cannot be loaded goes on leading to its old one and does not stop the others; the
    /// report tells of it. An error means that the source did not answer and nothing has changed.
    pub async fn refresh(&self, model: &ModelName) -> Result<RefreshReport, ServingError> {
        let model = model.clone();
        self.finish(|core| async move { core.refresh(&model, None, Occasion::Change).await }).await
    }

    /// Every model that is in memory, failed to get there, had to leave for others or was unloaded on request, by name.
    pub fn status(&self) -> Vec<ModelStatus> {
        let controls = self.shared.core.controls();
        let statuses = controls.iter().map(|control| control.status());
        statuses.filter(|status| status.barred || !status.versions.is_empty()).collect()
    }

    /// The numbers of every version in service.
    pub fn metrics(&self) -> Vec<MetricsSnapshot> {
        self.shared.core.controls().iter().flat_map(|control| control.metrics()).collect()
    }

    /// What else the versions in service offer, where it is of this type: see [`yard_engine::LoadedModel::service`]. To be
    /// held for a moment: nothing says that the version stays in service meanwhile.
    pub fn services<Service: Any + Send + Sync>(&self) -> Vec<(VersionRef, Arc<Service>)> {
        let controls = self.shared.core.controls();
        let versions = controls.iter().flat_map(|control| control.in_service());
        versions
            .filter_map(|version| Some((version.reference.clone(), version.service::<Service>()?)))
            .collect()
    }

    /// What the versions take of the memory for models.
    pub fn memory(&self) -> MemoryStatus {
        self.host().memory.status()
    }

    /// Requests admitted and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.host().admission.in_flight()
    }

    /// Whether [`Serving::start_all`] is through and shutdown has not begun.
    pub fn is_ready(&self) -> bool {
        self.shared.started.load(Ordering::SeqCst) && !self.host().admission.is_stopping()
    }

    /// Whether some version has work and did none for [`ServingSettings::stall_after`]. Looks only; makes no work.
    pub fn is_stalled(&self) -> bool {
        let now = clock::now();
        self.shared.core.controls().iter().any(|control| control.is_stalled(now))
    }

    /// Refuses new requests from now on, finishes those admitted until the deadline, stops the rest, and unloads.
    pub async fn shutdown(&self, deadline: Instant) -> ShutdownReport {
        let admission = &self.host().admission;
        admission.stop();
        let finished = tokio::time::timeout_at(deadline.into(), admission.emptied()).await.is_ok();
        let abandoned = if finished { 0 } else { admission.in_flight() };
        admission.abandon();
        let versions = self.shared.core.retire_everything();
        for version in &versions {
            version.queue.close();
        }
        // A moment beyond the deadline for those that were stopped at it.
        let last = clock::after(deadline.max(clock::now()), Duration::from_secs(1));
        self.wait_until_gone(versions, last).await;
        ShutdownReport { finished: abandoned == 0, abandoned }
    }

    fn host(&self) -> &Arc<Host> {
        &self.shared.core.host
    }

    /// Runs an operation to its end, whatever becomes of the caller.
    async fn finish<T, Operation, Running>(&self, operation: Operation) -> Result<T, ServingError>
    where
        T: Send + 'static,
        Operation: FnOnce(Arc<Core>) -> Running,
        Running: Future<Output = Result<T, ServingError>> + Send + 'static,
    {
        let running = operation(Arc::clone(&self.shared.core));
        match self.host().runtime.spawn(running).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ServingError::Stopping),
        }
    }

    async fn wait_until_gone(&self, versions: Vec<Arc<Version>>, deadline: Instant) -> bool {
        let gone: Vec<_> = versions.iter().map(|version| version.gone()).collect();
        drop(versions);
        let all_gone = async {
            for gone in gone {
                gone.await;
            }
        };
        tokio::time::timeout_at(deadline.into(), all_gone).await.is_ok()
    }
}

// === impl RefreshReport ===

impl RefreshReport {
    /// For whoever wants all of them loaded: the first that could not be.
    pub(crate) fn all(self) -> Result<(), ServingError> {
        self.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Serving")
            .field("in_flight", &self.in_flight())
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
