//! Room for one more version: how many there may be, and how much memory they have together.
//!
//! What goes is decided by [`find_room`]; here it is fed with what is in memory and carried out. A load that has to wait
//! for others holds no lock but its own model's, so whoever fits goes past it.

use std::{
    pin::pin,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use yard_types::{VersionNumber, VersionRef};

use crate::{
    Lease, ServingError, Shortage, clock,
    control::{Failure, ModelControl, ModelState},
    eviction::{Full, Limits, Resident, Room, Standing, find_room},
    lease::Hold,
    line::Wanted,
    memory::Charge,
    operations::Core,
    version::Version,
};

/// A load that waits looks again no sooner than this after it looked last, unless memory was given back or taken: where
/// there is much to do, runs end all the time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether a version that failed a moment ago is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    TryAgain,
    WaitFirst,
}

/// How far a load goes to find room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Takes room that is free; nobody goes for it, and it waits for nobody.
    TakeFree,
    /// Has idle versions leave and waits for them, but for those of its own model that aliases lead to: they answer until
    /// the new one does.
    Beside,
    /// Has idle versions leave and waits for them.
    MakeRoom,
}

/// What a try to find room came to.
enum Claim {
    Taken(Charge),
    /// There may be room later; until then this is why there is none.
    Later(ServingError),
}

/// All that has memory, as far as it is not on its way out.
struct Census {
    residents: Vec<Resident>,
    /// In the same order; `None` for those that cannot go.
    versions: Vec<Option<(Arc<ModelControl>, Arc<Version>)>>,
}

impl Core {
    /// Until when an operation that arrives now may wait for room. To be asked before it waits for its turn: then all who
    /// came together are refused together.
    pub(crate) fn room_deadline(&self) -> Instant {
        clock::after(clock::now(), self.host.settings.memory_wait)
    }

