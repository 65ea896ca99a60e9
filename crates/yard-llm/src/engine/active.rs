//! A request that has not ended.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use super::{
    drafts::Drafts,
    request::{Pooling, Request, Usage, Wanted},
};
use crate::{
    Constraint, ControlText, Detokenizer, LlmError, Priority, Sampler, Sequence, StopMatcher, TokenId,
    Tokenizer,
};

/// Most tokens of a text that a grammar leaves no choice about which are run in one step.
const MOST_FORCED: usize = 16;

/// Everything about a request.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) tenant: Arc<str>,
    pub(super) weight: NonZeroU32,
    pub(super) salt: Arc<str>,
    pub(super) priority: Priority,
    pub(super) deadline: Option<Instant>,
    pub(super) is_cancelled: bool,
    /// How an embedding is made, if one is wanted.
    pub(super) pooling: Option<Pooling>,
    /// Sum of the rows of the tokens that are known, or the last of them.
    pub(super) pooled: Vec<f32>,
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
    /// Whether a grammar leaves no other text than that of the guesses.
    is_forced: bool,
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
        let Request {
            wanted,
            prompt,
            sampling,
            mut stop,
            constraint,
            tenant,
            weight,
            salt,
            priority,
            deadline,
        } = request;
        if prompt.is_empty() {
            return Err(LlmError::Configuration("the prompt has no tokens".to_owned()));
        }
        let pooling = match wanted {
            Wanted::Text => None,
            Wanted::Embedding(pooling) => Some(pooling),
        };
        let room = longest.saturating_sub(prompt.len());
        let needed = prompt.len() + usize::from(pooling.is_none());
        if needed > longest {
            return Err(LlmError::ContextFull { tokens: needed, context: longest });
        }
        // No tenant's name is the name of what tenants share.
        let salt = salt.map_or_else(|| format!("tenant {tenant}"), |salt| format!("shared {salt}")).into();
        stop.most_tokens = Some(stop.most_tokens.unwrap_or(room).min(room.max(1)));
        stop.tokens.extend(tokenizer.special_tokens().ends_of_generation.iter().copied());
        Ok(Self {
            tenant,
            weight,
            salt,
            priority,
            deadline,
            is_cancelled: false,
            pooling,
            pooled: Vec::new(),
            sampler: Sampler::new(sampling, &prompt)?,
            stop: StopMatcher::new(stop)?,
            detokenizer: Detokenizer::new(Arc::clone(tokenizer), ControlText::Hidden),
            constraint,
            drafts: Drafts::default(),
            guesses: Vec::new(),
            is_forced: false,
            sequence: None,
            prompt: prompt.len(),
            tokens: prompt,
            cached: 0,
            preemptions: 0,
        })
    }

    /// Tokens that need not be computed if they are known: all but the last, whose logits are wanted. Of a mean every
    /// row is.
    pub(super) fn reusable(&self) -> &[TokenId] {
        let end = if self.pooling == Some(Pooling::Mean) { 0 } else { self.tokens.len() - 1 };
        &self.tokens[..end]
    }

    /// Takes the rows of further tokens into an embedding.
    pub(super) fn pool(&mut self, rows: &[f32], width: usize) {
        let mean = self.pooling == Some(Pooling::Mean);
        for row in rows.chunks_exact(width) {
            if mean && self.pooled.len() == width {
                self.pooled.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            } else {
                self.pooled.clear();
                self.pooled.extend_from_slice(row);
            }
        }
    }

    /// The embedding, when all tokens are in it.
    pub(super) fn take_embedding(&mut self) -> Vec<f32> {
        let mut embedding = std::mem::take(&mut self.pooled);
        if self.pooling == Some(Pooling::Mean) {
            let count = self.tokens.len() as f32;
            embedding.iter_mut().for_each(|value| *value /= count);
        }
        embedding
    }

    /// Whether it runs and has more than its last token to run.
    pub(super) fn is_reading(&self) -> bool {
        self.sequence.as_ref().is_some_and(|sequence| self.tokens.len() - sequence.len() > 1)
    }

    /// Puts what may follow into `guesses`: what a grammar leaves no choice about, else what followed the last tokens before.
    pub(super) fn guess(&mut self) {
        // An error is kept, and found again when the mask is used.
        let forced = self.constraint.as_mut().and_then(|constraint| constraint.forced().ok());
        self.guesses.extend(forced.into_iter().flatten().take(MOST_FORCED));
        self.is_forced = !self.guesses.is_empty();
        if !self.is_forced {
            self.drafts.guess(&self.tokens, &mut self.guesses);
        }
    }

    /// Learns how many of the last guesses were right, if they were guesses.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        if !self.is_forced {
            self.drafts.learn(guessed, right);
        }
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
