//! A request that has not ended.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use super::{
    drafts::Drafts,
    request::{Request, Usage},
};
use crate::{
    Constraint, ControlText, Detokenizer, LlmError, Priority, Sampler, Sequence, StopMatcher, TokenId,
    Tokenizer,
};

/// Everything about a request.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) tenant: Arc<str>,
    pub(super) weight: NonZeroU32,
    pub(super) salt: Arc<str>,
    pub(super) priority: Priority,
    pub(super) deadline: Option<Instant>,
    pub(super) is_cancelled: bool,
    /// The prompt, and the answer as far as it is written.
    pub(super) tokens: Vec<TokenId>,
    pub(super) prompt: usize,
    /// Present while it runs. Its tokens are the first of `tokens`.
    pub(super) sequence: Option<Sequence>,
    pub(super) sampler: Sampler,
    pub(super) stop: StopMatcher,
    pub(super) detokenizer: Detokenizer,
    pub(super) constraint: Option<Constraint>,
    pub(super) drafts: Drafts,
    /// Tokens that may follow.
    pub(super) guesses: Vec<TokenId>,
    pub(super) cached: usize,
    pub(super) preemptions: usize,
}

impl Active {
    /// A request as it comes; `longest` tokens is all it may have.
    pub(super) fn new(
        request: Request,
        tokenizer: &Arc<Tokenizer>,
        longest: usize,
    ) -> Result<Self, LlmError> {
        let Request { prompt, sampling, mut stop, constraint, tenant, weight, salt, priority, deadline } =
            request;
        if prompt.is_empty() {
            return Err(LlmError::Configuration("the prompt has no tokens".to_owned()));
        }
        let room = longest.saturating_sub(prompt.len());
        if room == 0 {
            return Err(LlmError::ContextFull { tokens: prompt.len() + 1, context: longest });
        }
        stop.most_tokens = Some(stop.most_tokens.unwrap_or(room).min(room));
        stop.tokens.extend(tokenizer.special_tokens().ends_of_generation.iter().copied());
        Ok(Self {
            tenant,
            weight,
            salt,
            priority,
            deadline,
            is_cancelled: false,
            sampler: Sampler::new(sampling, &prompt)?,
            stop: StopMatcher::new(stop)?,
            detokenizer: Detokenizer::new(Arc::clone(tokenizer), ControlText::Hidden),
            constraint,
            drafts: Drafts::default(),
            guesses: Vec::new(),
            sequence: None,
            prompt: prompt.len(),
            tokens: prompt,
            cached: 0,
            preemptions: 0,
        })
    }

    /// Tokens that need not be computed if they are known: all but the last, whose logits are wanted.
    pub(super) fn reusable(&self) -> &[TokenId] {
        &self.tokens[..self.tokens.len() - 1]
    }

    /// Whether it runs and has more than its last token to run.
    pub(super) fn is_reading(&self) -> bool {
        self.sequence.as_ref().is_some_and(|sequence| self.tokens.len() - sequence.len() > 1)
    }

    pub(super) fn answer_tokens(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt,
            cached_tokens: self.cached,
            answer_tokens: self.answer_tokens(),
            preemptions: self.preemptions,
        }
    }
}
