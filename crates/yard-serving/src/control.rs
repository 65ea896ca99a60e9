//! What serving knows of one model: which of its versions are in memory, why, and where its aliases lead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use yard_types::{AliasName, ModelName, VersionNumber};

use crate::{
    MetricsSnapshot, ModelStatus, QueueOptions, VersionStatus, VersionStatusState, clock,
    line::Line,
    memory::Ledger,
    routes::{RouteTable, Routes},
    version::Version,
};

/// Why a version does not answer that was loaded and is marked as failed.
const BROKE_DOWN: &str = "the engine broke down repeatedly";

/// One model.
#[derive(Debug)]
pub(crate) struct ModelControl {
    pub(crate) model: ModelName,
    /// Held by an operation from its beginning to its end: one at a time for each model.
    pub(crate) operation: tokio::sync::Mutex<()>,
    /// Who waits for that.
    pub(crate) line: Line,
    /// A std mutex: held for moments, never across an await.
    state: Mutex<ModelState>,
}

#[derive(Debug, Default)]
pub(crate) struct ModelState {
    /// Where the aliases lead, whether or not those versions are loaded.
    pub(crate) aliases: Vec<(AliasName, VersionNumber)>,
    pub(crate) options: QueueOptions,
    /// Unloaded on request.
    pub(crate) barred: bool,
    /// Loaded on request as a whole: what its aliases lead to stays until it is unloaded on request.
    pub(crate) pinned: bool,
    pub(crate) slots: BTreeMap<VersionNumber, Slot>,
    draining: Vec<Weak<Version>>,
}

/// One version of the model that is in memory, on its way there, failed to get there, or had to leave for others.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) live: Option<Arc<Version>>,
    /// Being loaded, with so many bytes of memory taken for it.
    pub(crate) loading: Option<u64>,
    /// Loaded on request: stays until it is unloaded on request.
    pub(crate) explicit: bool,
    /// Loaded because a request named its number: stays until its room is needed.
    pub(crate) on_demand: bool,
    /// Not in memory for want of room, and an alias leads to it: the next request loads it.
    pub(crate) evicted: bool,
    /// Loaded by the refresh that is under way, for an alias that leads to it when that ends.
    pub(crate) awaits_alias: bool,
    /// Held by whoever had it loaded for an alias that is about to move.
    pub(crate) prepared: Prepared,
    /// Unloaded on request.
    pub(crate) barred: bool,
    pub(crate) failure: Option<Failure>,
}

/// Keeps a version in memory for an alias that is about to move to it: what [`crate::Serving::prepare`] gives.
///
/// Dropped when the alias has moved or will not: the next [`crate::Serving::refresh`] lets go of a version that
/// nobody else wants. Any number of moves may hold the same version.
#[derive(Debug, Clone, Default)]
#[must_use = "the version is kept only as long as this is held"]
pub struct Prepared {
    held: Arc<()>,
    /// After the field above, so that those who are told find it let go.
    _told: Told,
}

/// Tells those who wait for memory when it is dropped; the slot's own one tells nobody.
#[derive(Debug, Clone, Default)]
struct Told(Option<Arc<Ledger>>);

/// Why and when a version failed to load.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: Instant,
    pub(crate) reason: String,
    /// Whether memory was all that it lacked: then nothing is gained by waiting before the next try.
    pub(crate) wants_memory: bool,
}

impl ModelControl {
    pub(crate) fn new(model: ModelName, options: QueueOptions) -> Self {
        let state = ModelState { options, ..ModelState::default() };
        Self {
            model,
            operation: tokio::sync::Mutex::default(),
            line: Line::default(),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ModelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and, in the same breath, what requests get.
    pub(crate) fn change<T>(&self, routes: &Routes, change: impl FnOnce(&mut ModelState) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.tidy();
        let versions = state.slots.values().filter_map(|slot| slot.live.clone()).collect();
        let table =
            if state.barred { RouteTable::default() } else { RouteTable::new(&state.aliases, versions) };
        routes.replace(&self.model, table);
        result
    }

    pub(crate) fn status(&self) -> ModelStatus {
        let now = clock::now();
        let state = self.lock();
        let mut versions: Vec<VersionStatus> =
            state.slots.iter().filter_map(|(number, slot)| slot.status(*number, now)).collect();
        versions
            .extend(state.draining().map(|version| describe(&version, VersionStatusState::Draining, now)));
        versions.sort_by_key(|version| version.version);
        let is_live = |number| state.live(number).is_some();
        ModelStatus {
            model: self.model.clone(),
            aliases: state.aliases.iter().filter(|(_, number)| is_live(*number)).cloned().collect(),
            barred: state.barred,
            versions,
        }
    }

    pub(crate) fn metrics(&self) -> Vec<MetricsSnapshot> {
        let state = self.lock();
        state.slots.values().filter_map(|slot| slot.live.as_ref()).map(|version| version.snapshot()).collect()
    }

    /// Every version in service: at most one of each number.
    pub(crate) fn in_service(&self) -> Vec<Arc<Version>> {
        self.lock().slots.values().filter_map(|slot| slot.live.clone()).collect()
    }

    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        let state = self.lock();
        let live = state.slots.values().filter_map(|slot| slot.live.clone());
        let versions: Vec<Arc<Version>> = live.chain(state.draining()).collect();
        drop(state);
        versions.iter().any(|version| version.is_stalled(now))
    }

    /// Every version that is in memory, those that drain included.
    pub(crate) fn in_memory(&self) -> Vec<Arc<Version>> {
        let state = self.lock();
        let live = state.slots.values().filter_map(|slot| slot.live.clone());
        live.chain(state.draining()).collect()
    }
}

impl ModelState {
    pub(crate) fn live(&self, number: VersionNumber) -> Option<&Arc<Version>> {
        self.slots.get(&number)?.live.as_ref()
    }

