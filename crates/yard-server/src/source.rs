//! The registry as serving sees it.

use async_trait::async_trait;
use yard_engine::ModelPackage;
use yard_registry::{AliasRecord, JoiningRecord, ModelRecord, Registry, RegistryError, ServingOptions};
use yard_serving::{LoadPlan, ModelRoutes, ModelSource, QueueOptions, SourceError};
use yard_types::{Dim, ModelName, Signature, VersionRef, VersionState};

/// Tells serving what the registry knows.
#[derive(Debug, Clone)]
pub struct RegistrySource {
    registry: Registry,
    defaults: QueueOptions,
}

impl RegistrySource {
    /// `defaults` stand in for what a model's options leave out: [`yard_serving::ServingSettings::queue`].
    pub const fn new(registry: Registry, defaults: QueueOptions) -> Self {
        Self { registry, defaults }
    }

    fn model_routes(&self, model: ModelRecord, aliases: Vec<AliasRecord>) -> ModelRoutes {
        ModelRoutes {
            model: model.name,
            aliases: aliases.into_iter().map(|alias| (alias.alias, alias.version)).collect(),
            options: queue_options(&model.serving, &self.defaults),
        }
    }
}

#[async_trait]
impl ModelSource for RegistrySource {
    async fn models(&self) -> Result<Vec<ModelRoutes>, SourceError> {
        let mut aliases = self.registry.aliases().await.map_err(backend)?;
        let models = self.registry.models().await.map_err(backend)?;
        let mut routes = Vec::with_capacity(models.len());
        for model in models {
            let (own, others) = aliases.into_iter().partition(|alias| alias.model == model.name);
            aliases = others;
            routes.push(self.model_routes(model, own));
        }
        Ok(routes)
    }

    async fn routes(&self, model: &ModelName) -> Result<Option<ModelRoutes>, SourceError> {
        let record = match self.registry.model(model).await {
            Ok(record) => record,
            Err(RegistryError::UnknownModel(_)) => return Ok(None),
            Err(error) => return Err(backend(error)),
        };
        let aliases = self.registry.aliases_of(model).await.map_err(backend)?;
        Ok(Some(self.model_routes(record, aliases)))
    }

    async fn plan(&self, version: &VersionRef) -> Result<LoadPlan, SourceError> {
        let record = match self.registry.version(&version.model, version.version).await {
            Ok(record) => record,
            Err(RegistryError::UnknownModel(_) | RegistryError::UnknownVersion { .. }) => {
                return Err(SourceError::NotFound(version.clone()));
            }
            Err(error) => return Err(backend(error)),
        };
        if record.state == VersionState::Archived {
            return Err(SourceError::Archived(version.clone()));
        }
        let lease = self.registry.open_package(&record).await.map_err(backend)?;
        Ok(LoadPlan {
            package: ModelPackage::new(lease.path(), record.proof.main),
            engine: record.proof.engine.name,
            joining_allowed: matches!(record.proof.joining, JoiningRecord::Allowed { .. }),
            single_run: record.proof.single_run.filter(|_| has_fixed_rows(&record.proof.signature)),
            package_guard: Box::new(lease),
        })
    }
}

/// Whether every row has the same size, so that the time of one says something about the others.
fn has_fixed_rows(signature: &Signature) -> bool {
    signature.inputs.iter().all(|input| {
        let dims = input.shape.as_deref();
        dims.is_some_and(|dims| dims.iter().skip(1).all(|dim| matches!(dim, Dim::Fixed(_))))
    })
}

fn backend(error: RegistryError) -> SourceError {
    SourceError::Backend(Box::new(error))
}

/// A model's own options over the defaults; `None` when it has none of its own.
fn queue_options(own: &ServingOptions, defaults: &QueueOptions) -> Option<QueueOptions> {
    if *own == ServingOptions::default() {
        return None;
    }
    Some(QueueOptions {
        max_batch: own.max_batch.unwrap_or(defaults.max_batch),
        max_queue_delay: own.max_queue_delay.unwrap_or(defaults.max_queue_delay),
        interactive_length: own.queue_length.interactive.unwrap_or(defaults.interactive_length),
        background_length: own.queue_length.background.unwrap_or(defaults.background_length),
        workers: own.workers.or(defaults.workers),
        timeout: own.timeout.unwrap_or(defaults.timeout),
    })
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use super::*;

    #[test]
    fn own_options_stand_over_the_defaults() {
        let defaults = QueueOptions::default();
        assert_eq!(queue_options(&ServingOptions::default(), &defaults), None);
        let own = ServingOptions {
            max_batch: NonZeroUsize::new(8),
            timeout: Some(Duration::from_secs(2)),
            ..ServingOptions::default()
        };
        let expected = QueueOptions {
            max_batch: NonZeroUsize::new(8).unwrap(),
            timeout: Duration::from_secs(2),
            ..defaults.clone()
        };
        assert_eq!(queue_options(&own, &defaults), Some(expected));
    }
}
