//! GPT-2: layer norms, learned positions, biases everywhere, a plain feed-forward layer.

use yard_kernels::Activation;

use super::Source;
use crate::{
    LlmError,
    config::{FeedForward, ModelConfig, Norm, NormKind, Positions},
};

pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    let norm = Norm { kind: NormKind::Layer, epsilon: source.epsilon("attention.layer_norm_epsilon")? };
    Ok(source.sizes()?.model(source, norm, Positions::Learned, FeedForward::Plain(Activation::GeluTanh)))
}
