//! Language models: text in and out as tokens, the layers in between, and the choice of each next token.
//!
//! Everything a model needs comes from its own GGUF file: vocabulary, rules, template. An [`Engine`] runs many requests
//! on one model at once. This crate speaks no protocol, knows no registry and no clock, and waits for nobody: its calls
//! are plain functions of what they are given.

#![warn(missing_docs)]

mod cache;
mod config;
mod constraint;
mod engine;
mod error;
mod families;
mod model;
mod prefixes;
mod sampling;
mod schedule;
mod tokenizer;

pub use cache::{KeyValueCache, Sequence};
pub use config::{FeedForward, ModelConfig, Norm, NormKind, Positions, Rotary, Window};
pub use constraint::{Constraint, ConstraintError, ConstraintVocabulary, Grammar};
pub use engine::{
    End, Engine, EngineOptions, EngineStats, Event, Pooling, Request, RequestId, Usage, Wanted,
};
pub use error::LlmError;
pub use model::{LogitRows, Model, Part, Scratch};
pub use sampling::{
    AllowedTokens, Sampled, Sampler, SamplingError, SamplingOptions, SamplingScratch, StopMatcher,
    StopOptions, StopReason, StoppedText, TokenLogProbability,
};
pub use schedule::Priority;
pub use tokenizer::{
    ControlText, Detokenizer, EncodeOptions, SpecialTokens, TokenId, TokenKind, Tokenizer, TokenizerError,
};
