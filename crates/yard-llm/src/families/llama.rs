//! Llama 2 and 3, Mistral, SmolLM2 and others that are built alike.

use yard_kernels::{Activation, RopePairing};

use super::Source;
use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, Norm, NormKind, Positions, Rotary},
};

/// Files of this family have their queries and keys reordered so that neighbours make a pair.
pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    if source.optional::<u32>("expert_count")?.unwrap_or(0) > 0 {
        return Err(LlmError::Configuration("a mixture of experts".to_owned()));
    }
    rotary(source, RopePairing::Neighbours)
}

/// What Llama shares with those that follow it: RMS norms, rotation, a gated feed-forward layer with SiLU.
pub(super) fn rotary(source: &Source<'_>, pairing: RopePairing) -> Result<ModelConfig, LlmError> {
    let sizes = source.sizes()?;
    let rotary = Rotary {
        pairing,
        values: source.rotated(&sizes)?,
        base: source.rope_base()?,
        scaling: source.rope_scaling()?,
        magnitude: source.optional("rope.scaling.attn_factor")?.unwrap_or(1.0),
        base_in_window: None,
    };
    let norm = Norm { kind: NormKind::Rms, epsilon: source.epsilon("attention.layer_norm_rms_epsilon")? };
    Ok(sizes.model(source, norm, Positions::Rotary(rotary), FeedForward::Gated(Activation::Silu)))
}
