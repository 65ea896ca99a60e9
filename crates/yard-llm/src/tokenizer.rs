//! Text to tokens and back, by what a GGUF file says about its vocabulary.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use yard_gguf::Metadata;

mod byte_alphabet;
mod byte_pairs;
mod characters;
mod detokenizer;
mod error;
mod guard;
mod keys;
mod merge_table;
mod merging;
mod piece_index;
mod pre_tokenizer;
mod sentence_pieces;
mod special_tokens;
mod vocabulary;

use byte_pairs::BytePairs;
pub use detokenizer::Detokenizer;
pub use error::TokenizerError;
use merging::Merger;
use sentence_pieces::SentencePieces;
pub use special_tokens::SpecialTokens;
use special_tokens::{Found, SpecialMatcher};
pub use vocabulary::TokenKind;
use vocabulary::{SPACE_MARK, Vocabulary, VocabularyModel};

/// A token's place in the vocabulary.
pub type TokenId = u32;

/// The vocabulary of one model and its rules: text becomes tokens, tokens become text.
///
/// The same text always gives the same tokens. Time and memory grow with the text's length, times its logarithm at
/// worst, whatever the text is.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    model: Model,
    special_tokens: SpecialTokens,
    matcher: SpecialMatcher,
    chat_template: Option<String>,
}

enum Model {
    BytePairs(BytePairs),
    SentencePieces(SentencePieces),
}

/// How text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Whether the tokens that the model wants at the beginning and at the end are added.
    pub add_special: bool,
    /// Whether text that spells a control token, such as `<|im_start|>`, becomes that token. Right for what a chat
    /// template has written, wrong for what a user wrote: it would let the user speak for the system.
    pub parse_special: bool,
}

/// What control tokens become in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlText {
    /// Nothing.
    #[default]
    Hidden,
    /// Their names.
    Shown,
}

impl Tokenizer {
    /// The tokenizer that a file's metadata describes.
    ///
    /// # Errors
    ///
    /// Keys are missing or contradict each other, or the tokenizer is of a kind that is not known here.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let vocabulary = Vocabulary::read(metadata)?;
        let model = match vocabulary.model() {
            VocabularyModel::BytePairs => Model::BytePairs(BytePairs::read(metadata, &vocabulary)?),
            VocabularyModel::SentencePieces => {
                Model::SentencePieces(SentencePieces::read(metadata, &vocabulary)?)
            }
        };
        let begins_by_default = match &model {
            Model::BytePairs(pairs) => pairs.begins_by_default(),
            Model::SentencePieces(_) => true,
        };
        let special_tokens = SpecialTokens::read(metadata, &vocabulary, begins_by_default)?;
        let matcher = SpecialMatcher::new(metadata, &vocabulary)?;
        let chat_template = metadata.optional::<&str>(keys::CHAT_TEMPLATE)?.map(str::to_owned);
        Ok(Self { vocabulary, model, special_tokens, matcher, chat_template })
    }

    /// The tokens of `text`. What [`Tokenizer::guarded`] has put into it is left out.
    #[must_use]
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Vec<TokenId> {
        let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
        if options.add_special && self.special_tokens.add_beginning {
            tokens.extend(self.special_tokens.beginning);
        }
        let mut merger = Merger::default();
        let mut behind_special = true;
        let text = self.with_plain_spaces(text);
        self.matcher.split(&text, options.parse_special, |found| match found {
            Found::Token(token) => {
                tokens.push(token);
                behind_special = true;
            }
            Found::Text(fragment) => {
                let fragment = guard::without(fragment);
                self.encode_fragment(&fragment, behind_special, &mut merger, &mut tokens);
                behind_special = false;
            }
        });
        if options.add_special && self.special_tokens.add_end {
            tokens.extend(self.special_tokens.end);
        }
        tokens
    }

    /// The tokens of a text that goes on from another: nothing is put before it, nothing behind it.
    pub(crate) fn encode_continuation(&self, text: &str) -> Vec<TokenId> {
        let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
        let mut merger = Merger::default();
        self.matcher.split(text, false, |found| match found {
            Found::Token(token) => tokens.push(token),
            Found::Text(fragment) => self.encode_fragment(fragment, false, &mut merger, &mut tokens),
        });
        tokens
    }

    /// The text of `tokens`, read as a text of its own: the space that the model puts before a first word is not in it.
    /// Tokens beyond the vocabulary write nothing; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn decode(&self, tokens: &[TokenId], control: ControlText) -> String {
        let mut bytes = Vec::with_capacity(tokens.len() * 4);
        for token in tokens {
            bytes.extend_from_slice(self.written_bytes(*token, control));
        }
        let text = match &self.model {
            Model::SentencePieces(pieces) if pieces.prefixes_space() => {
                bytes.strip_prefix(b" ").unwrap_or(&bytes)
            }
            _ => &bytes[..],
        };
        String::from_utf8_lossy(text).into_owned()
    }

    /// How many tokens there are.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The bytes of a token; none if it is beyond the vocabulary. Control tokens have their names.
    #[must_use]
    pub fn token_bytes(&self, token: TokenId) -> Option<&[u8]> {
        self.vocabulary.bytes(token)
    }

    /// What kind of token it is, if it is one.
    #[must_use]
    pub fn token_kind(&self, token: TokenId) -> Option<TokenKind> {
        self.vocabulary.kind(token)
    }

    /// The tokens with a part of their own.
    #[must_use]
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special_tokens
    }

    /// The template, in the Jinja language, that the model's chats are written with.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// SentencePiece writes spaces as another character, so that the two are the same to its vocabularies. Here both are
    /// written as spaces.
    fn with_plain_spaces<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.model {
            Model::SentencePieces(_) if text.contains(SPACE_MARK) => {
                Cow::Owned(text.replace(SPACE_MARK, " "))
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// What a token adds to a text.
    fn written_bytes(&self, token: TokenId, control: ControlText) -> &[u8] {
        let hidden = control == ControlText::Hidden
            && matches!(self.vocabulary.kind(token), Some(TokenKind::Control | TokenKind::Unknown));
        if hidden { &[] } else { self.vocabulary.bytes(token).unwrap_or_default() }
    }

    fn encode_fragment(
        &self,
        fragment: &str,
        behind_special: bool,
        merger: &mut Merger,
        tokens: &mut Vec<TokenId>,
    ) {
        match &self.model {
            Model::BytePairs(pairs) => {
                let fragment = if pairs.composes() { composed(fragment) } else { Cow::Borrowed(fragment) };
                pairs.encode(&self.vocabulary, &fragment, merger, tokens);
            }
            Model::SentencePieces(pieces) => {
                pieces.encode(&self.vocabulary, fragment, behind_special, merger, tokens)
            }
        }
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokenizer")
            .field("model", &self.vocabulary.model())
            .field("tokens", &self.vocabulary.len())
            .field("special_tokens", &self.special_tokens)
            .finish_non_exhaustive()
    }
}

/// The text with its characters composed (Unicode's form C).
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}
