//! What the Open Inference Protocol shows of the server and its models, over REST and gRPC alike.

use std::time::Duration;

use yard_access::{Principal, Visibility};
use yard_api::v2::{
    AllStatistics, InferenceStatistics, MemoryUsage, ModelConfig, ModelMetadata, ModelSettings, ModelState,
    ModelStatistics, RepositoryEntry, ServerMetadata, StatisticDuration,
};
use yard_language::LanguageModel;
use yard_registry::{JoiningRecord, RegistryError, VersionRecord};
use yard_serving::{MetricsSnapshot, ModelStatus, VersionStatus, VersionStatusState};
use yard_types::{ModelName, Selector, VersionNumber, VersionRef, VersionState};

use super::{Application, ApplicationError};
use crate::clock;

/// The server's name in its metadata.
const SERVER_NAME: &str = "modelyard";
/// Why a version is not in memory that requests are answered by all the same.
const EVICTED: &str = "not in memory; the next request loads it";
/// Why a language model that is loaded takes no requests.
const RESTARTING: &str = "its process ended and is being started again";

impl Application {
    /// The server's name, version and extensions.
    pub(crate) fn server_metadata(&self) -> ServerMetadata {
        ServerMetadata::new(SERVER_NAME, self.version())
    }

    /// What a model takes and gives.
    pub(crate) async fn model_metadata(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<ModelMetadata, ApplicationError> {
        let record = self.registry().resolve(model, selector).await?;
        let versions = self.usable_versions(model).await?;
        let versions = versions.iter().map(|version| version.number.to_string()).collect();
        Ok(ModelMetadata::new(model.as_str(), versions, &platform(&record), &record.proof.signature))
    }

    /// How a model is served.
    pub(crate) async fn model_config(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<ModelConfig, ApplicationError> {
        let record = self.registry().resolve(model, selector).await?;
        let options = self.registry().model(model).await?.serving;
        let versions = self.usable_versions(model).await?;
        let versions: Vec<u32> = versions.iter().map(|version| version.number.get()).collect();
        let joins = matches!(record.proof.joining, JoiningRecord::Allowed { .. });
        let max_batch = options.max_batch.unwrap_or(self.queue_defaults().max_batch).get();
        let max_batch_size = joins.then(|| u32::try_from(max_batch).unwrap_or(u32::MAX));
        let settings = ModelSettings {
            name: model.as_str(),
            platform: &platform(&record),
            backend: &record.proof.engine.name,
            file_name: record.proof.main.as_str(),
            versions: &versions,
            max_batch_size,
            max_queue_delay: options.max_queue_delay.unwrap_or(self.queue_defaults().max_queue_delay),
        };
        Ok(ModelConfig::new(settings, &record.proof.signature))
    }

    /// Whether a version takes requests now: it is in memory and moves, and a language model's process runs; or it left memory
    /// for others, and the next request brings it back. Asking loads nothing.
    pub(crate) async fn model_ready(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<bool, ApplicationError> {
        let (version, has_process) = match self.serving().find(model.as_str(), selector) {
            Ok(lease) => {
                let language = lease.service::<LanguageModel>();
                (lease.version(), language.is_none_or(|language| language.is_running()))
            }
            Err(_) => {
                // Serving need not know what is not loaded: whether it is there at all is the registry's to say.
                return match self.registry().resolve(model, selector).await {
                    Ok(record) => Ok(self.is_evicted(&record)),
                    Err(RegistryError::Archived { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                };
            }
        };
        let status = self.serving().status();
        let stalled = version_statuses(&status, model).any(|found| found.version == version && found.stalled);
        Ok(has_process && !stalled)
    }

    /// Whether it had to leave memory for others: then the next request loads it, and is answered.
    fn is_evicted(&self, record: &VersionRecord) -> bool {
        let status = self.serving().status();
        version_statuses(&status, &record.model)
            .any(|found| found.version == record.number && found.state == VersionStatusState::Evicted)
    }

    /// The statistics of a loaded model or version.
    pub(crate) async fn model_statistics(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<AllStatistics, ApplicationError> {
        let wanted = match selector {
            Selector::Production => {
                self.registry().model(model).await?;
                None
            }
            selector => Some(self.registry().resolve(model, selector).await?.number),
        };
        self.statistics(|of, version| of == model && wanted.is_none_or(|wanted| wanted == version)).await
    }

    /// The statistics of all loaded models that the key may see.
    pub(crate) async fn all_statistics(
        &self,
        principal: &Principal,
    ) -> Result<AllStatistics, ApplicationError> {
        self.statistics(|model, _| principal.visibility(model.as_str()) == Visibility::Visible).await
    }

    async fn statistics(
        &self,
        is_wanted: impl Fn(&ModelName, VersionNumber) -> bool,
    ) -> Result<AllStatistics, ApplicationError> {
        let status = self.serving().status();
        let mut model_stats = Vec::new();
        for snapshot in self.serving().metrics() {
            let reference = &snapshot.version;
            if !is_wanted(&reference.model, reference.version) {
                continue;
            }
            let record = self.registry().version(&reference.model, reference.version).await?;
            let progress = version_statuses(&status, &reference.model)
                .find(|found| found.version == reference.version)
                .and_then(|found| found.last_progress);
            model_stats.push(statistics_of(&snapshot, progress, record.proof.memory_bytes));
        }
        Ok(AllStatistics { model_stats })
    }

    /// All versions that the key may see and whether they are served; `ready` leaves out those that are not.
    pub(crate) async fn repository_index(
        &self,
        principal: &Principal,
        ready: bool,
    ) -> Result<Vec<RepositoryEntry>, ApplicationError> {
        let status = self.serving().status();
        let restarting = self.restarting();
        let mut entries = Vec::new();
        for model in self.registry().models().await? {
            if principal.visibility(model.name.as_str()) == Visibility::Hidden {
                continue;
            }
            for version in self.usable_versions(&model.name).await? {
                // Of two in memory under one number, the newer one stands last.
                let found =
                    version_statuses(&status, &model.name).filter(|found| found.version == version.number);
                let (mut state, mut reason) =
                    found.last().map_or((ModelState::Unavailable, String::new()), shown_state);
                let is_restarting = restarting
                    .iter()
                    .any(|reference| reference.model == model.name && reference.version == version.number);
                if state == ModelState::Ready && is_restarting {
                    (state, reason) = (ModelState::Unavailable, RESTARTING.to_owned());
                }
                if ready && state != ModelState::Ready {
                    continue;
                }
                let (name, version) = (model.name.to_string(), version.number.to_string());
                entries.push(RepositoryEntry { name, version, state, reason });
            }
        }
        Ok(entries)
    }

    /// Versions of language models that are in service and whose process is being started again.
    fn restarting(&self) -> Vec<VersionRef> {
        let models = self.serving().services::<LanguageModel>();
        models.into_iter().filter(|(_, model)| !model.is_running()).map(|(reference, _)| reference).collect()
    }

    async fn usable_versions(&self, model: &ModelName) -> Result<Vec<VersionRecord>, ApplicationError> {
        let mut versions = self.registry().versions(model).await?;
        versions.retain(|version| version.state == VersionState::Ready);
        Ok(versions)
    }
}

fn version_statuses<'s>(
    status: &'s [ModelStatus],
    model: &'s ModelName,
) -> impl Iterator<Item = &'s VersionStatus> {
    status.iter().filter(move |found| found.model == *model).flat_map(|found| &found.versions)
}

fn shown_state(status: &VersionStatus) -> (ModelState, String) {
    match &status.state {
        VersionStatusState::Loading => (ModelState::Loading, String::new()),
        VersionStatusState::Ready => (ModelState::Ready, String::new()),
        VersionStatusState::Failed { reason } => (ModelState::Unavailable, reason.clone()),
        VersionStatusState::Draining => (ModelState::Unloading, String::new()),
        VersionStatusState::Evicted => (ModelState::Unavailable, EVICTED.to_owned()),
    }
}

/// What runs a version, in the form that clients know from other servers.
fn platform(record: &VersionRecord) -> String {
    let format = if record.proof.language.is_some() { "gguf" } else { "onnx" };
    format!("{}_{format}", record.proof.engine.name)
}

fn statistics_of(
    snapshot: &MetricsSnapshot,
    progress: Option<Duration>,
    memory_bytes: u64,
) -> ModelStatistics {
    let failed: u64 = snapshot.failures.iter().map(|(_, count)| count).sum();
    let queue = duration(snapshot.queue_seconds.count, snapshot.queue_seconds.sum);
    let compute = duration(snapshot.compute_seconds.count, snapshot.compute_seconds.sum);
    let last_inference = match progress {
        Some(age) if snapshot.requests > 0 => {
            clock::now().plus_milliseconds(-(age.as_millis() as i64)).0 as u64
        }
        _ => 0,
    };
    ModelStatistics {
        name: snapshot.version.model.to_string(),
        version: snapshot.version.version.to_string(),
        last_inference,
        inference_count: snapshot.rows,
        execution_count: snapshot.batches,
        inference_stats: InferenceStatistics {
            success: StatisticDuration {
                count: snapshot.requests.saturating_sub(failed),
                ns: queue.ns.saturating_add(compute.ns),
            },
            fail: StatisticDuration { count: failed, ns: 0 },
            queue,
            compute_infer: compute,
            ..InferenceStatistics::default()
        },
        memory_usage: vec![MemoryUsage { kind: "CPU".to_owned(), id: 0, byte_size: memory_bytes }],
        ..ModelStatistics::default()
    }
}

fn duration(count: u64, seconds: f64) -> StatisticDuration {
    // Sums of times are neither negative nor beyond centuries.
    StatisticDuration { count, ns: (seconds * 1e9) as u64 }
}
