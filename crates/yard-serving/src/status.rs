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
    /// Its versions that are in memory or failed to get there, by number; a number may occur twice while a version
    /// that was loaded anew still drains.
    pub versions: Vec<VersionStatus>,
}

/// One version, as it is served now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionStatus {
    /// Its number.
    pub version: VersionNumber,
    /// Where it stands.
    pub state: VersionStatusState,
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
    /// It was replaced or unloaded and finishes what it has.
    Draining,
}
