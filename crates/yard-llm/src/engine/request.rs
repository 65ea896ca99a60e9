//! What an engine is asked and what it says.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use crate::{Constraint, LlmError, Priority, Sampled, SamplingOptions, StopOptions, StopReason, TokenId};

/// Names a request of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// What is wanted of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// A text that goes on from it.
    #[default]
    Text,
    /// One row of values for all of it. Nothing is chosen, so that what is said of choosing and stopping has no meaning.
    Embedding(Pooling),
}

/// How one row is made of the rows of all tokens, each normalized as the model does behind its last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The last token's row, which has seen all others.
    Last,
    /// The mean of all rows.
    Mean,
}

/// An answer that is wanted.
#[derive(Debug)]
pub struct Request {
    /// What is wanted.
    pub wanted: Wanted,
    /// The tokens that the answer goes on from, at least one.
    pub prompt: Vec<TokenId>,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// When the answer ends, besides where the model ends it. Without a limit it may fill the context.
    pub stop: StopOptions,
    /// What the answer must be like.
    pub constraint: Option<Constraint>,
    /// For whom it is: tenants are served equally.
    pub tenant: Arc<str>,
    /// What the tenant gets, compared with others.
    pub weight: NonZeroU32,
    /// Tenants that share what was computed for common beginnings name the same. Without one a tenant shares it with
    /// nobody: who asks could otherwise tell by the time what others have asked.
    pub salt: Option<Arc<str>>,
    /// Who comes first.
    pub priority: Priority,
    /// When nobody will want the answer any more.
    pub deadline: Option<Instant>,
}

impl Request {
    /// A request of a tenant, everything else as it is without wishes.
    #[must_use]
    pub fn new(tenant: impl Into<Arc<str>>, prompt: Vec<TokenId>) -> Self {
        Self {
            wanted: Wanted::Text,
            prompt,
            sampling: SamplingOptions::default(),
            stop: StopOptions::default(),
            constraint: None,
            salt: None,
            tenant: tenant.into(),
            weight: NonZeroU32::MIN,
            priority: Priority::default(),
            deadline: None,
        }
    }
}

/// What happened to a request.
#[derive(Debug)]
pub enum Event {
    /// It runs for the first time.
    Begun {
        /// Which.
        request: RequestId,
        /// Tokens of the prompt that were known and need not be computed.
        cached_tokens: usize,
    },
    /// A token was chosen, and does not end the answer.
    Token {
        /// Whose.
        request: RequestId,
        /// The token, with log-probabilities if they are wanted.
        sampled: Sampled,
        /// Text that is part of the answer; often a word, sometimes nothing yet.
        text: String,
    },
    /// It has ended: the last that is heard of it.
    Ended {
        /// Which.
        request: RequestId,
        /// What is left of the answer's text.
        text: String,
        /// Why.
        end: End,
        /// What it took.
        usage: Usage,
    },
}

/// Why a request ended.
#[derive(Debug)]
pub enum End {
    /// The answer is complete. The token is the one that completed it.
    Stopped(StopReason, Sampled),
    /// The embedding is complete: as many values as the model is wide, of any length as a vector.
    Embedded(Vec<f32>),
    /// Nobody wants it any more.
    Cancelled,
    /// It was not complete in time.
    DeadlinePassed,
    /// It cannot be computed.
    Failed(LlmError),
}

/// What a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that were known.
    pub cached_tokens: usize,
    /// Tokens that were chosen, with the one that ended the answer.
    pub answer_tokens: usize,
    /// How often it lost its pages and was computed again.
    pub preemptions: usize,
}
