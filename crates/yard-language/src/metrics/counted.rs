//! One answer among the numbers.

use std::{sync::Arc, time::Instant};

use yard_types::ErrorCode;
use yard_worker::{WorkerError, language::EndReason};

use super::{AnswerEnd, LanguageMetrics, add};
use crate::{LanguageError, Part};

/// Counts an answer from its beginning to its end. One that is dropped in between was cancelled.
#[derive(Debug)]
pub(crate) struct Counted {
    metrics: Arc<LanguageMetrics>,
    prompt_tokens: u64,
    /// When the answer was asked for; from the first token on, when the newest one came.
    since: Instant,
    has_token: bool,
    is_over: bool,
}

impl Counted {
    /// An answer is asked for.
    pub(crate) fn begin(metrics: Arc<LanguageMetrics>, prompt_tokens: u64, now: Instant) -> Self {
        add(&metrics.begun, 1);
        Self { metrics, prompt_tokens, since: now, has_token: false, is_over: false }
    }

    /// A part of it came.
    pub(crate) fn part(&mut self, part: &Part, now: Instant) {
        match part {
            Part::Begun { cached_tokens } => self.metrics.read(self.prompt_tokens, *cached_tokens),
            Part::Token(_) => self.token(now),
            Part::Ended(ended) => {
                // The token that completes an answer comes with its end.
                if ended.last.is_some() {
                    self.token(now);
                }
                self.end(AnswerEnd::of_reason(ended.reason()));
            }
        }
    }

    /// It came to nothing.
    pub(crate) fn failed(&mut self, error: &LanguageError) {
        self.end(AnswerEnd::of_error(error));
    }

    fn token(&mut self, now: Instant) {
        let metrics = &self.metrics;
        let times = if self.has_token { &metrics.between_tokens } else { &metrics.to_first_token };
        times.record(now.saturating_duration_since(self.since));
        add(&metrics.answer_tokens, 1);
        self.has_token = true;
        self.since = now;
    }

    fn end(&mut self, end: AnswerEnd) {
        if !std::mem::replace(&mut self.is_over, true) {
            add(&self.metrics.ended[end as usize], 1);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(AnswerEnd::Cancelled);
    }
}

impl AnswerEnd {
    const fn of_reason(reason: EndReason) -> Self {
        match reason {
            EndReason::Token | EndReason::String => Self::Stop,
            EndReason::Length => Self::Length,
            EndReason::Cancelled => Self::Cancelled,
            EndReason::Deadline => Self::Deadline,
            EndReason::Failed | EndReason::Unspecified => Self::Failed,
        }
    }

