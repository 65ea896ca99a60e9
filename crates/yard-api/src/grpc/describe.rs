//! Descriptions and statistics as messages. They are made once, as the structs of [`crate::v2`], so that both surfaces
//! say the same.

use super::proto;
use crate::v2;

impl From<v2::ServerMetadata> for proto::ServerMetadataResponse {
    fn from(metadata: v2::ServerMetadata) -> Self {
        let v2::ServerMetadata { name, version, extensions } = metadata;
        Self { name, version, extensions }
    }
}

impl From<v2::ModelMetadata> for proto::ModelMetadataResponse {
    fn from(metadata: v2::ModelMetadata) -> Self {
        let v2::ModelMetadata { name, versions, platform, inputs, outputs } = metadata;
        let tensor = |tensor: v2::TensorMetadata| {
            let v2::TensorMetadata { name, datatype, shape } = tensor;
            proto::model_metadata_response::TensorMetadata { name, datatype, shape }
        };
        Self {
            name,
            versions,
            platform,
            inputs: inputs.into_iter().map(tensor).collect(),
            outputs: outputs.into_iter().map(tensor).collect(),
        }
    }
}

impl From<Vec<v2::RepositoryEntry>> for proto::RepositoryIndexResponse {
    fn from(entries: Vec<v2::RepositoryEntry>) -> Self {
        let entry = |entry: v2::RepositoryEntry| {
            let v2::RepositoryEntry { name, version, state, reason } = entry;
            let state = state.as_str().to_owned();
            proto::repository_index_response::ModelIndex { name, version, state, reason }
        };
        Self { models: entries.into_iter().map(entry).collect() }
    }
}

// === configuration ===

impl From<v2::ModelConfig> for proto::ModelConfigResponse {
    fn from(config: v2::ModelConfig) -> Self {
        let version_policy = match config.version_policy {
            v2::VersionPolicy::All {} => {
                proto::model_version_policy::PolicyChoice::All(proto::model_version_policy::All {})
            }
            v2::VersionPolicy::Specific { versions } => {
                proto::model_version_policy::PolicyChoice::Specific(proto::model_version_policy::Specific {
                    versions,
                })
            }
        };
        let dynamic_batching = config.dynamic_batching.map(|batching| {
            proto::model_config::SchedulingChoice::DynamicBatching(proto::ModelDynamicBatching {
                preferred_batch_size: batching.preferred_batch_size,
                max_queue_delay_microseconds: batching.max_queue_delay_microseconds,
                preserve_ordering: batching.preserve_ordering,
            })
        });
        let v2::TransactionPolicy { decoupled } = config.model_transaction_policy;
        let config = proto::ModelConfig {
            name: config.name,
            platform: config.platform,
            version_policy: Some(proto::ModelVersionPolicy { policy_choice: Some(version_policy) }),
            max_batch_size: config.max_batch_size,
            input: config.input.into_iter().map(config_input).collect(),
            output: config.output.into_iter().map(config_output).collect(),
            instance_group: Vec::new(),
            default_model_filename: config.default_model_filename,
            parameters: std::collections::HashMap::new(),
            backend: config.backend,
            model_transaction_policy: Some(proto::ModelTransactionPolicy { decoupled }),
            scheduling_choice: dynamic_batching,
        };
        Self { config: Some(config) }
    }
}

fn config_input(input: v2::ConfigInput) -> proto::ModelInput {
    proto::ModelInput {
        name: input.name,
        data_type: type_number(&input.data_type),
        format: proto::model_input::Format::None.into(),
        dims: input.dims,
        is_shape_tensor: input.is_shape_tensor,
        allow_ragged_batch: input.allow_ragged_batch,
        optional: input.optional,
    }
}

fn config_output(output: v2::ConfigOutput) -> proto::ModelOutput {
    proto::ModelOutput {
        name: output.name,
        data_type: type_number(&output.data_type),
        dims: output.dims,
        label_filename: output.label_filename,
        is_shape_tensor: output.is_shape_tensor,
    }
}

fn type_number(name: &str) -> i32 {
    proto::DataType::from_str_name(name).unwrap_or(proto::DataType::TypeInvalid).into()
}

// === statistics ===

impl From<v2::AllStatistics> for proto::ModelStatisticsResponse {
    fn from(statistics: v2::AllStatistics) -> Self {
        Self { model_stats: statistics.model_stats.into_iter().map(model_statistics).collect() }
    }
}

fn model_statistics(statistics: v2::ModelStatistics) -> proto::ModelStatistics {
    let v2::ModelStatistics {
        name,
        version,
        last_inference,
        inference_count,
        execution_count,
        inference_stats,
        response_stats,
        batch_stats,
        memory_usage,
    } = statistics;
    proto::ModelStatistics {
        name,
        version,
        last_inference,
        inference_count,
        execution_count,
        inference_stats: Some(inference_statistics(inference_stats)),
        batch_stats: batch_stats.into_iter().map(batch_statistics).collect(),
        memory_usage: memory_usage.into_iter().map(memory_usage_of).collect(),
        response_stats: response_stats
            .into_iter()
            .map(|(name, statistics)| (name, response_statistics(statistics)))
            .collect(),
    }
}

fn duration(duration: v2::StatisticDuration) -> Option<proto::StatisticDuration> {
    let v2::StatisticDuration { count, ns } = duration;
    Some(proto::StatisticDuration { count, ns })
}

fn inference_statistics(statistics: v2::InferenceStatistics) -> proto::InferStatistics {
    proto::InferStatistics {
        success: duration(statistics.success),
        fail: duration(statistics.fail),
        queue: duration(statistics.queue),
        compute_input: duration(statistics.compute_input),
        compute_infer: duration(statistics.compute_infer),
        compute_output: duration(statistics.compute_output),
        cache_hit: duration(statistics.cache_hit),
        cache_miss: duration(statistics.cache_miss),
    }
}

fn response_statistics(statistics: v2::ResponseStatistics) -> proto::InferResponseStatistics {
    proto::InferResponseStatistics {
        compute_infer: duration(statistics.compute_infer),
        compute_output: duration(statistics.compute_output),
        success: duration(statistics.success),
        fail: duration(statistics.fail),
        empty_response: duration(statistics.empty_response),
        cancel: duration(statistics.cancel),
    }
}

fn batch_statistics(statistics: v2::BatchStatistics) -> proto::InferBatchStatistics {
    proto::InferBatchStatistics {
        batch_size: statistics.batch_size,
        compute_input: duration(statistics.compute_input),
        compute_infer: duration(statistics.compute_infer),
        compute_output: duration(statistics.compute_output),
    }
}

fn memory_usage_of(usage: v2::MemoryUsage) -> proto::MemoryUsage {
    proto::MemoryUsage { r#type: usage.kind, id: usage.id, byte_size: usage.byte_size }
}
