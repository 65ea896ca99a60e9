//! Tokens to text while they are made.

use std::sync::Arc;

use super::{ControlText, TokenId, Tokenizer};

/// Writes text token by token, never half a character: bytes that may yet become one are held back, bytes that cannot
/// become U+FFFD. All pieces together are the text of all tokens together.
#[derive(Debug)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    control: ControlText,
    /// The beginning of a character: at most 3 bytes between calls.
    held: Vec<u8>,
    ready: String,
}

impl Detokenizer {
    /// For tokens that go on with a text, such as a model's answer to a prompt: a first word keeps the space before it.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, control: ControlText) -> Self {
        Self { tokenizer, control, held: Vec::new(), ready: String::new() }
    }

    /// The text that is complete with this token; often a word, sometimes nothing.
    pub fn push(&mut self, token: TokenId) -> &str {
        self.held.extend_from_slice(self.tokenizer.written_bytes(token, self.control));
        self.ready.clear();
        let mut taken = 0;
        for chunk in self.held.utf8_chunks() {
            self.ready.push_str(chunk.valid());
            taken += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = taken + invalid.len() == self.held.len();
            if at_end && could_become_a_character(invalid) {
                break;
            }
            if !invalid.is_empty() {
                self.ready.push(char::REPLACEMENT_CHARACTER);
                taken += invalid.len();
            }
        }
        self.held.drain(..taken);
        &self.ready
    }

    /// What is left when no more tokens come: U+FFFD if a character was begun, or nothing.
    pub fn finish(&mut self) -> &str {
        self.ready.clear();
        if !self.held.is_empty() {
            self.held.clear();
            self.ready.push(char::REPLACEMENT_CHARACTER);
        }
        &self.ready
    }
}

/// Whether these bytes are the beginning of a character. `bytes` is what decoding found invalid as a whole.
fn could_become_a_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
