//! What serving says of itself.

use std::time::Duration;

use yard_types::{AliasName, ModelName, VersionNumber};

/// One model, as it is served now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// The model.
    pub model: ModelName,
    /// Where its aliases lead now.
    pub aliases: Vec<(AliasName, VersionNumber)>,
    /// Whether it was unloaded on request, and stays so until it is loaded on request.
    pub barred: bool,
    /// Its versions that are in memory, failed to get there or had to leave for others, by number; a number may occur twice
    /// while a version that was loaded anew still drains.
    pub versions: Vec<VersionStatus>,
}

/// One version, as it is served now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionStatus {
    /// Its number.
    pub version: VersionNumber,
    /// Where it stands.
    pub state: VersionStatusState,
    /// What it takes of the memory for models: [`crate::LoadPlan::memory_bytes`] while it is in memory or on its way there.
    pub memory_bytes: u64,
    /// Interactive requests that wait.
    pub queued_interactive: usize,
    /// Background requests that wait.
    pub queued_background: usize,
    /// Runs that go on.
    pub running: usize,
    /// How long ago a run ended or work came to the idle version; `None` when it is not in memory.
    pub last_progress: Option<Duration>,
    /// Whether there is work and none was done for [`crate::ServingSettings::stall_after`].
    pub stalled: bool,
    /// Whether rows of several requests run together.
    pub joins_rows: bool,
    /// Whether it runs on the I/O thread.
    pub inline: bool,
}

/// Where a version stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionStatusState {
    /// It is being loaded.
    Loading,
    /// It answers.
    Ready,
    /// It could not be loaded, or broke down too often.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was replaced, unloaded or evicted and finishes what it has.
    Draining,
    /// It is not in memory for want of room. The next request to an alias that leads to it loads it.
    Evicted,
}

/// The memory of all loaded versions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStatus {
    /// [`crate::ServingSettings::memory_budget_bytes`]; 0 for none.
    pub budget_bytes: u64,
    /// What the versions in memory take of it, those included that are being loaded or that drain.
    pub charged_bytes: u64,
    /// Versions that had to leave for others, since the start.
    pub evictions: u64,
}
