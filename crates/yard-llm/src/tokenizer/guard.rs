//! Texts in which no control token is found.
//!
//! A chat template writes control tokens and what users said into one text, in which the two can no longer be told apart.
//! So what users said is guarded before: where it spells a control token, a character that no text has is put between the
//! letters. The search for control tokens then passes over it, and what is encoded is without the guards again.

use std::borrow::Cow;

use super::{TokenId, TokenKind, Tokenizer};

/// A code point that Unicode has set aside for use within programs: it is no character, and stands in no text.
const GUARD: char = '\u{FDD0}';
/// Tokens may overlap, so that guarding one lays the next one open. Real vocabularies take one round, and one to see.
const MOST_ROUNDS: usize = 8;

impl Tokenizer {
    /// A text that reads as `text` and in which [`Tokenizer::encode`] finds no control token.
    #[must_use]
    pub fn guarded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let plain = self.with_plain_spaces(text);
        let mut guarded =
            if plain.contains(GUARD) { Cow::Owned(without(&plain).into_owned()) } else { plain };
        for _ in 0..MOST_ROUNDS {
            let Some(next) = self.guarded_once(&guarded) else { return guarded };
            guarded = Cow::Owned(next);
        }
        Cow::Owned(apart(text))
    }

    /// Whether a token is the template's alone: control tokens, and those that files have declared to be ordinary words
    /// though they end answers or are written as control tokens are.
    fn speaks_for_the_template(&self, token: TokenId) -> bool {
        if self.token_kind(token) != Some(TokenKind::UserDefined) {
            return true;
        }
        let name = self.token_bytes(token).unwrap_or_default();
        let special = &self.special_tokens;
        special.ends_generation(token)
            || special.beginning == Some(token)
            || name.starts_with(b"<|") && name.ends_with(b"|>")
            || matches!(name, b"<start_of_turn>" | b"[INST]" | b"[/INST]")
    }

    /// `None` when there is nothing to guard.
    fn guarded_once(&self, text: &str) -> Option<String> {
        let mut guarded = String::new();
        let mut behind = 0;
        for (range, token) in self.matcher.names(text) {
            if self.speaks_for_the_template(token) {
                guarded.push_str(&text[behind..range.start]);
                guarded.push_str(&apart(&text[range.clone()]));
                behind = range.end;
            }
        }
        if behind == 0 {
            return None;
        }
        guarded.push_str(&text[behind..]);
        Some(guarded)
    }
}

/// The text without guards.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    if text.contains(GUARD) { Cow::Owned(text.replace(GUARD, "")) } else { Cow::Borrowed(text) }
}

/// The text with a guard between any two letters. A name of one letter has no room for one, and is not said at all.
fn apart(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let mut guarded = String::from(first);
    for letter in letters {
        guarded.push(GUARD);
        guarded.push(letter);
    }
    if guarded.len() == first.len_utf8() { char::REPLACEMENT_CHARACTER.to_string() } else { guarded }
}
