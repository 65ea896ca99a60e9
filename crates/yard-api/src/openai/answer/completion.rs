//! `POST /v1/completions`: what is answered, at once or event by event.

use serde::Serialize;

use super::{AnswerHead, CompletionLogprobs, FinishReason, StreamUsage};

/// Continuations of prompts, or an event of a stream of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    /// One for each answer; in a stream, those that have gone on.
    pub choices: Vec<CompletionChoice>,
    /// How many tokens it took.
    #[serde(skip_serializing_if = "StreamUsage::is_left_out")]
    pub usage: StreamUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<String>,
}

/// The continuation of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionChoice {
    /// The text; in a stream, what has been added.
    pub text: String,
    /// Which of the answers: those to the first prompt first.
    pub index: u32,
    /// How probable its tokens were, if that was asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ends, if it does.
    pub finish_reason: Option<FinishReason>,
}

impl Completion {
    /// With this beginning.
    #[must_use]
    pub fn new(head: &AnswerHead, choices: Vec<CompletionChoice>, usage: StreamUsage) -> Self {
        let AnswerHead { id, created, model, system_fingerprint } = head.clone();
        Self { id, object: "text_completion", created, model, choices, usage, system_fingerprint }
    }
}
