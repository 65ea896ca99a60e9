//! How many tokens of language models a key may use.

use std::fmt;

/// Largest budget. Keeps sums far from overflow, also where they are signed.
const MAX_TOKENS: u64 = 1_000_000_000_000;

/// Most tokens, of prompts and answers together; `None` for as many as the server can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenBudget {
    /// In a minute of the clock.
    pub tokens_per_minute: Option<u64>,
    /// In a day of UTC.
    pub tokens_per_day: Option<u64>,
    /// In a month of UTC.
    pub tokens_per_month: Option<u64>,
    /// In one request.
    pub tokens_per_request: Option<u64>,
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenSpan {
    /// A minute of the clock.
    Minute,
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
    /// One request.
    Request,
}

/// A request may need more tokens than its key has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct TokensExhausted {
    /// Which budget. Of several, the one that is renewed last.
    pub what: TokenSpan,
    /// All of it.
    pub limit: u64,
    /// What is neither used nor held for requests that are being answered.
    pub left: u64,
    /// What the request may need: its prompt and its longest answers.
    pub asked: u64,
    /// Seconds until the budget is renewed, rounded up, at least 1; 0 for that of a request, which never is.
    pub retry_after_seconds: u64,
}

// === impl TokenBudget ===

impl TokenBudget {
    /// Whether each budget that is set is a number that can be kept to.
    pub(crate) fn is_well_formed(&self) -> bool {
        [self.tokens_per_minute, self.tokens_per_day, self.tokens_per_month, self.tokens_per_request]
            .into_iter()
            .flatten()
            .all(|tokens| (1..=MAX_TOKENS).contains(&tokens))
    }
}

// === impl TokenSpan ===

impl TokenSpan {
    /// The span as messages name it, behind "a".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
            Self::Request => "request",
        }
    }
}

// === impl TokensExhausted ===

impl TokensExhausted {
    /// Whether no waiting helps: the request may need more than all of the budget.
    pub const fn never_fits(&self) -> bool {
        matches!(self.what, TokenSpan::Request) || self.asked > self.limit
    }
}

impl fmt::Display for TokensExhausted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, limit, left, asked, retry_after_seconds } = self;
        let span = what.as_str();
        write!(formatter, "this key may use {limit} tokens a {span}, prompt and answer together")?;
        match what {
            TokenSpan::Request => write!(
                formatter,
                "; this request may need {asked}: shorten the prompt or ask for a shorter answer"
            ),
            _ if asked > limit => write!(
                formatter,
                "; this request may need {asked}, more than all of it: shorten the prompt or ask for a shorter answer"
            ),
            _ => write!(
                formatter,
                ", and has {left} left; this request may need {asked}: the budget is renewed in {retry_after_seconds} s"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_that_cannot_be_kept_to_are_not_well_formed() {
        assert!(TokenBudget::default().is_well_formed());
        for (tokens, expected) in [(0, false), (1, true), (MAX_TOKENS, true), (MAX_TOKENS + 1, false)] {
            let budget = TokenBudget { tokens_per_day: Some(tokens), ..TokenBudget::default() };
            assert_eq!(budget.is_well_formed(), expected, "{tokens}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_left_and_when_there_is_more() {
        let day =
            TokensExhausted { what: TokenSpan::Day, limit: 100, left: 30, asked: 40, retry_after_seconds: 9 };
        let text = day.to_string();
        assert!(
            ["100 tokens a day", "30 left", "may need 40", "in 9 s"].iter().all(|part| text.contains(part))
        );
        let request = TokensExhausted { what: TokenSpan::Request, ..day };
        assert!(!request.to_string().contains("renewed"));
        let never = TokensExhausted { asked: 101, ..day };
        assert!(never.to_string().contains("more than all of it"));
    }
}
