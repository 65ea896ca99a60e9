//! What serving needs to know from outside: which models there are, where aliases point and how a version is loaded.

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use yard_engine::ModelPackage;
use yard_types::{AliasName, Coded, ErrorCode, ModelName, VersionNumber, VersionRef};

use crate::QueueOptions;

/// Where the models come from.
#[async_trait]
pub trait ModelSource: fmt::Debug + Send + Sync + 'static {
    /// Every model that could be served.
    async fn models(&self) -> Result<Vec<ModelRoutes>, SourceError>;

    /// The aliases and options of one model; `None` when there is no such model.
    async fn routes(&self, model: &ModelName) -> Result<Option<ModelRoutes>, SourceError>;

    /// How to load a version. The files stay as they are until the plan's guard is dropped.
    async fn plan(&self, version: &VersionRef) -> Result<LoadPlan, SourceError>;
}

/// Where the aliases of a model point and how its requests queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRoutes {
    /// The model.
    pub model: ModelName,
    /// Its aliases, `production` among them once a version has it.
    pub aliases: Vec<(AliasName, VersionNumber)>,
    /// Its queue options; `None` for those of [`crate::ServingSettings::queue`].
    pub options: Option<QueueOptions>,
}

/// How to load one version.
pub struct LoadPlan {
    /// Its files.
    pub package: ModelPackage,
    /// The name of the engine that proved it, as [`yard_engine::EngineInfo::name`].
    pub engine: String,
    /// Whether rows of several requests were proven to run together without changing one another's answers.
    pub joining_allowed: bool,
    /// How long one run of one row took at proof; `None` when it is unknown or depends on the values of the input.
    pub single_run: Option<Duration>,
    /// How much memory it takes once it is loaded and runs: what [`crate::ServingSettings::memory_budget_bytes`] counts.
    pub memory_bytes: u64,
    /// Keeps the package where it is; dropped after the model is unloaded.
    pub package_guard: Box<dyn Send + Sync>,
}

/// Why the source has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such version.
    #[error("there is no {0}")]
    NotFound(VersionRef),
    /// The version is kept for the record only.
    #[error("{0} is archived")]
    Archived(VersionRef),
    /// The registry or the store failed.
    #[error("the registry did not answer")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

impl Coded for SourceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Archived(_) => ErrorCode::Conflict,
            Self::Backend(_) => ErrorCode::Internal,
        }
    }
}

impl fmt::Debug for LoadPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoadPlan")
            .field("package", &self.package)
            .field("engine", &self.engine)
            .field("joining_allowed", &self.joining_allowed)
            .field("single_run", &self.single_run)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}
