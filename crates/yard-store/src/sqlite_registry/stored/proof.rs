//! How the proof of a version is stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_registry::{EngineStamp, JoiningRecord, LanguageRecord, ProofRecord, WarmUpRecord};
use yard_types::{Dim, Signature, TensorSpec};

use super::{FORMAT, nanoseconds};

/// The format of the proof of a language model: the first one, and what the model is made of.
pub(super) const LANGUAGE_FORMAT: u32 = 2;
/// As [`LANGUAGE_FORMAT`], and what keys and values of a token take.
pub(super) const POSITION_FORMAT: u32 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredProof {
    format: u32,
    engine: StoredEngine,
    main: String,
    inputs: Vec<StoredTensor>,
    outputs: Vec<StoredTensor>,
    joining: StoredJoining,
    warm_up: StoredWarmUp,
    golden_samples: usize,
    single_run_ns: Option<u64>,
    memory_bytes: u64,
    /// There in [`LANGUAGE_FORMAT`] and [`POSITION_FORMAT`], and in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<StoredLanguage>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLanguage {
    architecture: String,
    parameters: u64,
    context: u64,
    vocabulary: u64,
    width: u64,
    quantization: String,
    tokenizer: String,
    chat_template: Option<String>,
    /// A text, which keeps every bit.
    tokens_per_second: Option<String>,
    weight_bytes: u64,
    /// There in [`POSITION_FORMAT`], and in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEngine {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTensor {
    name: String,
    data_type: String,
    shape: Option<Vec<StoredDim>>,
    labels: Option<Vec<String>>,
}

/// A number is a fixed size, a text a named one, null any.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredDim {
    Fixed(usize),
    Symbol(String),
    Any(()),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredJoining {
    /// The difference is a text: JSON has no infinity, and a text keeps every bit.
    Allowed {
        max_difference: String,
    },
    Refused {
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredWarmUp {
    Ran { shapes: Vec<Vec<usize>> },
    Skipped { reason: String },
}

type Unusable = Box<dyn std::error::Error + Send + Sync>;

impl StoredProof {
    pub(super) fn from_record(proof: &ProofRecord) -> Self {
        Self {
            format: match &proof.language {
                None => FORMAT,
                Some(language) if language.position_bytes.is_none() => LANGUAGE_FORMAT,
                Some(_) => POSITION_FORMAT,
            },
            engine: StoredEngine { name: proof.engine.name.clone(), version: proof.engine.version.clone() },
            main: proof.main.to_string(),
            inputs: proof.signature.inputs.iter().map(StoredTensor::from_spec).collect(),
            outputs: proof.signature.outputs.iter().map(StoredTensor::from_spec).collect(),
            joining: match &proof.joining {
                JoiningRecord::Allowed { max_difference } => {
                    StoredJoining::Allowed { max_difference: format!("{max_difference:?}") }
                }
                JoiningRecord::Refused { reason } => StoredJoining::Refused { reason: reason.clone() },
            },
            warm_up: match &proof.warm_up {
                WarmUpRecord::Ran { shapes } => StoredWarmUp::Ran { shapes: shapes.clone() },
                WarmUpRecord::Skipped { reason } => StoredWarmUp::Skipped { reason: reason.clone() },
            },
            golden_samples: proof.golden_samples,
            single_run_ns: proof.single_run.map(nanoseconds),
            memory_bytes: proof.memory_bytes,
            language: proof.language.as_ref().map(StoredLanguage::from_record),
        }
    }

    pub(super) fn into_record(self) -> Result<ProofRecord, Unusable> {
        let says = match &self.language {
            None => FORMAT,
            Some(language) if language.position_bytes.is_none() => LANGUAGE_FORMAT,
            Some(_) => POSITION_FORMAT,
        };
        if says != self.format {
            return Err(
                format!("format {} and what it says of a language model do not agree", self.format).into()
            );
        }
        Ok(ProofRecord {
            engine: EngineStamp { name: self.engine.name, version: self.engine.version },
            main: self.main.parse()?,
            signature: Signature { inputs: specs(self.inputs)?, outputs: specs(self.outputs)? },
            joining: match self.joining {
                StoredJoining::Allowed { max_difference } => {
                    JoiningRecord::Allowed { max_difference: max_difference.parse()? }
                }
                StoredJoining::Refused { reason } => JoiningRecord::Refused { reason },
            },
            warm_up: match self.warm_up {
                StoredWarmUp::Ran { shapes } => WarmUpRecord::Ran { shapes },
                StoredWarmUp::Skipped { reason } => WarmUpRecord::Skipped { reason },
            },
            golden_samples: self.golden_samples,
            single_run: self.single_run_ns.map(Duration::from_nanos),
            memory_bytes: self.memory_bytes,
            language: self.language.map(StoredLanguage::into_record).transpose()?,
        })
    }
}

impl StoredLanguage {
    fn from_record(record: &LanguageRecord) -> Self {
        Self {
            architecture: record.architecture.clone(),
            parameters: record.parameters,
            context: record.context,
            vocabulary: record.vocabulary,
            width: record.width,
            quantization: record.quantization.clone(),
            tokenizer: record.tokenizer.clone(),
            chat_template: record.chat_template.clone(),
            tokens_per_second: record.tokens_per_second.map(|rate| format!("{rate:?}")),
            weight_bytes: record.weight_bytes,
            position_bytes: record.position_bytes,
        }
    }

    fn into_record(self) -> Result<LanguageRecord, Unusable> {
        Ok(LanguageRecord {
            architecture: self.architecture,
            parameters: self.parameters,
            context: self.context,
            vocabulary: self.vocabulary,
            width: self.width,
            quantization: self.quantization,
            tokenizer: self.tokenizer,
            chat_template: self.chat_template,
            tokens_per_second: self.tokens_per_second.map(|rate| rate.parse()).transpose()?,
            weight_bytes: self.weight_bytes,
            position_bytes: self.position_bytes,
        })
    }
}

impl StoredTensor {
    fn from_spec(spec: &TensorSpec) -> Self {
        let stored_dim = |dim: &Dim| match dim {
            Dim::Fixed(size) => StoredDim::Fixed(*size),
            Dim::Symbol(name) => StoredDim::Symbol(name.clone()),
            Dim::Any => StoredDim::Any(()),
        };
        Self {
            name: spec.name.clone(),
            data_type: spec.data_type.to_string(),
            shape: spec.shape.as_deref().map(|dims| dims.iter().map(stored_dim).collect()),
            labels: spec.labels.clone(),
        }
    }

    fn into_spec(self) -> Result<TensorSpec, Unusable> {
        let dim = |stored| match stored {
            StoredDim::Fixed(size) => Dim::Fixed(size),
            StoredDim::Symbol(name) => Dim::Symbol(name),
            StoredDim::Any(()) => Dim::Any,
        };
        Ok(TensorSpec {
            name: self.name,
            data_type: self.data_type.parse()?,
            shape: self.shape.map(|dims| dims.into_iter().map(dim).collect()),
            labels: self.labels,
        })
    }
}

fn specs(stored: Vec<StoredTensor>) -> Result<Vec<TensorSpec>, Unusable> {
    stored.into_iter().map(StoredTensor::into_spec).collect()
}
