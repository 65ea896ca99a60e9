//! What is counted of a model's answers, with relaxed atomics: some nanoseconds a token.

mod counted;
mod times;

use std::sync::atomic::{AtomicU64, Ordering};

use yard_worker::language::Usage;

use times::{BETWEEN_TOKENS, TO_FIRST_TOKEN, Times};

pub(crate) use counted::Counted;
pub use times::TimesSnapshot;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerEnd {
    /// The model ended it, or a text that ends answers came.
    Stop,
    /// It became as long as it may be.
    Length,
    /// Nobody wanted it any more, or it was not read in time.
    Cancelled,
    /// Its deadline passed.
    Deadline,
    /// The model did not take the request, or had no room for it.
    Refused,
    /// The model failed, or its process was not there or went away.
    Failed,
}

/// The numbers of a model at one moment. They begin at 0 when it is loaded, and go on when its process is started again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LanguageCounts {
    /// Answers that have ended, by how: all of [`AnswerEnd::ALL`].
    pub ended: Vec<(AnswerEnd, u64)>,
    /// Answers that were begun and have not ended, those included that wait.
    pub answers_in_flight: u64,
    /// Tokens of prompts with which the model began, those of embeddings included.
    pub prompt_tokens: u64,
    /// Those of them that were known and needed not be computed.
    pub cached_prompt_tokens: u64,
    /// Tokens of answers, with those that ended them.
    pub answer_tokens: u64,
    /// Embeddings that were given.
    pub embeddings: u64,
    /// From the request to the answer's first token, as it was taken from the process.
    pub to_first_token: TimesSnapshot,
    /// From each token of an answer to the next.
    pub between_tokens: TimesSnapshot,
}

/// What is counted while a model is loaded.
#[derive(Debug)]
pub(crate) struct LanguageMetrics {
    begun: AtomicU64,
    ended: [AtomicU64; AnswerEnd::ALL.len()],
    prompt_tokens: AtomicU64,
    cached_prompt_tokens: AtomicU64,
    answer_tokens: AtomicU64,
    embeddings: AtomicU64,
    to_first_token: Times,
    between_tokens: Times,
}

// === impl AnswerEnd ===

impl AnswerEnd {
    /// All there are, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Stop, Self::Length, Self::Cancelled, Self::Deadline, Self::Refused, Self::Failed];

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

// === impl LanguageMetrics ===

impl LanguageMetrics {
    pub(crate) fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: [const { AtomicU64::new(0) }; AnswerEnd::ALL.len()],
            prompt_tokens: AtomicU64::new(0),
            cached_prompt_tokens: AtomicU64::new(0),
            answer_tokens: AtomicU64::new(0),
            embeddings: AtomicU64::new(0),
            to_first_token: Times::new(&TO_FIRST_TOKEN),
            between_tokens: Times::new(&BETWEEN_TOKENS),
        }
    }

    /// An embedding was given.
    pub(crate) fn embedded(&self, usage: &Usage) {
        add(&self.embeddings, 1);
        self.read(usage.prompt_tokens, usage.cached_tokens);
    }

    fn read(&self, prompt_tokens: u64, cached_tokens: u64) {
        add(&self.prompt_tokens, prompt_tokens);
        add(&self.cached_prompt_tokens, cached_tokens);
    }

    pub(crate) fn counts(&self) -> LanguageCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended: Vec<(AnswerEnd, u64)> =
            AnswerEnd::ALL.into_iter().zip(self.ended.iter().map(read)).collect();
        let all_ended: u64 = ended.iter().map(|(_, count)| count).sum();
        LanguageCounts {
            ended,
            // Nothing orders the counters: one that ends just now may be seen ended and not begun.
            answers_in_flight: read(&self.begun).saturating_sub(all_ended),
            prompt_tokens: read(&self.prompt_tokens),
            cached_prompt_tokens: read(&self.cached_prompt_tokens),
            answer_tokens: read(&self.answer_tokens),
            embeddings: read(&self.embeddings),
            to_first_token: self.to_first_token.snapshot(),
            between_tokens: self.between_tokens.snapshot(),
        }
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_stand_where_their_counters_are() {
        for (place, end) in AnswerEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place, "{}", end.as_str());
        }
    }

    #[test]
    fn embeddings_bring_their_prompts() {
        let metrics = LanguageMetrics::new();
        metrics.embedded(&Usage { prompt_tokens: 7, cached_tokens: 2, ..Usage::default() });
        let counts = metrics.counts();
        assert_eq!((counts.embeddings, counts.prompt_tokens, counts.cached_prompt_tokens), (1, 7, 2));
        assert_eq!((counts.answers_in_flight, counts.answer_tokens), (0, 0));
    }
}