    const fn of_error(error: &LanguageError) -> Self {
        match error {
            LanguageError::Refused { code, .. } => match code {
                ErrorCode::Internal => Self::Failed,
                ErrorCode::Cancelled => Self::Cancelled,
                ErrorCode::DeadlineExceeded => Self::Deadline,
                _ => Self::Refused,
            },
            LanguageError::ShareTaken { .. } => Self::Refused,
            LanguageError::Worker(WorkerError::TooSlow) => Self::Cancelled,
            LanguageError::Worker(WorkerError::TooManyCalls { .. } | WorkerError::TooLarge { .. }) => {
                Self::Refused
            }
            LanguageError::Worker(_) | LanguageError::Restarting | LanguageError::Nonsense => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use yard_worker::language::{Ended, Token};

    use super::*;
    use crate::LanguageCounts;

    fn ended(reason: EndReason, last: Option<Token>) -> Part {
        Part::Ended(Ended { reason: reason.into(), last, ..Ended::default() })
    }

    /// The numbers after an answer to a prompt of ten tokens, of which each part came so many milliseconds after the one
    /// before.
    fn counts_of(parts: &[(u64, Part)]) -> LanguageCounts {
        let metrics = Arc::new(LanguageMetrics::new());
        let mut now = Instant::now();
        let mut counted = Counted::begin(Arc::clone(&metrics), 10, now);
        assert_eq!(metrics.counts().answers_in_flight, 1);
        for (after, part) in parts {
            now += Duration::from_millis(*after);
            counted.part(part, now);
        }
        drop(counted);
        let counts = metrics.counts();
        assert_eq!(counts.answers_in_flight, 0);
        assert_eq!(counts.ended.iter().map(|(_, count)| count).sum::<u64>(), 1, "{counts:?}");
        counts
    }

    #[track_caller]
    fn check_end(counts: &LanguageCounts, expected: AnswerEnd) {
        assert!(counts.ended.contains(&(expected, 1)), "{counts:?}");
    }

    #[test]
    fn an_answer_counts_its_tokens_and_their_times() {
        let token = || Part::Token(Token::default());
        let counts = counts_of(&[
            (3, Part::Begun { cached_tokens: 4 }),
            (20, token()),
            (5, token()),
            (7, ended(EndReason::Token, Some(Token::default()))),
        ]);
        check_end(&counts, AnswerEnd::Stop);
        assert_eq!((counts.prompt_tokens, counts.cached_prompt_tokens, counts.answer_tokens), (10, 4, 3));
        assert_eq!((counts.to_first_token.count, counts.to_first_token.sum), (1, Duration::from_millis(23)));
        assert_eq!((counts.between_tokens.count, counts.between_tokens.sum), (2, Duration::from_millis(12)));
    }

    #[test]
    fn an_answer_of_one_token_has_a_first_one() {
        let begun = Part::Begun { cached_tokens: 0 };
        let counts = counts_of(&[(1, begun), (1, ended(EndReason::Length, Some(Token::default())))]);
        check_end(&counts, AnswerEnd::Length);
        assert_eq!(counts.answer_tokens, 1);
        assert_eq!((counts.to_first_token.count, counts.between_tokens.count), (1, 0));
    }

    #[test]
    fn an_answer_that_is_dropped_was_cancelled() {
        let counts = counts_of(&[]);
        check_end(&counts, AnswerEnd::Cancelled);
        assert_eq!((counts.prompt_tokens, counts.to_first_token.count), (0, 0), "it never began");
        let begun = Part::Begun { cached_tokens: 1 };
        let counts = counts_of(&[(1, begun), (1, Part::Token(Token::default()))]);
        check_end(&counts, AnswerEnd::Cancelled);
        assert_eq!((counts.prompt_tokens, counts.answer_tokens), (10, 1));
        check_end(&counts_of(&[(1, ended(EndReason::Cancelled, None))]), AnswerEnd::Cancelled);
    }

    #[test]
    fn errors_end_answers_once() {
        let refused = |code| LanguageError::Refused { code, message: String::new() };
        for (error, expected) in [
            (refused(ErrorCode::InvalidArgument), AnswerEnd::Refused),
            (refused(ErrorCode::Unavailable), AnswerEnd::Refused),
            (refused(ErrorCode::Internal), AnswerEnd::Failed),
            (refused(ErrorCode::DeadlineExceeded), AnswerEnd::Deadline),
            (LanguageError::Restarting, AnswerEnd::Failed),
            (LanguageError::Nonsense, AnswerEnd::Failed),
            (WorkerError::Gone.into(), AnswerEnd::Failed),
            (WorkerError::TooSlow.into(), AnswerEnd::Cancelled),
            (WorkerError::TooManyCalls { most: 1 }.into(), AnswerEnd::Refused),
        ] {
            let metrics = Arc::new(LanguageMetrics::new());
            let mut counted = Counted::begin(Arc::clone(&metrics), 1, Instant::now());
            counted.failed(&error);
            // Whoever asks on hears that the call is gone.
            counted.failed(&WorkerError::Gone.into());
            drop(counted);
            let counts = metrics.counts();
            check_end(&counts, expected);
            assert_eq!(counts.answers_in_flight, 0, "{error}");
        }
    }
}
