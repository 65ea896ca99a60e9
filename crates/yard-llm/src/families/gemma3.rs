//! Gemma 3: norms before and behind each layer, norms of queries and keys, windows in five of six layers.

use std::num::NonZeroUsize;

use yard_kernels::{Activation, RopePairing};

use super::{Source, llama};
use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, Positions, Window},
};

/// Every so many layers one sees the whole context.
const FULL_EVERY: usize = 6;
/// The base of the rotation in layers with a window.
const BASE_IN_WINDOW: f32 = 10_000.0;
/// The base in the others, where the file does not say.
const BASE: f32 = 1_000_000.0;
/// The one size whose scores are scaled by the width of its heads as if there were no other.
const LAYERS_OF_27B: usize = 62;

pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    let mut config = llama::rotary(source, RopePairing::Halves)?;
    if let Positions::Rotary(rotary) = &mut config.positions {
        rotary.base = source.optional("rope.freq_base")?.unwrap_or(BASE);
        rotary.base_in_window = Some(BASE_IN_WINDOW);
    }
    config.feed_forward = FeedForward::Gated(Activation::GeluTanh);
    config.embedding_scale = Some((config.width as f32).sqrt());
    let window = source.optional_size("attention.sliding_window")?.and_then(NonZeroUsize::new);
    config.window = window.map(|positions| Window { positions, full_every: FULL_EVERY });
    // Files write 0 for none.
    config.logit_cap = source.optional("final_logit_softcapping")?.filter(|cap| *cap != 0.0);
    if config.layers == LAYERS_OF_27B {
        config.attention_scale = 1.0 / ((config.width / config.heads) as f32).sqrt();
    }
    Ok(config)
}
