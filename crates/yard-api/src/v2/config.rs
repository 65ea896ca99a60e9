//! A model's configuration in the shape of Triton's `ModelConfig`, which clients read batch sizes and tensors from.

use serde::{Deserialize, Serialize};
use yard_types::{DataType, Signature};

/// Answer of `/v2/models/{m}/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The model.
    pub name: String,
    /// What runs it, such as `onnxruntime_onnx`.
    pub platform: String,
    /// The engine, such as `onnxruntime`.
    pub backend: String,
    /// Which versions are served.
    pub version_policy: VersionPolicy,
    /// Most rows that are run together; 0 for a model whose rows are never joined.
    pub max_batch_size: i32,
    /// What it takes.
    pub input: Vec<ConfigInput>,
    /// What it gives.
    pub output: Vec<ConfigOutput>,
    /// The file that is loaded.
    pub default_model_filename: String,
    /// How requests are joined; none for a model whose rows are never joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_batching: Option<DynamicBatching>,
    /// How answers relate to requests.
    pub model_transaction_policy: TransactionPolicy,
}

/// Which versions are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionPolicy {
    /// All of them.
    All {},
    /// These.
    Specific {
        /// Their numbers.
        versions: Vec<i64>,
    },
}

/// An input in a model's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigInput {
    /// Its name.
    pub name: String,
    /// Its element type, such as `TYPE_FP32`.
    pub data_type: String,
    /// Always `FORMAT_NONE`.
    pub format: String,
    /// Its shape, without the batch dimension when `max_batch_size` is not 0.
    pub dims: Vec<i64>,
    /// Always false.
    pub is_shape_tensor: bool,
    /// Always false.
    pub allow_ragged_batch: bool,
    /// Always false.
    pub optional: bool,
}

/// An output in a model's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigOutput {
    /// Its name.
    pub name: String,
    /// Its element type, such as `TYPE_FP32`.
    pub data_type: String,
    /// Its shape, without the batch dimension when `max_batch_size` is not 0.
    pub dims: Vec<i64>,
    /// Always empty: labels come with the signature.
    pub label_filename: String,
    /// Always false.
    pub is_shape_tensor: bool,
}

/// How requests are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamicBatching {
    /// Always empty: whatever waits is joined.
    pub preferred_batch_size: Vec<i32>,
    /// How long a request may be held back for others to join it.
    pub max_queue_delay_microseconds: u64,
    /// Always false.
    pub preserve_ordering: bool,
}

/// How answers relate to requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionPolicy {
    /// Whether a request may have several answers.
    pub decoupled: bool,
}

/// What is known of a model besides its signature.
#[derive(Debug, Clone, Copy)]
pub struct ModelSettings<'a> {
    /// The model.
    pub name: &'a str,
    /// What runs it, such as `onnxruntime_onnx`.
    pub platform: &'a str,
    /// The engine, such as `onnxruntime`.
    pub backend: &'a str,
    /// The file that is loaded.
    pub file_name: &'a str,
    /// The versions that are served.
    pub versions: &'a [u32],
    /// Most rows that are run together; `None` when rows of several requests are never joined.
    pub max_batch_size: Option<u32>,
    /// How long a request may be held back for others to join it.
    pub max_queue_delay: std::time::Duration,
}

impl ModelConfig {
    /// The configuration of a model of this signature.
    pub fn new(settings: ModelSettings<'_>, signature: &Signature) -> Self {
        let max_batch_size =
            settings.max_batch_size.map_or(0, |size| i32::try_from(size).unwrap_or(i32::MAX));
        let batches = max_batch_size > 0;
        let dims = |shape: Vec<i64>| if batches { shape.into_iter().skip(1).collect() } else { shape };
        let input = signature.inputs.iter().map(|spec| ConfigInput {
            name: spec.name.clone(),
            data_type: type_name(spec.data_type).to_owned(),
            format: "FORMAT_NONE".to_owned(),
            dims: dims(spec.wire_shape()),
            is_shape_tensor: false,
            allow_ragged_batch: false,
            optional: false,
        });
        let output = signature.outputs.iter().map(|spec| ConfigOutput {
            name: spec.name.clone(),
            data_type: type_name(spec.data_type).to_owned(),
            dims: dims(spec.wire_shape()),
            label_filename: String::new(),
            is_shape_tensor: false,
        });
        let max_queue_delay_microseconds =
            u64::try_from(settings.max_queue_delay.as_micros()).unwrap_or(u64::MAX);
        Self {
            name: settings.name.to_owned(),
            platform: settings.platform.to_owned(),
            backend: settings.backend.to_owned(),
            version_policy: VersionPolicy::Specific {
                versions: settings.versions.iter().map(|version| i64::from(*version)).collect(),
            },
            max_batch_size,
            input: input.collect(),
            output: output.collect(),
            default_model_filename: settings.file_name.to_owned(),
            dynamic_batching: batches
                .then(|| DynamicBatching { max_queue_delay_microseconds, ..DynamicBatching::default() }),
            model_transaction_policy: TransactionPolicy::default(),
        }
    }
}

/// The name of an element type in a model's configuration.
pub(crate) const fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Bool => "TYPE_BOOL",
        DataType::Uint8 => "TYPE_UINT8",
        DataType::Uint16 => "TYPE_UINT16",
        DataType::Uint32 => "TYPE_UINT32",
        DataType::Uint64 => "TYPE_UINT64",
        DataType::Int8 => "TYPE_INT8",
        DataType::Int16 => "TYPE_INT16",
        DataType::Int32 => "TYPE_INT32",
        DataType::Int64 => "TYPE_INT64",
        DataType::Fp16 => "TYPE_FP16",
        DataType::Bf16 => "TYPE_BF16",
        DataType::Fp32 => "TYPE_FP32",
        DataType::Fp64 => "TYPE_FP64",
        DataType::Bytes => "TYPE_STRING",
    }
}
