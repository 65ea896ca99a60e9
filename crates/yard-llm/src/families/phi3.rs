//! Phi 3: Llama with one matrix for queries, keys and values and one for gate and up.

use yard_kernels::{RopePairing, RopeScaling};

use super::{Source, llama};
use crate::{
    LlmError,
    config::{ModelConfig, Positions},
};

/// Files with factors for long contexts are read as they were trained: within the original context, with the short ones.
pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    let mut config = llama::rotary(source, RopePairing::Halves)?;
    if source.has_long_rope_factors && source.short_rope_factors.is_none() {
        return Err(LlmError::Configuration("factors of rotation for long contexts alone".to_owned()));
    }
    let original = source.optional_size("rope.scaling.original_context_length")?;
    if let Some(factors) = &source.short_rope_factors
        && let Positions::Rotary(rotary) = &mut config.positions
    {
        rotary.scaling = RopeScaling::Factors(factors.clone());
        config.context = original.unwrap_or(config.context).min(config.context);
    }
    Ok(config)
}
