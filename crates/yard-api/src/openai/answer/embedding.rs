//! `POST /v1/embeddings`: what is answered.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::openai::EncodingFormat;

/// The embeddings of texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingList {
    object: &'static str,
    /// One for each text.
    pub data: Vec<EmbeddingObject>,
    /// The model.
    pub model: String,
    /// How many tokens they took.
    pub usage: EmbeddingUsage,
}

/// The embedding of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingObject {
    object: &'static str,
    /// Which of the texts.
    pub index: u32,
    /// Its numbers.
    pub embedding: EmbeddingVector,
}

/// The numbers of an embedding.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EmbeddingVector {
    /// As they are.
    Float(Vec<f32>),
    /// Their bytes, little-endian, as base64 text.
    Base64(String),
}

/// How many tokens texts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EmbeddingUsage {
    /// Of all texts.
    pub prompt_tokens: u64,
    /// The same.
    pub total_tokens: u64,
}

impl EmbeddingList {
    /// Of this model.
    #[must_use]
    pub fn new(model: impl Into<String>, data: Vec<EmbeddingObject>, prompt_tokens: u64) -> Self {
        let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
        Self { object: "list", data, model: model.into(), usage }
    }
}

impl EmbeddingObject {
    /// Written as the request asks.
    #[must_use]
    pub fn new(index: u32, numbers: Vec<f32>, format: EncodingFormat) -> Self {
        let embedding = match format {
            EncodingFormat::Float => EmbeddingVector::Float(numbers),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                EmbeddingVector::Base64(STANDARD.encode(bytes))
            }
        };
        Self { object: "embedding", index, embedding }
    }
}
