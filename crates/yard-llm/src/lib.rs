//! Language models: text in and out as tokens, the layers in between, and the choice of each next token.
//!
//! Everything a model needs comes from its own GGUF file: vocabulary, rules, template. This crate speaks no protocol,
//! knows no tenant and no registry, and waits for nobody: its calls are plain functions of what they are given.

#![warn(missing_docs)]

mod cache;
mod config;
mod error;
mod families;
mod model;
mod sampling;
mod stream;
mod tokenizer;

pub use cache::{KeyValueCache, Sequence};
pub use config::{FeedForward, ModelConfig, Norm, NormKind, Positions, Rotary, Window};
pub use error::LlmError;
pub use model::{LogitRows, Model, Part, Scratch};
pub use sampling::{
    AllowedTokens, Sampled, Sampler, SamplingError, SamplingOptions, SamplingScratch, StopMatcher,
    StopOptions, StopReason, StoppedText, TokenLogProbability,
};
pub use stream::{Piece, TextStream};
pub use tokenizer::{
    ControlText, Detokenizer, EncodeOptions, SpecialTokens, TokenId, TokenKind, Tokenizer, TokenizerError,
};
