//! The statistics extension: counts and durations since a model was loaded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer of `/v2/models/stats` and `/v2/models/{m}/stats`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllStatistics {
    /// One entry for each loaded version.
    pub model_stats: Vec<ModelStatistics>,
}

/// The statistics of one loaded version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelStatistics {
    /// The model.
    pub name: String,
    /// The version.
    pub version: String,
    /// Milliseconds since 1970 of the last request; 0 before the first.
    pub last_inference: u64,
    /// Rows predicted.
    pub inference_count: u64,
    /// Runs of the model, each of which takes one batch of rows.
    pub execution_count: u64,
    /// By what became of requests, and by stage.
    pub inference_stats: InferenceStatistics,
    /// Always empty: no model has several answers to a request.
    pub response_stats: BTreeMap<String, ResponseStatistics>,
    /// By size of batch.
    pub batch_stats: Vec<BatchStatistics>,
    /// What the version takes.
    pub memory_usage: Vec<MemoryUsage>,
}

/// How often something happened and how long it took in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticDuration {
    /// How often.
    pub count: u64,
    /// How long in all, in nanoseconds.
    pub ns: u64,
}

/// Requests by what became of them, and the time they spent in each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceStatistics {
    /// Answered.
    pub success: StatisticDuration,
    /// Failed.
    pub fail: StatisticDuration,
    /// Waiting.
    pub queue: StatisticDuration,
    /// Joining rows.
    pub compute_input: StatisticDuration,
    /// In the model.
    pub compute_infer: StatisticDuration,
    /// Taking rows apart.
    pub compute_output: StatisticDuration,
    /// Answered from a cache.
    pub cache_hit: StatisticDuration,
    /// Looked for in a cache in vain.
    pub cache_miss: StatisticDuration,
}

/// As [`InferenceStatistics`], for one of several answers to a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseStatistics {
    /// In the model.
    pub compute_infer: StatisticDuration,
    /// Taking rows apart.
    pub compute_output: StatisticDuration,
    /// Sent.
    pub success: StatisticDuration,
    /// Failed.
    pub fail: StatisticDuration,
    /// Without content.
    pub empty_response: StatisticDuration,
    /// Cancelled.
    pub cancel: StatisticDuration,
}

/// Runs with one size of batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchStatistics {
    /// Rows in the batch.
    pub batch_size: u64,
    /// Joining rows.
    pub compute_input: StatisticDuration,
    /// In the model.
    pub compute_infer: StatisticDuration,
    /// Taking rows apart.
    pub compute_output: StatisticDuration,
}

/// Memory of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUsage {
    /// The kind, such as `CPU`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one of the kind.
    pub id: i64,
    /// How much.
    pub byte_size: u64,
}
