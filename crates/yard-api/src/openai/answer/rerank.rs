//! `POST /v1/rerank`: what is answered.

use serde::Serialize;

use super::EmbeddingUsage;

/// Documents in the order in which they answer a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RerankAnswer {
    /// Names the answer.
    pub id: String,
    /// The model.
    pub model: String,
    /// The best first.
    pub results: Vec<RerankResult>,
    /// How many tokens were read.
    pub usage: EmbeddingUsage,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RerankResult {
    /// Which of the request's documents.
    pub index: usize,
    /// How well it answers the query: the more, the better.
    pub relevance_score: f64,
    /// The document, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<RerankDocument>,
}

/// A document as the request had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RerankDocument {
    /// Its text.
    pub text: String,
}

impl RerankAnswer {
    /// Of this model.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        model: impl Into<String>,
        results: Vec<RerankResult>,
        prompt_tokens: u64,
    ) -> Self {
        let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
        Self { id: id.into(), model: model.into(), results, usage }
    }
}

impl RerankResult {
    /// With or without its text.
    #[must_use]
    pub fn new(index: usize, relevance_score: f64, document: Option<String>) -> Self {
        Self { index, relevance_score, document: document.map(|text| RerankDocument { text }) }
    }
}
