//! The families of models: one file each, which reads the numbers of a model from its file.
//!
//! A family says what is special about it; the layers themselves are shared. To add one: write a file here with a
//! function from [`Source`] to [`ModelConfig`], and name it in [`FAMILIES`]. Optional tensors (biases, norms of queries and
//! keys, norms behind a layer, a head of its own) need no word here: what is in the file is used, or the file is refused.

mod gemma3;
mod gpt2;
mod llama;
mod phi3;
mod qwen2;
mod qwen3;

use yard_gguf::{FromValue, Gguf, Metadata, MetadataError};
use yard_kernels::{RopeScaling, YarnScaling};

use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, Norm, Positions},
};

/// A family: what files call it, and how its numbers are read.
struct Family {
    architecture: &'static str,
    read: fn(&Source<'_>) -> Result<ModelConfig, LlmError>,
}

const FAMILIES: [Family; 6] = [
    Family { architecture: "llama", read: llama::read },
    Family { architecture: "qwen2", read: qwen2::read },
    Family { architecture: "qwen3", read: qwen3::read },
    Family { architecture: "gemma3", read: gemma3::read },
    Family { architecture: "gpt2", read: gpt2::read },
    Family { architecture: "phi3", read: phi3::read },
];

/// Most factors of rotation: half of the largest head.
const MAX_ROPE_FACTORS: usize = 128;

/// The numbers of the model in a file.
pub(crate) fn read<B: AsRef<[u8]>>(file: &Gguf<B>) -> Result<ModelConfig, LlmError> {
    let metadata = file.metadata();
    let architecture = metadata.str("general.architecture")?;
    let Some(family) = FAMILIES.iter().find(|family| family.architecture == architecture) else {
        return Err(LlmError::UnknownArchitecture {
            name: architecture.chars().take(64).collect(),
            supported: FAMILIES.map(|family| family.architecture).join(", "),
        });
    };
    let factors = |name: &str| -> Result<Option<Vec<f32>>, LlmError> {
        let Some(tensor) = file.find(name) else { return Ok(None) };
        // Before memory is asked for: one for each pair of values of a head.
        if tensor.info.values() > MAX_ROPE_FACTORS {
            let what = format!("{} factors of rotation in '{name}'", tensor.info.values());
            return Err(LlmError::Configuration(what));
        }
        Ok(Some(tensor.to_f32()?))
    };
    let source = Source {
        metadata,
        architecture,
        rope_factors: factors("rope_freqs.weight")?,
        short_rope_factors: factors("rope_factors_short.weight")?,
        has_long_rope_factors: file.find("rope_factors_long.weight").is_some(),
    };
    let config = (family.read)(&source)?;
    config.check()?;
    Ok(config)
}

/// What a family reads from.
struct Source<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
    /// What the speeds of rotation are divided by (Llama 3).
    rope_factors: Option<Vec<f32>>,
    /// The same for contexts within the one trained on (Phi 3).
    short_rope_factors: Option<Vec<f32>>,
    has_long_rope_factors: bool,
}

/// What all families have.
struct Sizes {
    width: usize,
    layers: usize,
    heads: usize,
    key_heads: usize,
    head_size: usize,
    inner_width: usize,
    context: usize,
}

// === impl Sizes ===

impl Sizes {
    /// A model of these sizes that does nothing out of the ordinary.
    fn model(
        self,
        source: &Source<'_>,
        norm: Norm,
        positions: Positions,
        feed_forward: FeedForward,
    ) -> ModelConfig {
        ModelConfig {
            architecture: source.architecture.to_owned(),
            width: self.width,
            layers: self.layers,
            heads: self.heads,
            key_heads: self.key_heads,
            head_size: self.head_size,
            inner_width: self.inner_width,
            context: self.context,
            norm,
            positions,
            feed_forward,
            attention_scale: 1.0 / (self.head_size as f32).sqrt(),
            window: None,
            embedding_scale: None,
            attention_cap: None,
            logit_cap: None,
        }
    }
}

// === impl Source ===

impl<'a> Source<'a> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// A value of the family's own keys.
    fn optional<T: FromValue<'a>>(&self, key: &str) -> Result<Option<T>, MetadataError> {
        self.metadata.optional(&self.key(key))
    }

    fn size(&self, key: &str) -> Result<usize, MetadataError> {
        Ok(self.metadata.u32(&self.key(key))? as usize)
    }

    fn optional_size(&self, key: &str) -> Result<Option<usize>, MetadataError> {
        Ok(self.optional::<u32>(key)?.map(|size| size as usize))
    }

    fn epsilon(&self, key: &str) -> Result<f32, MetadataError> {
        self.metadata.f32(&self.key(key))
    }

    fn sizes(&self) -> Result<Sizes, LlmError> {
        let (width, heads) = (self.size("embedding_length")?, self.size("attention.head_count")?);
        if heads == 0 {
            return Err(LlmError::Configuration("the number of heads is 0".to_owned()));
        }
        let head_size = self.optional_size("attention.key_length")?.unwrap_or(width / heads);
        let value_size = self.optional_size("attention.value_length")?.unwrap_or(head_size);
        if head_size != value_size {
            let what = format!("keys of {head_size} and values of {value_size} to a head");
            return Err(LlmError::Configuration(what));
        }
        Ok(Sizes {
            width,
            layers: self.size("block_count")?,
            heads,
            key_heads: self.optional_size("attention.head_count_kv")?.unwrap_or(heads),
            head_size,
            inner_width: self.size("feed_forward_length")?,
            context: self.size("context_length")?,
        })
    }

    fn rope_base(&self) -> Result<f32, MetadataError> {
        Ok(self.optional("rope.freq_base")?.unwrap_or(10_000.0))
    }

    /// How many values of a head turn: all, unless the file says otherwise.
    fn rotated(&self, sizes: &Sizes) -> Result<usize, MetadataError> {
        Ok(self.optional_size("rope.dimension_count")?.unwrap_or(sizes.head_size))
    }

    fn rope_scaling(&self) -> Result<RopeScaling, LlmError> {
        if let Some(factors) = &self.rope_factors {
            return Ok(RopeScaling::Factors(factors.clone()));
        }
        let factor = match self.optional::<f32>("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.optional::<f32>("rope.scale_linear")?,
        };
        let Some(factor) = factor.filter(|factor| *factor != 0.0 && *factor != 1.0) else {
            return Ok(RopeScaling::None);
        };
        match self.optional::<&str>("rope.scaling.type")?.unwrap_or("linear") {
            "none" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear(factor)),
            "yarn" => Ok(RopeScaling::Yarn(YarnScaling {
                factor,
                original_context: self.size("rope.scaling.original_context_length")?,
                beta_fast: self.optional("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                beta_slow: self.optional("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            })),
            other => Err(LlmError::Configuration(format!("positions are scaled by '{other}'"))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
