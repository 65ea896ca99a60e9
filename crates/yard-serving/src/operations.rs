//! The operations that change what is in memory: load, unload, prepare, refresh, open.
//!
//! Each runs to its end in a task of its own, whatever becomes of its caller, and holds its model's operation lock. So
//! a hundred callers who want the same version load it once, and none of them can leave it half loaded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use yard_types::{AliasName, ModelName, Selector, VersionNumber, VersionRef};

use crate::{
    ModelRoutes, RefreshReport, ServingError, clock,
    control::{Failure, ModelControl, ModelState, Prepared},
    host::Host,
    loading::Loader,
    routes::Routes,
    version::Version,
};

/// Everything behind the handle.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) host: Arc<Host>,
    pub(crate) routes: Routes,
    pub(crate) loader: Loader,
    controls: Mutex<BTreeMap<ModelName, Arc<ModelControl>>>,
    /// Held while room for one more version is found and claimed.
    room: Mutex<()>,
}

/// Whether a version that failed a moment ago is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterFailure {
    TryAgain,
    WaitFirst,
}

impl Core {
    pub(crate) fn new(host: Arc<Host>, loader: Loader) -> Self {
        Self { host, routes: Routes::default(), loader, controls: Mutex::default(), room: Mutex::default() }
    }

    pub(crate) fn controls(&self) -> Vec<Arc<ModelControl>> {
        self.lock_controls().values().map(Arc::clone).collect()
    }

