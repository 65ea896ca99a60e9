//! What every loaded version shares.

use std::{sync::Arc, time::Instant};

use tokio::runtime::Handle;

use crate::{
    ServingSettings, StartError, admission::Admission, clock, compute::ComputePool, memory::Ledger,
    watchdog::Watchdog,
};

/// The process-wide means that versions run on.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) settings: ServingSettings,
    pub(crate) admission: Admission,
    pub(crate) pool: ComputePool,
    pub(crate) watchdog: Watchdog,
    pub(crate) memory: Arc<Ledger>,
    /// The runtime in which serving was started.
    pub(crate) runtime: Handle,
    /// What times kept in atomics count from.
    epoch: Instant,
}

impl Host {
    pub(crate) fn start(settings: ServingSettings) -> Result<Self, StartError> {
        Ok(Self {
            admission: Admission::new(settings.max_in_flight),
            pool: ComputePool::start(settings.compute_threads, settings.compute_niceness)?,
            watchdog: Watchdog::start(settings.inline_limit)?,
            memory: Arc::new(Ledger::new(settings.memory_budget_bytes)),
            runtime: Handle::current(),
            epoch: clock::now(),
            settings,
        })
    }

    /// The microseconds from the start of serving to the instant.
    pub(crate) fn micros(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}
