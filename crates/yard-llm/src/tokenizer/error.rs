//! Why a vocabulary is refused.

use yard_gguf::MetadataError;

/// Why a file's tokenizer cannot be used. Names out of the file are cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// A key is missing or of another type.
    #[error("the tokenizer's metadata is incomplete")]
    Metadata(#[from] MetadataError),
    /// A kind of tokenizer that is not known here.
    #[error("tokenizers of the kind '{model}' are not supported; known are gpt2 and llama")]
    UnknownModel {
        /// What the file says.
        model: String,
    },
    /// A way of splitting text into words that is not known here.
    #[error("the pre-tokenizer '{name}' is not supported; known are {known}")]
    UnknownPreTokenizer {
        /// What the file says.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// No tokens, or more than numbers of tokens can count.
    #[error("a vocabulary of {count} tokens cannot be used")]
    Size {
        /// How many.
        count: usize,
    },
    /// A list about tokens that is not as long as the list of tokens.
    #[error("'{key}' has {found} entries for {expected} tokens")]
    Length {
        /// The list's key.
        key: &'static str,
        /// Its length.
        found: usize,
        /// How many tokens there are.
        expected: usize,
    },
    /// A token of a type that is not known.
    #[error("token {token} is of the unknown type {kind}")]
    Kind {
        /// Which token.
        token: usize,
        /// Its type.
        kind: i32,
    },
    /// A score that is no number.
    #[error("the score of token {token} is not a number")]
    Score {
        /// Which token.
        token: usize,
    },
    /// A byte token whose text names no byte.
    #[error("byte token {token} has the text '{text}', not one such as <0x0A>")]
    Byte {
        /// Which token.
        token: usize,
        /// Its text.
        text: String,
    },
    /// A merge that is not two tokens with a space between, or whose result is no token.
    #[error("merge {index} ('{merge}') does not join two tokens to a third")]
    Merge {
        /// Its place.
        index: usize,
        /// Its text.
        merge: String,
    },
    /// A special token beyond the vocabulary.
    #[error("'{key}' is {token}, beyond a vocabulary of {size} tokens")]
    SpecialToken {
        /// The key.
        key: &'static str,
        /// The token.
        token: u32,
        /// How many tokens there are.
        size: usize,
    },
    /// The special tokens are too many to look for.
    #[error("the special tokens are too many or too long to look for: more than 1 MiB")]
    SpecialTokens,
}

/// A text out of a file, as messages show it: cut and escaped.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
