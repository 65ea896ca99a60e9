//! Sentence encoders and rerankers: ONNX models that read the tokens of texts, with the `tokenizer.json` that came beside
//! them.
//!
//! [`WithTexts`] goes around an engine. What it loads is the same model as before, and where the package has a tokenizer and
//! the signature is that of an encoder, [`TextEncoder`] is its [`yard_engine::LoadedModel::service`]: texts to tokens, tokens
//! to the model's inputs, outputs to rows of numbers or scores. The runs in between are made by whoever asks, as runs of any
//! other model. What is wrong with the files is a reason to refuse a package at its proof ([`Occasion`]), and later one to
//! serve the model without texts. This crate knows neither HTTP nor async runtimes nor a concrete engine; only it knows `tokenizers`.

#![warn(missing_docs)]

mod batch;
mod encoder;
mod engine;
mod error;
mod files;
mod pooling;
mod settings;
mod shape;
mod tokens;

#[cfg(test)]
mod testing;

pub use encoder::{EncoderFacts, TextEncoder};
pub use engine::{Occasion, WithTexts};
pub use error::EncoderError;
pub use files::is_encoder;
pub use shape::Purpose;
pub use tokens::{Query, Tokens};
