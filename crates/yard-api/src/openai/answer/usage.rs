//! How many tokens a request took.

use serde::Serialize;

/// How many tokens a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u64,
    /// Of all answers.
    pub completion_tokens: u64,
    /// Of both.
    pub total_tokens: u64,
    /// More on the prompt.
    pub prompt_tokens_details: PromptTokensDetails,
    /// More on the answers, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

/// More on the tokens of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PromptTokensDetails {
    /// Those that were known from an earlier request.
    pub cached_tokens: u64,
}

/// More on the tokens of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CompletionTokensDetails {
    /// Those that the model thought with.
    pub reasoning_tokens: u64,
}

/// What an answer or an event says of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StreamUsage {
    /// Nothing: nobody has asked.
    LeftOut,
    /// Not yet: `null`.
    Pending,
    /// All of them.
    Total(Usage),
}

impl Usage {
    /// The sum is computed.
    #[must_use]
    pub const fn new(prompt_tokens: u64, completion_tokens: u64, cached_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptTokensDetails { cached_tokens },
            completion_tokens_details: None,
        }
    }
}

impl StreamUsage {
    pub(crate) const fn is_left_out(&self) -> bool {
        matches!(self, Self::LeftOut)
    }
}
