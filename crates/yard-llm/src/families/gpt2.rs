//! GPT-2: layer norms, learned positions, biases everywhere, a plain feed-forward layer.

use yard_kernels::Activation;

use super::Source;
use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, Norm, NormKind, Positions},
};

pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    let sizes = source.sizes()?;
    Ok(ModelConfig {
        architecture: source.architecture.to_owned(),
        width: sizes.width,
        layers: sizes.layers,
        heads: sizes.heads,
        key_heads: sizes.key_heads,
        head_size: sizes.head_size,
        inner_width: sizes.inner_width,
        context: sizes.context,
        norm: Norm { kind: NormKind::Layer, epsilon: source.epsilon("attention.layer_norm_epsilon")? },
        positions: Positions::Learned,
        feed_forward: FeedForward::Plain(Activation::GeluTanh),
        attention_scale: 1.0 / (sizes.head_size as f32).sqrt(),
        window: None,
        embedding_scale: None,
        attention_cap: None,
        logit_cap: None,
    })
}
