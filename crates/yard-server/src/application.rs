//! What can be done with a Modelyard server, whichever way it is asked for.
//!
//! Handlers of HTTP and gRPC unwrap a request, call one function here and wrap the answer. The rules themselves live in
//! the registry, in serving and in access control; this joins them: an alias moves only after the version it is to
//! point at is in memory, and whatever was done stands in the audit trail.

mod aliases;
mod audit;
pub(crate) mod bodies;
mod data_sets;
mod default_model;
mod error;
mod inspect;
mod job_events;
mod jobs;
mod keys;
mod models;
mod push;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::RwLock;
use yard_access::{Access, Principal};
use yard_batches::Batches;
use yard_registry::{EngineStamp, Registry, RegistryError};
use yard_serving::{Lease, QueueOptions, Serving, ServingError};
use yard_types::{ModelName, Selector};

pub(crate) use default_model::NoDefaultModel;
pub(crate) use error::{ApplicationError, member};
pub(crate) use job_events::{JobWatch, Watched};
pub(crate) use jobs::JobFilter;
pub use jobs::{JobResults, JobService};
pub(crate) use models::{alias_name, version_number};

/// The parts that an application joins.
#[derive(Debug)]
pub struct ApplicationParts {
    /// Models, versions, aliases.
    pub registry: Registry,
    /// Keys and the audit trail.
    pub access: Arc<Access>,
    /// What is in memory.
    pub serving: Serving,
    /// The engines that were found, the preferred one first.
    pub engines: Vec<EngineStamp>,
    /// The queue of a model that has no options of its own: [`yard_serving::ServingSettings::queue`].
    pub queue_defaults: QueueOptions,
    /// The version of the program, as answers show it.
    pub version: String,
    /// The model of requests that name none; `None` for the only one there is.
    pub default_model: Option<ModelName>,
}

/// A server's abilities. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Application {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parts: ApplicationParts,
    /// The names of all models that take rows, for requests that name none.
    names: ArcSwap<Vec<ModelName>>,
    /// Set once, after this was made: what jobs make is announced here.
    jobs: OnceLock<JobService>,
    /// Set once, after this was made.
    batches: OnceLock<Batches>,
    /// Held for writing while a data set is deleted, for reading from where a job finds its data sets until it is a row.
    data_sets: RwLock<()>,
}

impl Application {
    /// Joins the parts.
    pub async fn new(parts: ApplicationParts) -> Result<Self, RegistryError> {
        let (names, jobs, data_sets) = (ArcSwap::default(), OnceLock::new(), RwLock::new(()));
        let batches = OnceLock::new();
        let application = Self { shared: Arc::new(Shared { parts, names, jobs, batches, data_sets }) };
        application.refresh_names().await?;
        Ok(application)
    }

    /// Keys and the audit trail.
    pub fn access(&self) -> &Arc<Access> {
        &self.shared.parts.access
    }

    /// Models, versions, aliases.
    pub fn registry(&self) -> &Registry {
        &self.shared.parts.registry
    }

    /// What is in memory.
    pub fn serving(&self) -> &Serving {
        &self.shared.parts.serving
    }

    /// From now on files are kept and batches made. Once: a second set of them is not taken.
    pub fn attach_batches(&self, batches: Batches) {
        if self.shared.batches.set(batches).is_err() {
            tracing::error!("a second set of batches was not taken");
        }
    }

    /// Files and batches, where there are any.
    pub(crate) fn batches(&self) -> Option<&Batches> {
        self.shared.batches.get()
    }

    fn data_set_lock(&self) -> &RwLock<()> {
        &self.shared.data_sets
    }

    pub(crate) fn queue_defaults(&self) -> &QueueOptions {
        &self.shared.parts.queue_defaults
    }

    pub(crate) fn engines(&self) -> &[EngineStamp] {
        &self.shared.parts.engines
    }

    pub(crate) fn version(&self) -> &str {
        &self.shared.parts.version
    }

    /// The version that a predict request means, in memory.
    pub(crate) async fn lease(&self, model: &str, selector: &Selector) -> Result<Lease, ApplicationError> {
        match self.serving().find(model, selector) {
            Err(ServingError::NotLoaded { .. }) => self.load_lease(model, selector).await,
            found => Ok(found?),
        }
    }

    async fn load_lease(&self, model: &str, selector: &Selector) -> Result<Lease, ApplicationError> {
        let refusal = match self.serving().open(model, selector).await {
            Err(refusal @ ServingError::NotLoaded { .. }) => refusal,
            opened => return Ok(opened?),
        };
        // Serving was told to let go of it; only the registry knows whether that is for good.
        if let Ok(model) = model.parse() {
            self.registry().resolve(&model, selector).await?;
        }
        Err(refusal.into())
    }

    /// The model of a request that names none.
    pub(crate) fn default_model(&self, principal: &Principal) -> Result<ModelName, NoDefaultModel> {
        let names = self.shared.names.load();
        default_model::choose(self.shared.parts.default_model.as_ref(), &names, principal)
    }

    async fn refresh_names(&self) -> Result<(), RegistryError> {
        let mut names = Vec::new();
        for model in self.registry().models().await? {
            let means = self.registry().resolve(&model.name, &Selector::Production).await;
            // One without `production` is told so when it is asked for; a language model takes no rows at all.
            if !means.is_ok_and(|version| version.proof.language.is_some()) {
                names.push(model.name);
            }
        }
        self.shared.names.store(Arc::new(names));
        Ok(())
    }
}
