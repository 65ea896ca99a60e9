//! Qwen 3: Qwen 2 without biases, with norms of queries and keys.

use yard_kernels::RopePairing;

use super::{Source, llama};
use crate::{LlmError, config::ModelConfig};

pub(super) fn read(source: &Source<'_>) -> Result<ModelConfig, LlmError> {
    llama::rotary(source, RopePairing::Halves)
}
