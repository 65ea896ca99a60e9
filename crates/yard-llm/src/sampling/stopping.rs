//! When an answer ends: at a token, a text, or a length.

use std::collections::BTreeSet;

use crate::TokenId;

use super::SamplingError;

const MOST_STRINGS: usize = 16;
const LONGEST_STRING: usize = 1024;

/// When an answer ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// Texts that end an answer and are not part of it: at most 16, each of 1 to 1,024 bytes.
    pub strings: Vec<String>,
    /// Tokens that end an answer and are not part of it.
    pub tokens: BTreeSet<TokenId>,
    /// The longest answer in tokens, if it is limited.
    pub most_tokens: Option<usize>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// One of the stop tokens came.
    Token(TokenId),
    /// The stop string at this place of the list came.
    String(usize),
    /// The answer is as long as it may be.
    Length,
}

/// Text that is part of the answer for certain, and whether the answer ends with it.
#[derive(Debug, PartialEq, Eq)]
pub struct StoppedText<'a> {
    /// The text.
    pub text: &'a str,
    /// Why the answer ends, if it does.
    pub reason: Option<StopReason>,
}

/// Watches an answer as it is written. Text that may be the beginning of a stop string is held back until it is known.
///
/// The first stop string to be complete ends the answer, of several that are complete at once the longest: how the text
/// is cut into tokens makes no difference.
#[derive(Debug)]
pub struct StopMatcher {
    options: StopOptions,
    /// Text that has not been given out: shorter than the longest stop string between calls.
    held: String,
    ready: String,
    tokens: usize,
}

impl StopMatcher {
    /// For one answer.
    ///
    /// # Errors
    ///
    /// There are too many stop strings, or one is empty or too long.
    pub fn new(options: StopOptions) -> Result<Self, SamplingError> {
        let wrong =
            |field, value: usize, range| SamplingError::Option { field, value: value.to_string(), range };
        if options.strings.len() > MOST_STRINGS {
            return Err(wrong("the number of stop strings", options.strings.len(), "at most 16"));
        }
        let wrong_length =
            options.strings.iter().map(String::len).find(|length| !(1..=LONGEST_STRING).contains(length));
        if let Some(length) = wrong_length {
            return Err(wrong("the length of a stop string in bytes", length, "between 1 and 1024"));
        }
        if options.most_tokens == Some(0) {
            return Err(wrong("most_tokens", 0, "at least 1"));
        }
        Ok(Self { options, held: String::new(), ready: String::new(), tokens: 0 })
    }

    /// Takes the next token with the text that it completes. When it is a stop token its text is not looked at. Nothing
    /// may be pushed behind a reason to stop.
    pub fn push(&mut self, token: TokenId, text: &str) -> StoppedText<'_> {
        if self.options.tokens.contains(&token) {
            return self.give_all(Some(StopReason::Token(token)));
        }
        self.tokens += 1;
        self.held.push_str(text);
        if let Some((start, index)) = self.first_complete() {
            self.ready.clear();
            self.ready.push_str(&self.held[..start]);
            self.held.clear();
            return StoppedText { text: &self.ready, reason: Some(StopReason::String(index)) };
        }
        if self.options.most_tokens.is_some_and(|most| self.tokens >= most) {
            return self.give_all(Some(StopReason::Length));
        }
        let certain = self.held.len() - self.begun();
        self.ready.clear();
        self.ready.extend(self.held.drain(..certain));
        StoppedText { text: &self.ready, reason: None }
    }

    /// How many more tokens the answer may have, if that is limited.
    #[must_use]
    pub fn tokens_left(&self) -> Option<usize> {
        self.options.most_tokens.map(|most| most.saturating_sub(self.tokens))
    }

    /// Takes text without a token, such as what was left when an answer ended within a character, and gives out what is
    /// held: no more will come.
    pub fn finish(&mut self, text: &str) -> StoppedText<'_> {
        self.held.push_str(text);
        match self.first_complete() {
            None => self.give_all(None),
            Some((start, index)) => {
                self.held.truncate(start);
                self.give_all(Some(StopReason::String(index)))
            }
        }
    }

    fn give_all(&mut self, reason: Option<StopReason>) -> StoppedText<'_> {
        self.ready.clear();
        self.ready.push_str(&self.held);
        self.held.clear();
        StoppedText { text: &self.ready, reason }
    }

    /// Where the stop string begins that is complete first, and which it is.
    fn first_complete(&self) -> Option<(usize, usize)> {
        let strings = self.options.strings.iter().enumerate();
        strings
            .filter_map(|(index, string)| Some((self.held.find(string)?, string.len(), index)))
            .min_by_key(|(start, length, _)| (start + length, *start))
            .map(|(start, _, index)| (start, index))
    }

    /// How many bytes at the end may be the beginning of a stop string.
    fn begun(&self) -> usize {
        let held = self.held.as_bytes();
        let begun_of = |string: &String| {
            let longest = held.len().min(string.len() - 1);
            (1..=longest).rev().find(|length| held.ends_with(&string.as_bytes()[..*length])).unwrap_or(0)
        };
        self.options.strings.iter().map(begun_of).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
