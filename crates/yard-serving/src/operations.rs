//! The operations that change what is in memory: load, unload, prepare, refresh, open.
//!
//! Each runs to its end in a task of its own, whatever becomes of its caller, and holds its model's operation lock. So
//! a hundred callers who want the same version load it once, and none of them can leave it half loaded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use yard_types::{AliasName, ModelName, Selector, VersionNumber, VersionRef};

use crate::{
    ModelRoutes, RefreshReport, ServingError, Shortage,
    control::{ModelControl, ModelState, Prepared},
    host::Host,
    line::InLine,
    loading::Loader,
    refresh::Occasion,
    room::{AfterFailure, Effort},
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
    pub(crate) room: Mutex<()>,
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
    pub(crate) async fn control(&self, model: &ModelName) -> Result<Arc<ModelControl>, ServingError> {
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

    /// Loads the version that the selector means, if it is not loaded yet. A caller that `leaves`, which is dropping the other
    /// end, before its turn has come leaves the line.
    pub(crate) async fn open(
        &self,
        model: &ModelName,
        selector: &Selector,
        mut leaves: oneshot::Sender<()>,
    ) -> Result<Arc<Version>, ServingError> {
        let not_loaded = || ServingError::NotLoaded { model: model.to_string(), selector: selector.clone() };
        let deadline = self.room_deadline();
        let control = self.control(model).await?;
        let in_line = control.line.request();
        let _in_line = in_line.map_err(|wanted| {
            let version = VersionRef { model: model.clone(), version: wanted.number };
            self.no_memory(version, wanted.bytes, Shortage::Busy)
        })?;
        let _operation = tokio::select! {
            operation = control.operation.lock() => operation,
            // Nobody hears this.
            () = leaves.closed() => return Err(not_loaded()),
        };
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
        let (after_failure, effort) = (AfterFailure::WaitFirst, Effort::MakeRoom);
        let kept = self.ensure_loaded(&control, number, after_failure, effort, deadline).await?;
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
        Ok(Arc::clone(kept.version()))
    }

    /// Loads a version and keeps it until it is unloaded.
    pub(crate) async fn load(&self, reference: &VersionRef) -> Result<(), ServingError> {
        let deadline = self.room_deadline();
        let control = self.control(&reference.model).await?;
        let _operation = control.operation.lock().await;
        let routes = self.source_routes(&reference.model).await?;
        self.adopt(&control, routes);
        let (after_failure, effort) = (AfterFailure::TryAgain, Effort::MakeRoom);
        let _kept = self.ensure_loaded(&control, reference.version, after_failure, effort, deadline).await?;
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

    /// Loads what the aliases of a model need, after it was unloaded or not, and keeps what they lead to until the model is
    /// unloaded.
    pub(crate) async fn load_model(&self, model: &ModelName) -> Result<(), ServingError> {
        let deadline = self.room_deadline();
        let control = self.control(model).await?;
        let _operation = control.operation.lock().await;
        let mut were_evicted = Vec::new();
        let was_barred = {
            let mut state = control.lock();
            for (number, slot) in &mut state.slots {
                slot.barred = false;
                if std::mem::replace(&mut slot.evicted, false) {
                    were_evicted.push(*number);
                }
            }
            std::mem::replace(&mut state.barred, false)
        };
        let refreshed = self.refresh_held(&control, None, Occasion::Request, deadline).await;
        let refreshed = refreshed.and_then(RefreshReport::all);
        if refreshed.is_err() {
            let has_production = self.routes.find(model.as_str(), &Selector::Production).is_some();
            control.change(&self.routes, |state| {
                state.barred |= was_barred && !has_production;
                for number in were_evicted {
                    state.left_for_others(number);
                }
            });
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
        let _unload = self.announce_unload(&control);
        let _operation = control.operation.lock().await;
        Ok(control.change(&self.routes, |state| {
            let slot = state.slots.entry(reference.version).or_default();
            slot.barred = true;
            slot.explicit = false;
            slot.on_demand = false;
            slot.evicted = false;
            // Whoever prepared it wanted it before it was unloaded.
            slot.prepared = Prepared::default();
            slot.failure = None;
            state.retire(reference.version).into_iter().collect()
        }))
    }

    /// Takes all versions of a model out of service until one is loaded again.
    pub(crate) async fn unload_model(&self, model: &ModelName) -> Result<Vec<Arc<Version>>, ServingError> {
        let control = self.control(model).await?;
        let _unload = self.announce_unload(&control);
        let _operation = control.operation.lock().await;
        Ok(control.change(&self.routes, |state| {
            state.barred = true;
            state.pinned = false;
            let retired = retire_all(state);
            state.slots.clear();
            retired
        }))
    }

    /// Loads of the model that wait for room wait no longer.
    fn announce_unload<'control>(&self, control: &'control ModelControl) -> InLine<'control> {
        let unload = control.line.unload();
        self.host.memory.tell();
        unload
    }

    /// Loads a version beside what runs, for an alias that is about to lead to it.
    pub(crate) async fn prepare(&self, reference: &VersionRef) -> Result<Prepared, ServingError> {
        let deadline = self.room_deadline();
        let control = self.control(&reference.model).await?;
        let _operation = control.operation.lock().await;
        // What the alias leads to now answers until it is moved, so that both have to fit.
        let (after_failure, effort) = (AfterFailure::TryAgain, Effort::Beside);
        let _kept = self.ensure_loaded(&control, reference.version, after_failure, effort, deadline).await?;
        Ok(control.change(&self.routes, |state| {
            let slot = state.slots.entry(reference.version).or_default();
            slot.barred = false;
            slot.prepared.for_caller(&self.host.memory)
        }))
    }

    pub(crate) fn adopt_options(&self, control: &ModelControl, routes: &ModelRoutes) {
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
    pub(crate) fn forget(&self, control: &ModelControl) {
        control.change(&self.routes, |state| {
            drop(retire_all(state));
            state.slots.clear();
            state.aliases.clear();
            state.pinned = false;
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
}

fn retire_all(state: &mut ModelState) -> Vec<Arc<Version>> {
    let numbers: Vec<VersionNumber> = state.slots.keys().copied().collect();
    numbers.into_iter().filter_map(|number| state.retire(number)).collect()
}
