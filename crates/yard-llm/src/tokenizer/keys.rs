//! The names of metadata.

pub(super) const MODEL: &str = "tokenizer.ggml.model";
pub(super) const PRE_TOKENIZER: &str = "tokenizer.ggml.pre";
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const KINDS: &str = "tokenizer.ggml.token_type";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";
pub(super) const ADD_SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";
pub(super) const ADD_BEGINNING: &str = "tokenizer.ggml.add_bos_token";
pub(super) const ADD_END: &str = "tokenizer.ggml.add_eos_token";
pub(super) const BEGINNING: &str = "tokenizer.ggml.bos_token_id";
pub(super) const END: &str = "tokenizer.ggml.eos_token_id";
pub(super) const END_OF_TURN: &str = "tokenizer.ggml.eot_token_id";
pub(super) const END_OF_MESSAGE: &str = "tokenizer.ggml.eom_token_id";
pub(super) const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
pub(super) const PADDING: &str = "tokenizer.ggml.padding_token_id";
pub(super) const CHAT_TEMPLATE: &str = "tokenizer.chat_template";
pub(super) const ARCHITECTURE: &str = "general.architecture";
