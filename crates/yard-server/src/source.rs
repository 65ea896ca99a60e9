//! The registry as serving sees it.

use async_trait::async_trait;
use yard_engine::ModelPackage;
use yard_registry::{
    AliasRecord, JoiningRecord, LanguageRecord, ModelRecord, ProofRecord, Registry, RegistryError,
    ServingOptions,
};
use yard_serving::{LoadPlan, ModelRoutes, ModelSource, QueueOptions, SourceError};
use yard_types::{Dim, ModelName, Signature, VersionRef, VersionState};

// What the engine of language models goes by, which runs in a process of its own.

/// Positions of a page of keys and values: only whole pages are had.
const PAGE_POSITIONS: u64 = 16;
/// What the process of a language model takes for itself: the program, the tables of grammars, the tokens of requests.
const LANGUAGE_PROCESS_BYTES: u64 = 48 << 20;
/// Rows that a step computes side by side, and numbers that are kept for each value of a row meanwhile.
const STEP_ROWS: u64 = 512;
const STEP_NUMBERS: u64 = 16;
/// Rows of a step of which the next token is chosen.
const CHOOSING_ROWS: u64 = 64;
/// Bytes of such a number.
const NUMBER_BYTES: u64 = 4;

/// Tells serving what the registry knows.
#[derive(Debug, Clone)]
pub struct RegistrySource {
    registry: Registry,
    defaults: QueueOptions,
    language_positions: u64,
}

impl RegistrySource {
    /// `defaults` stand in for what a model's options leave out: [`yard_serving::ServingSettings::queue`].
    /// `language_positions` is for how many tokens a language model keeps keys and values:
    /// [`yard_language::LanguageOptions::positions`].
    pub const fn new(registry: Registry, defaults: QueueOptions, language_positions: u64) -> Self {
        Self { registry, defaults, language_positions }
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
        let memory_bytes = memory_bytes(&record.proof, self.language_positions);
        Ok(LoadPlan {
            memory_bytes,
            package: ModelPackage::new(lease.path(), record.proof.main),
            engine: record.proof.engine.name,
            joining_allowed: matches!(record.proof.joining, JoiningRecord::Allowed { .. }),
            single_run: record.proof.single_run.filter(|_| has_fixed_rows(&record.proof.signature)),
            package_guard: Box::new(lease),
        })
    }
}

/// What a version takes in memory: what its proof measured, and of a language model all that it may come to need.
fn memory_bytes(proof: &ProofRecord, language_positions: u64) -> u64 {
    match &proof.language {
        None => proof.memory_bytes,
        Some(language) => language_bytes(language, proof.memory_bytes, language_positions),
    }
}

/// Weights and tokenizer as measured, keys and values of all positions, and what steps compute in. The proof itself wrote few
/// tokens in small steps.
fn language_bytes(language: &LanguageRecord, measured: u64, positions: u64) -> u64 {
    let model = measured.max(language.weight_bytes);
    let Some(position_bytes) = language.position_bytes else {
        // Proven before that was recorded: a middling model has at most as much of them as it weighs.
        return model.saturating_mul(2).saturating_add(LANGUAGE_PROCESS_BYTES);
    };
    let positions = if positions == 0 { language.context } else { positions };
    let pages = positions.div_ceil(PAGE_POSITIONS).max(1);
    let kept = pages.saturating_mul(PAGE_POSITIONS).saturating_mul(position_bytes);
    let rows = STEP_ROWS.saturating_mul(STEP_NUMBERS).saturating_mul(language.width);
    let choices = CHOOSING_ROWS.saturating_mul(language.vocabulary);
    let step = rows.saturating_add(choices).saturating_mul(NUMBER_BYTES);
    [kept, step, LANGUAGE_PROCESS_BYTES].into_iter().fold(model, u64::saturating_add)
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
        share_prefixes: own.share_prefixes,
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
            share_prefixes: true,
            ..ServingOptions::default()
        };
        let expected = QueueOptions {
            max_batch: NonZeroUsize::new(8).unwrap(),
            timeout: Duration::from_secs(2),
            share_prefixes: true,
            ..defaults.clone()
        };
        assert_eq!(queue_options(&own, &defaults), Some(expected));
    }
    fn language_model(position_bytes: Option<u64>) -> LanguageRecord {
        LanguageRecord {
            architecture: "llama".to_owned(),
            parameters: 134_515_008,
            context: 8192,
            vocabulary: 49_152,
            width: 576,
            quantization: "Q4_1".to_owned(),
            tokenizer: "byte pairs".to_owned(),
            chat_template: None,
            tokens_per_second: None,
            weight_bytes: 88 << 20,
            position_bytes,
        }
    }

    #[test]
    fn a_language_model_is_charged_for_all_that_it_may_keep() {
        let step = 4 * (512 * 16 * 576 + 64 * 49_152);
        let fixed = (100 << 20) + step + LANGUAGE_PROCESS_BYTES;
        let bytes = |measured, positions| language_bytes(&language_model(Some(23_040)), measured, positions);
        assert_eq!(bytes(100 << 20, 16_384), fixed + 16_384 * 23_040);
        assert_eq!(bytes(100 << 20, 17), fixed + 32 * 23_040, "whole pages");
        assert_eq!(bytes(100 << 20, 0), fixed + 8192 * 23_040, "as long as the model's own context");
        assert_eq!(
            bytes(0, 16),
            (88 << 20) + step + LANGUAGE_PROCESS_BYTES + 16 * 23_040,
            "never below the weights"
        );
        assert_eq!(bytes(u64::MAX, u64::MAX), u64::MAX);
        let old = language_bytes(&language_model(None), 100 << 20, 16_384);
        assert_eq!(old, (200 << 20) + LANGUAGE_PROCESS_BYTES);
    }
}
