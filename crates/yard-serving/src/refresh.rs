//! Bringing a model in line with the source: what its aliases need is loaded first, and then they lead there.

use std::{sync::Arc, time::Instant};

use yard_types::{ModelName, VersionNumber};

use crate::{
    ModelRoutes, RefreshReport, ServingError, clock,
    control::{Failure, ModelControl, ModelState},
    operations::Core,
    room::{AfterFailure, Effort},
};

/// Why a model is brought in line with the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The server starts.
    Start,
    /// Something may have changed.
    Change,
    /// Somebody wants it in memory, and to stay there.
    Request,
}

/// A version that a refresh has to load.
struct Needed {
    number: VersionNumber,
    /// Whether an alias leads to it that is answered by another version until then.
    replaces: bool,
}

impl Core {
    /// Brings a model in line with the source; with `routes` if they were just read.
    pub(crate) async fn refresh(
        &self,
        model: &ModelName,
        routes: Option<ModelRoutes>,
        occasion: Occasion,
    ) -> Result<RefreshReport, ServingError> {
        let deadline = self.room_deadline();
        let control = match self.control(model).await {
            // It is gone, and nothing of it was here.
            Err(ServingError::UnknownModel { .. }) => return Ok(RefreshReport::default()),
            control => control?,
        };
        let _operation = control.operation.lock().await;
        self.refresh_held(&control, routes, occasion, deadline).await
    }

    /// As [`Core::refresh`], with the operation lock held; until the deadline it waits for room.
    pub(crate) async fn refresh_held(
        &self,
        control: &Arc<ModelControl>,
        routes: Option<ModelRoutes>,
        occasion: Occasion,
        mut deadline: Instant,
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
        let needed = self.needed(&control.lock(), &routes);
        let lazy_load = self.host.settings.lazy_load;
        let effort = match occasion {
            Occasion::Start if lazy_load => Effort::TakeFree,
            _ => Effort::Beside,
        };
        let mut report = RefreshReport::default();
        // Held until the aliases lead to them.
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for Needed { number, replaces } in needed {
            let waits_for_request = lazy_load && occasion != Occasion::Request && !replaces;
            let began = clock::now();
            match self.ensure_loaded(control, number, AfterFailure::TryAgain, effort, deadline).await {
                Ok(version) => {
                    kept.push(version);
                    // Loading is no waiting: what is needed beside it has as long as it would have had at first.
                    deadline = clock::after(deadline, clock::now().saturating_duration_since(began));
                    if let Some(slot) = control.lock().slots.get_mut(&number) {
                        slot.awaits_alias = true;
                    }
                }
                Err(error) if waits_for_request && error.is_want_of_room() => {
                    tracing::info!(
                        model = %control.model,
                        version = number.get(),
                        reason = %error,
                        "left for the first request"
                    );
                    left.push(number);
                }
                Err(error) => {
                    tracing::error!(
                        model = %control.model,
                        version = number.get(),
                        error = &error as &dyn std::error::Error,
                        "an alias keeps its old version, since the new one cannot be loaded"
                    );
                    if let Some(reason) = error.lasting_want_of_memory() {
                        let failure = Failure { at: clock::now(), reason, wants_memory: true };
                        control.lock().slots.entry(number).or_default().failure = Some(failure);
                    }
                    report.failed.push((number, error));
                }
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
            // In the same breath: what was loaded for this is not evicted, and a try that fails keeps nobody out.
            let is_whole = report.failed.is_empty() && !state.aliases.is_empty();
            state.pinned |= occasion == Occasion::Request && is_whole;
            for slot in state.slots.values_mut() {
                slot.awaits_alias = false;
            }
            for number in left {
                let slot = state.slots.entry(number).or_default();
                slot.evicted = true;
                slot.failure = None;
            }
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
                    slot.evicted = false;
                }
            }
        });
        Ok(report)
    }

    /// What a refresh has to load before the aliases may lead there.
    fn needed(&self, state: &ModelState, routes: &ModelRoutes) -> Vec<Needed> {
        let mut needed: Vec<Needed> = Vec::new();
        if state.barred {
            return needed;
        }
        for (alias, number) in &routes.aliases {
            let slot = state.slots.get(number);
            if slot.is_some_and(|slot| slot.barred) {
                continue;
            }
            let before = state.alias(alias).filter(|before| state.live(*before).is_some());
            // One that left for others comes back when it is asked for.
            let is_evicted = slot.is_some_and(|slot| slot.evicted);
            let is_production = alias.as_str() == "production" && !is_evicted;
            if !(is_production || before.is_some() || !self.host.settings.lazy_load) {
                continue;
            }
            let replaces = before.is_some_and(|before| before != *number);
            match needed.iter().position(|known| known.number == *number) {
                Some(place) => needed[place].replaces |= replaces,
                None => needed.push(Needed { number: *number, replaces }),
            }
        }
        needed
    }
}
