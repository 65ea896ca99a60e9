//! Qwen 2 and 2.5: Llama with biases on queries, keys and values, and halves for pairs.

use yard_kernels::RopePairing;

use super::{Source, llama};
use crate::{LlmError, config::ModelConfig};

pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    llama::rotary(source, RopePairing::Halves)
}