    /// The version, loaded, and held so that it stays until the caller has published what follows from it. To be called
    /// with the operation lock held.
    pub(crate) async fn ensure_loaded(
        &self,
        control: &Arc<ModelControl>,
        number: VersionNumber,
        after_failure: AfterFailure,
        effort: Effort,
        deadline: Instant,
    ) -> Result<Hold, ServingError> {
        let reference = VersionRef { model: control.model.clone(), version: number };
        let options = {
            let state = control.lock();
            if let Some(version) = state.live(number).filter(|version| !version.is_failed()) {
                return Ok(Lease::new(Arc::clone(version)).hold());
            }
            let failure = state.slots.get(&number).and_then(|slot| slot.failure.as_ref());
            let failure = failure.filter(|failure| !failure.wants_memory);
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
        let plan = self.loader.plan(&reference).await?;
        let charge = self.claim_room(control, number, plan.memory_bytes, effort, deadline).await?;
        let loaded = self.loader.load(&reference, options, plan, charge).await;
        let ended = control.change(&self.routes, |state| {
            let slot = state.slots.entry(number).or_default();
            slot.loading = None;
            match loaded {
                // Held before anybody can see that it is idle.
                Ok(version) => Ok(Lease::new(state.install(version)).hold()),
                Err(error) => {
                    if let ServingError::LoadFailed { reason, .. } = &error {
                        let reason = reason.clone();
                        slot.failure = Some(Failure { at: clock::now(), reason, wants_memory: false });
                    }
                    Err(error)
                }
            }
        });
        // What was being loaded could not go for others, and now may.
        self.host.memory.tell();
        ended
    }

    /// Takes the memory and marks the version as loading, after making room if there is none.
    async fn claim_room(
        &self,
        control: &Arc<ModelControl>,
        number: VersionNumber,
        needs: u64,
        effort: Effort,
        deadline: Instant,
    ) -> Result<Charge, ServingError> {
        let ledger = &self.host.memory;
        let mut waits = None;
        loop {
            // Before the look, so that nothing is missed that changes between it and the wait.
            let mut changed = pin!(ledger.changed());
            changed.as_mut().enable();
            let (looked, charged) = (clock::now(), ledger.charged());
            let refusal = match self.try_claim(control, number, needs, effort)? {
                Claim::Taken(charge) => return Ok(charge),
                Claim::Later(refusal) => refusal,
            };
            if effort == Effort::TakeFree || looked >= deadline || control.line.has_unloads() {
                return Err(refusal);
            }
            if waits.is_none() {
                // From now on others tell of what they change; what they did before is seen by one more look.
                let wanted = Wanted { number, bytes: needs };
                waits = Some((ledger.await_room(), control.line.wait_for_room(wanted)));
                tracing::debug!(model = %control.model, version = number.get(), needs, "waits for memory");
                continue;
            }
            tokio::select! {
                () = changed => {}
                () = clock::sleep_until(deadline) => return Err(refusal),
                () = self.host.admission.abandoned() => return Err(ServingError::Stopping),
            }
            if ledger.charged() == charged {
                clock::sleep_until((looked + LOOK_EVERY).min(deadline)).await;
            }
        }
    }

    /// Says that there is no memory for a version.
    pub(crate) fn no_memory(&self, version: VersionRef, needs: u64, shortage: Shortage) -> ServingError {
        let ledger = &self.host.memory;
        let (budget, charged) = (ledger.budget(), ledger.charged());
        ServingError::NoMemory { version, needs, budget, charged, shortage }
    }

    fn try_claim(
        &self,
        control: &Arc<ModelControl>,
        number: VersionNumber,
        needs: u64,
        effort: Effort,
    ) -> Result<Claim, ServingError> {
        let _room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = &self.host.memory;
        let versions = self.host.settings.max_loaded_versions;
        let limits = Limits { bytes: ledger.budget(), versions: versions.get() };
        let version = || VersionRef { model: control.model.clone(), version: number };
        let no_memory = |shortage| self.no_memory(version(), needs, shortage);
        let too_many = || ServingError::TooManyLoaded { version: version(), limit: versions };
        loop {
            // Before the census: what is given back in between then counts as leaving, and is found at the next look.
            let charged = ledger.charged();
            let census = self.census(control, effort);
            match find_room(needs, limits, charged, &census.residents) {
                Room::Free => {
                    // Only who has the lock on room takes any, so it is there; if it were not, the look is repeated.
                    let Some(charge) = ledger.take(needs) else { continue };
                    control.lock().slots.entry(number).or_default().loading = Some(needs);
                    return Ok(Claim::Taken(charge));
                }
                Room::Later => return Ok(Claim::Later(no_memory(Shortage::Busy))),
                Room::Evict(_) if effort == Effort::TakeFree => {
                    let lacks_memory = charged.saturating_add(needs) > limits.bytes;
                    let refusal = if lacks_memory { no_memory(Shortage::Busy) } else { too_many() };
                    return Ok(Claim::Later(refusal));
                }
                Room::Evict(places) => {
                    let mut has_gone = false;
                    for place in places {
                        has_gone |= self.evict(&census, place, control, effort);
                    }
                    if !has_gone {
                        // All of them have just been given work.
                        return Ok(Claim::Later(no_memory(Shortage::Busy)));
                    }
                }
                Room::Full(Full::Versions) => return Err(too_many()),
                Room::Full(Full::TooLarge) => return Err(no_memory(Shortage::TooLarge)),
                Room::Full(Full::Memory) => return Err(no_memory(Shortage::Kept)),
            }
        }
    }

    /// Looks at everything that has memory. What drains without work is left out: it is leaving.
    fn census(&self, own: &Arc<ModelControl>, effort: Effort) -> Census {
        let mut census = Census { residents: Vec::new(), versions: Vec::new() };
        for control in self.controls() {
            let is_own = Arc::ptr_eq(&control, own);
            let state = control.lock();
            for (number, slot) in &state.slots {
                if let Some(version) = &slot.live {
                    let standing = self.standing(&state, *number, version, is_own, effort);
                    let resident = Resident {
                        bytes: version.memory_bytes,
                        used: version.last_used(),
                        standing,
                        in_service: true,
                    };
                    census.add(resident, Some((Arc::clone(&control), Arc::clone(version))));
                }
                if let Some(bytes) = slot.loading {
                    // One that is loaded anew counts once.
                    let in_service = slot.live.is_none();
                    census.add(Resident { bytes, used: 0, standing: Standing::Busy, in_service }, None);
                }
            }
            for version in state.draining().filter(|version| !version.is_idle()) {
                let bytes = version.memory_bytes;
                census.add(Resident { bytes, used: 0, standing: Standing::Busy, in_service: false }, None);
            }
        }
        census
    }

    /// What a version in service has to do with the room that another one needs, of the same model or not.
    fn standing(
        &self,
        state: &ModelState,
        number: VersionNumber,
        version: &Version,
        is_own: bool,
        effort: Effort,
    ) -> Standing {
        let Some(slot) = state.slots.get(&number) else { return Standing::Kept };
        if version.is_failed() {
            // Nobody gets it any more, whoever wanted it.
            return if version.is_idle() { Standing::OnDemand } else { Standing::Busy };
        }
        let is_target = state.is_alias_target(number);
        let spares_aliases = is_own && effort == Effort::Beside;
        let stays = state.pinned || spares_aliases || !self.host.settings.lazy_load;
        // What a refresh has loaded it also holds: it would wait for itself.
        let is_held_for_this = is_own && slot.awaits_alias;
        if slot.explicit || is_held_for_this || (is_target && stays) {
            Standing::Kept
        } else if slot.prepared.is_held() || slot.loading.is_some() || !version.is_idle() {
            Standing::Busy
        } else if is_target {
            Standing::Aliased
        } else {
            Standing::OnDemand
        }
    }

    /// Takes a version out of service for others, if it is still idle.
    fn evict(&self, census: &Census, place: usize, own: &Arc<ModelControl>, effort: Effort) -> bool {
        let Some(Some((control, version))) = census.versions.get(place) else { return false };
        let number = version.reference.version;
        let is_own = Arc::ptr_eq(control, own);
        let comes_back = self.host.settings.lazy_load;
        let evicted = control.change(&self.routes, |state| {
            let is_there = state.live(number).is_some_and(|live| Arc::ptr_eq(live, version));
            let standing = self.standing(state, number, version, is_own, effort);
            let may_go = is_there && matches!(standing, Standing::OnDemand | Standing::Aliased);
            if may_go {
                state.evict(number, comes_back);
            }
            may_go
        });
        if evicted {
            self.host.memory.evicted();
            tracing::info!(
                model = %control.model, version = number.get(),
                bytes = version.memory_bytes,
                "evicted: others need its room"
            );
        }
        evicted
    }
}

impl Census {
    fn add(&mut self, resident: Resident, version: Option<(Arc<ModelControl>, Arc<Version>)>) {
        self.residents.push(resident);
        self.versions.push(version);
    }
}