    pub(crate) fn alias(&self, alias: &AliasName) -> Option<VersionNumber> {
        self.aliases.iter().find(|(name, _)| name == alias).map(|(_, number)| *number)
    }

    pub(crate) fn is_alias_target(&self, number: VersionNumber) -> bool {
        self.aliases.iter().any(|(_, target)| *target == number)
    }

    /// Takes a version out of service; it goes on for those who hold it.
    pub(crate) fn retire(&mut self, number: VersionNumber) -> Option<Arc<Version>> {
        let version = self.slots.get_mut(&number)?.live.take()?;
        self.draining.push(Arc::downgrade(&version));
        Some(version)
    }

    /// Takes a version out of service for others; where `comes_back`, a request to an alias that leads to it loads it again.
    pub(crate) fn evict(&mut self, number: VersionNumber, comes_back: bool) {
        let is_target = self.is_alias_target(number);
        if self.retire(number).is_some()
            && let Some(slot) = self.slots.get_mut(&number)
        {
            slot.on_demand = false;
            slot.evicted = is_target && comes_back;
            if is_target && !comes_back {
                // Where no request loads it, only one that broke down goes, and that is still to be told.
                let reason = BROKE_DOWN.to_owned();
                slot.failure = Some(Failure { at: clock::now(), reason, wants_memory: false });
            }
        }
    }

    /// As before it was tried in vain to bring it back.
    pub(crate) fn left_for_others(&mut self, number: VersionNumber) {
        let slot = self.slots.entry(number).or_default();
        slot.evicted = slot.live.is_none();
        slot.failure = slot.failure.take().filter(|failure| !failure.wants_memory);
    }

    /// Those that finish what they have.
    pub(crate) fn draining(&self) -> impl Iterator<Item = Arc<Version>> + '_ {
        self.draining.iter().filter_map(Weak::upgrade)
    }

    /// Puts a loaded version into service; one of the same number that was there before drains.
    pub(crate) fn install(&mut self, version: Version) -> Arc<Version> {
        let number = version.reference.version;
        self.retire(number);
        let version = Arc::new(version);
        let slot = self.slots.entry(number).or_default();
        slot.live = Some(Arc::clone(&version));
        slot.evicted = false;
        slot.failure = None;
        version
    }

    /// Whether anything but a passing request wants the version in memory.
    pub(crate) fn is_wanted(&self, number: VersionNumber) -> bool {
        let held = self
            .slots
            .get(&number)
            .is_some_and(|slot| slot.explicit || slot.prepared.is_held() || slot.loading.is_some());
        held || self.is_alias_target(number)
    }

    /// Takes over aliases that lead nowhere yet. One that leads to a loaded version is moved by a refresh alone, which
    /// makes sure first that the new version is loaded.
    pub(crate) fn adopt_aliases(&mut self, aliases: Vec<(AliasName, VersionNumber)>) {
        for (alias, target) in aliases {
            let leads_somewhere = self.alias(&alias).is_some_and(|number| self.live(number).is_some());
            if !leads_somewhere {
                self.aliases.retain(|(name, _)| *name != alias);
                self.aliases.push((alias, target));
            }
        }
    }

    fn tidy(&mut self) {
        self.draining.retain(|version| version.strong_count() > 0);
        self.slots.retain(|_, slot| {
            let is_there = slot.live.is_some() || slot.loading.is_some();
            is_there || slot.barred || slot.evicted || slot.failure.is_some()
        });
    }
}

impl Prepared {
    /// Whether anybody beside the slot has it.
    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.held) > 1
    }

    /// For whoever prepared the version.
    pub(crate) fn for_caller(&self, memory: &Arc<Ledger>) -> Self {
        Self { held: Arc::clone(&self.held), _told: Told(Some(Arc::clone(memory))) }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(memory) = &self.0 {
            memory.tell();
        }
    }
}

impl Slot {
    fn status(&self, number: VersionNumber, now: Instant) -> Option<VersionStatus> {
        if let Some(version) = &self.live {
            let state = if version.is_failed() {
                VersionStatusState::Failed { reason: BROKE_DOWN.to_owned() }
            } else {
                VersionStatusState::Ready
            };
            return Some(describe(version, state, now));
        }
        let state = if self.loading.is_some() {
            VersionStatusState::Loading
        } else if let Some(failure) = &self.failure {
            VersionStatusState::Failed { reason: failure.reason.clone() }
        } else if self.evicted {
            VersionStatusState::Evicted
        } else {
            return None;
        };
        Some(VersionStatus {
            version: number,
            state,
            memory_bytes: self.loading.unwrap_or_default(),
            queued_interactive: 0,
            queued_background: 0,
            running: 0,
            last_progress: None,
            stalled: false,
            joins_rows: false,
            inline: false,
        })
    }
}

fn describe(version: &Version, state: VersionStatusState, now: Instant) -> VersionStatus {
    let load = version.queue.load();
    VersionStatus {
        version: version.reference.version,
        state,
        memory_bytes: version.memory_bytes,
        queued_interactive: load.interactive,
        queued_background: load.background,
        running: load.running,
        last_progress: Some(version.since_progress(now)),
        stalled: version.is_stalled(now),
        joins_rows: version.joins_rows(),
        inline: version.is_inline(),
    }
}