    fn lock_controls(&self) -> MutexGuard<'_, BTreeMap<ModelName, Arc<ModelControl>>> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, model: &ModelName) -> Option<Arc<ModelControl>> {
        self.lock_controls().get(model).map(Arc::clone)
    }

    /// The control of a model that the source knows; names that it does not know leave nothing behind.
    async fn control(&self, model: &ModelName) -> Result<Arc<ModelControl>, ServingError> {
        if let Some(control) = self.known(model) {
            return Ok(control);
        }
        self.source_routes(model).await?;
        let mut controls = self.lock_controls();
        let control = controls
            .entry(model.clone())
            .or_insert_with(|| Arc::new(ModelControl::new(model.clone(), self.host.settings.queue.clone())));
        Ok(Arc::clone(control))
    }

    async fn source_routes(&self, model: &ModelName) -> Result<ModelRoutes, ServingError> {
        let routes = self.loader.source().routes(model).await.map_err(ServingError::Source)?;
        routes.ok_or_else(|| ServingError::UnknownModel { model: model.to_string() })
    }

    /// Loads the version that the selector means, if it is not loaded yet.
    pub(crate) async fn open(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<Arc<Version>, ServingError> {
        let control = self.control(model).await?;
        let _operation = control.operation.lock().await;
        if let Some(version) = self.routes.find(model.as_str(), selector) {
            return Ok(version);
        }
        let routes = self.source_routes(model).await?;
        let alias = match selector {
            Selector::Version(_) => None,
            Selector::Production => Some(AliasName::production()),
            Selector::Alias(alias) => Some(alias.clone()),
        };
        let number = match (selector, &alias) {
            (Selector::Version(number), _) => Some(*number),
            (_, Some(alias)) => {
                routes.aliases.iter().find(|(name, _)| name == alias).map(|(_, number)| *number)
            }
            (_, None) => None,
        };
        let number = number.ok_or_else(|| ServingError::UnknownVersion {
            model: model.clone(),
            selector: selector.clone(),
        })?;
        let not_loaded = || ServingError::NotLoaded { model: model.to_string(), selector: selector.clone() };
        let barred = {
            let state = control.lock();
            state.barred || state.slots.get(&number).is_some_and(|slot| slot.barred)
        };
        if barred {
            return Err(not_loaded());
        }
        if !self.host.settings.lazy_load {
            // A number that the model does not have is told apart from one that may not be loaded now.
            let plan = self.loader.source().plan(&VersionRef { model: model.clone(), version: number }).await;
            return Err(plan.map_or_else(ServingError::from_source, |_| not_loaded()));
        }
        self.adopt(&control, routes);
        let version = self.ensure_loaded(&control, number, AfterFailure::WaitFirst).await?;
        control.change(&self.routes, |state| match alias {
            Some(alias) => {
                state.aliases.retain(|(name, _)| *name != alias);
                state.aliases.push((alias, number));
            }
            None => {
                if let Some(slot) = state.slots.get_mut(&number) {
                    slot.on_demand = true;
                }
            }
        });
        Ok(version)
    }

    /// Loads a version and keeps it until it is unloaded.
    pub(crate) async fn load(&self, reference: &VersionRef) -> Result<(), ServingError> {
        let control = self.control(&reference.model).await?;
        let _operation = control.operation.lock().await;
        let routes = self.source_routes(&reference.model).await?;
        self.adopt(&control, routes);
        self.ensure_loaded(&control, reference.version, AfterFailure::TryAgain).await?;
        control.change(&self.routes, |state| {
            if std::mem::replace(&mut state.barred, false) {
                // What else was unloaded with the model stays so: only this version was asked for.
                let others = state.slots.keys().copied().filter(|number| *number != reference.version);
                for number in others.collect::<Vec<_>>() {
                    state.retire(number);
                }
            }
            let slot = state.slots.entry(reference.version).or_default();
            slot.barred = false;
            slot.explicit = true;
        });
        Ok(())
    }

    /// Loads what the aliases of a model need, after it was unloaded or not.
    pub(crate) async fn load_model(&self, model: &ModelName) -> Result<(), ServingError> {
        let control = self.control(model).await?;
        let _operation = control.operation.lock().await;
        let was_barred = {
            let mut state = control.lock();
            for slot in state.slots.values_mut() {
                slot.barred = false;
            }
            std::mem::replace(&mut state.barred, false)
        };
        let refreshed = self.refresh_held(&control, None).await.and_then(RefreshReport::all);
        if refreshed.is_err()
            && was_barred
            && self.routes.find(model.as_str(), &Selector::Production).is_none()
        {
            control.change(&self.routes, |state| state.barred = true);
        }
        refreshed?;
        if control.lock().aliases.is_empty() {
            return Err(ServingError::UnknownVersion {
                model: model.clone(),
                selector: Selector::Production,
            });
        }
        Ok(())
    }

    /// Takes a version out of service until it is loaded again. What drains is given back.
    pub(crate) async fn unload(&self, reference: &VersionRef) -> Result<Vec<Arc<Version>>, ServingError> {
        let control = self.control(&reference.model).await?;
        let _operation = control.operation.lock().await;
        Ok(control.change(&self.routes, |state| {
            let slot = state.slots.entry(reference.version).or_default();
            slot.barred = true;
            slot.explicit = false;
            slot.on_demand = false;
            // Whoever prepared it wanted it before it was unloaded.
            slot.prepared = Prepared::default();
            slot.failure = None;
            state.retire(reference.version).into_iter().collect()
        }))
    }

    /// Takes all versions of a model out of service until one is loaded again.
    pub(crate) async fn unload_model(&self, model: &ModelName) -> Result<Vec<Arc<Version>>, ServingError> {
        let control = self.control(model).await?;
        let _operation = control.operation.lock().await;
        Ok(control.change(&self.routes, |state| {
            state.barred = true;
            let retired = retire_all(state);
            state.slots.clear();
            retired
        }))
    }

    /// Loads a version beside what runs, for an alias that is about to lead to it.
    pub(crate) async fn prepare(&self, reference: &VersionRef) -> Result<Prepared, ServingError> {
        let control = self.control(&reference.model).await?;
        let _operation = control.operation.lock().await;
        self.ensure_loaded(&control, reference.version, AfterFailure::TryAgain).await?;
        Ok(control.change(&self.routes, |state| {
            let slot = state.slots.entry(reference.version).or_default();
            slot.barred = false;
            slot.prepared.clone()
        }))
    }

    /// Brings a model in line with the source; with `routes` if they were just read.
    pub(crate) async fn refresh(
        &self,
        model: &ModelName,
        routes: Option<ModelRoutes>,
    ) -> Result<RefreshReport, ServingError> {
        let control = match self.control(model).await {
            // It is gone, and nothing of it was here.
            Err(ServingError::UnknownModel { .. }) => return Ok(RefreshReport::default()),
            control => control?,
        };
        let _operation = control.operation.lock().await;
        self.refresh_held(&control, routes).await
    }

    async fn refresh_held(
        &self,
        control: &Arc<ModelControl>,
        routes: Option<ModelRoutes>,
    ) -> Result<RefreshReport, ServingError> {
        let routes = match routes {
            Some(routes) => Some(routes),
            None => self.loader.source().routes(&control.model).await.map_err(ServingError::Source)?,
        };
        let Some(routes) = routes else {
            self.forget(control);
            return Ok(RefreshReport::default());
        };
        self.adopt_options(control, &routes);
        let needed: Vec<VersionNumber> = {
            let state = control.lock();
            let mut needed = Vec::new();
            for (alias, number) in &routes.aliases {
                if self.is_needed(&state, alias, *number) && !needed.contains(number) {
                    needed.push(*number);
                }
            }
            needed
        };
        let mut report = RefreshReport::default();
        for number in needed {
            if let Err(error) = self.ensure_loaded(control, number, AfterFailure::TryAgain).await {
                tracing::error!(
                    model = %control.model,
                    version = number.get(),
                    error = &error as &dyn std::error::Error,
                    "an alias keeps its old version, since the new one cannot be loaded"
                );
                report.failed.push((number, error));
            }
        }
        control.change(&self.routes, |state| {
            let targets: Vec<VersionNumber> = routes.aliases.iter().map(|(_, number)| *number).collect();
            let mut aliases = Vec::with_capacity(routes.aliases.len());
            for (alias, number) in routes.aliases {
                let before = state.alias(&alias).filter(|before| state.live(*before).is_some());
                let served = match before {
                    // Never from a version that answers to one that does not.
                    Some(before) if state.live(number).is_none() => before,
                    _ => number,
                };
                aliases.push((alias, served));
            }
            state.aliases = aliases;
            let unwanted: Vec<VersionNumber> = state
                .slots
                .iter()
                .filter(|(number, slot)| state.barred || !(slot.on_demand || state.is_wanted(**number)))
                .map(|(number, _)| *number)
                .collect();
            for number in unwanted {
                state.retire(number);
                if let Some(slot) = state.slots.get_mut(&number).filter(|_| !targets.contains(&number)) {
                    slot.failure = None;
                }
            }
        });
        Ok(report)
    }

    /// Whether a refresh has to load the version before the alias may lead to it.
    fn is_needed(&self, state: &ModelState, alias: &AliasName, number: VersionNumber) -> bool {
        if state.barred || is_barred(state, number) {
            return false;
        }
        let is_production = alias.as_str() == "production";
        let is_used = || state.alias(alias).is_some_and(|before| state.live(before).is_some());
        is_production || !self.host.settings.lazy_load || is_used()
    }

    fn adopt_options(&self, control: &ModelControl, routes: &ModelRoutes) {
        let options = routes.options.clone().unwrap_or_else(|| self.host.settings.queue.clone());
        let mut state = control.lock();
        if state.options != options {
            for version in state.slots.values().filter_map(|slot| slot.live.as_ref()) {
                version.retune(&options);
            }
            state.options = options;
        }
    }

    fn adopt(&self, control: &ModelControl, routes: ModelRoutes) {
        self.adopt_options(control, &routes);
        control.lock().adopt_aliases(routes.aliases);
    }

    /// The model is no more.
    fn forget(&self, control: &ModelControl) {
        control.change(&self.routes, |state| {
            drop(retire_all(state));
            state.slots.clear();
            state.aliases.clear();
        });
    }

    /// Takes everything out of service.
    pub(crate) fn retire_everything(&self) -> Vec<Arc<Version>> {
        let mut in_memory = Vec::new();
        for control in self.controls() {
            in_memory.extend(control.in_memory());
            control.change(&self.routes, |state| {
                state.barred = true;
                drop(retire_all(state));
            });
        }
        in_memory
    }

    /// The version, loaded. To be called with the operation lock held; the caller publishes what follows from it.
    async fn ensure_loaded(
        &self,
        control: &ModelControl,
        number: VersionNumber,
        after_failure: AfterFailure,
    ) -> Result<Arc<Version>, ServingError> {
        let reference = VersionRef { model: control.model.clone(), version: number };
        let options = {
            let state = control.lock();
            if let Some(version) = state.live(number).filter(|version| !version.is_failed()) {
                return Ok(Arc::clone(version));
            }
            let failure = state.slots.get(&number).and_then(|slot| slot.failure.as_ref());
            if let (Some(failure), AfterFailure::WaitFirst) = (failure, after_failure) {
                let passed = clock::now().saturating_duration_since(failure.at);
                if passed < self.host.settings.retry_failed_after {
                    let reason = failure.reason.clone();
                    return Err(ServingError::LoadFailed { version: reference, reason });
                }
            }
            state.options.clone()
        };
        if self.host.admission.is_stopping() {
            return Err(ServingError::Stopping);
        }
        self.claim_room(control, number)?;
        let loaded = self.loader.load(&reference, options).await;
        control.change(&self.routes, |state| {
            let slot = state.slots.entry(number).or_default();
            slot.loading = false;
            match loaded {
                Ok(version) => Ok(state.install(version)),
                Err(error) => {
                    if let ServingError::LoadFailed { reason, .. } = &error {
                        slot.failure = Some(Failure { at: clock::now(), reason: reason.clone() });
                    }
                    Err(error)
                }
            }
        })
    }

    /// Marks the version as loading, after making room for it if there is none.
    fn claim_room(&self, control: &ModelControl, number: VersionNumber) -> Result<(), ServingError> {
        let _room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.host.settings.max_loaded_versions;
        let controls = self.controls();
        let mut occupied = 0;
        for other in &controls {
            let state = other.lock();
            occupied += state.slots.values().filter(|slot| slot.live.is_some() || slot.loading).count();
        }
        if occupied >= limit.get() && !self.evict(&controls) {
            let version = VersionRef { model: control.model.clone(), version: number };
            return Err(ServingError::TooManyLoaded { version, limit });
        }
        control.lock().slots.entry(number).or_default().loading = true;
        Ok(())
    }

    /// Takes out of service the idle version that was not used for longest among those that only a request wanted.
    fn evict(&self, controls: &[Arc<ModelControl>]) -> bool {
        let mut oldest: Option<(u64, &Arc<ModelControl>, VersionNumber)> = None;
        for control in controls {
            let state = control.lock();
            for (number, slot) in &state.slots {
                let Some(version) = &slot.live else { continue };
                if state.is_wanted(*number) || !version.is_idle() {
                    continue;
                }
                let used = version.last_used();
                if oldest.is_none_or(|(before, _, _)| used < before) {
                    oldest = Some((used, control, *number));
                }
            }
        }
        let Some((_, control, number)) = oldest else { return false };
        control.change(&self.routes, |state| state.retire(number).is_some())
    }
}

fn is_barred(state: &ModelState, number: VersionNumber) -> bool {
    state.slots.get(&number).is_some_and(|slot| slot.barred)
}

fn retire_all(state: &mut ModelState) -> Vec<Arc<Version>> {
    let numbers: Vec<VersionNumber> = state.slots.keys().copied().collect();
    numbers.into_iter().filter_map(|number| state.retire(number)).collect()
}
