//! `POST /tokenize` and `POST /detokenize`: what is answered.

use serde::Serialize;

/// The tokens of a text or chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenList {
    count: usize,
    /// Their numbers.
    pub tokens: Vec<u32>,
}

/// The text of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenText {
    /// The text.
    pub content: String,
}

impl TokenList {
    /// Of these tokens, which are counted.
    #[must_use]
    pub const fn new(tokens: Vec<u32>) -> Self {
        Self { count: tokens.len(), tokens }
    }
}
