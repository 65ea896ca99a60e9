//! The tokens of a file: their bytes and kinds.

use yard_gguf::{Metadata, Strings};

use super::error::shown;
use super::{TokenId, TokenizerError, byte_alphabet, keys};

/// The character that stands for a space in vocabularies of SentencePiece.
pub(super) const SPACE_MARK: char = '\u{2581}';

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A piece of text.
    Normal,
    /// Stands for what the vocabulary cannot say.
    Unknown,
    /// Has a meaning and no text, such as the end of a turn.
    Control,
    /// A piece of text that is found before all others.
    UserDefined,
    /// Never made out of text.
    Unused,
    /// A single byte, used where no piece of text fits.
    Byte,
}

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VocabularyModel {
    /// Bytes of one word are joined by ranked merges.
    BytePairs,
    /// Characters are joined to the piece with the best score.
    SentencePieces,
}

pub(super) struct Vocabulary {
    model: VocabularyModel,
    /// Every token's bytes, one after the other.
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
}

impl Vocabulary {
    pub(super) fn read(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let model = model_of(metadata)?;
        let texts = metadata.strings(keys::TOKENS)?;
        // Positions in tables are 32 bits wide, and one number is kept for "no token".
        if texts.is_empty() || texts.len() > i32::MAX as usize {
            return Err(TokenizerError::Size { count: texts.len() });
        }
        let kinds = kinds_of(metadata, texts.len())?;
        let mut vocabulary = Self { model, bytes: Vec::new(), ends: Vec::with_capacity(texts.len()), kinds };
        for (token, text) in texts.iter().enumerate() {
            vocabulary.push(token, text)?;
        }
        Ok(vocabulary)
    }

    pub(super) fn model(&self) -> VocabularyModel {
        self.model
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self, token: TokenId) -> Option<&[u8]> {
        let index = token as usize;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    pub(super) fn kind(&self, token: TokenId) -> Option<TokenKind> {
        self.kinds.get(token as usize).copied()
    }

    /// Every token with its kind and bytes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TokenId, TokenKind, &[u8])> {
        (0..).zip(&self.kinds).map(|(token, kind)| (token, *kind, self.bytes(token).unwrap_or_default()))
    }

    fn push(&mut self, token: usize, text: &str) -> Result<(), TokenizerError> {
        match (self.kinds[token], self.model) {
            (TokenKind::Byte, _) => {
                let byte =
                    byte_named(text).ok_or_else(|| TokenizerError::Byte { token, text: shown(text) })?;
                self.bytes.push(byte);
            }
            (TokenKind::Normal | TokenKind::Unused, VocabularyModel::BytePairs) => {
                match byte_alphabet::bytes_of(text) {
                    Some(bytes) => self.bytes.extend_from_slice(&bytes),
                    // Added to the vocabulary as plain text.
                    None => self.bytes.extend_from_slice(text.as_bytes()),
                }
            }
            (_, VocabularyModel::SentencePieces) => {
                self.bytes.extend_from_slice(text.replace(SPACE_MARK, " ").as_bytes());
            }
            _ => self.bytes.extend_from_slice(text.as_bytes()),
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }
}

/// The texts of the tokens, as the file has them.
pub(super) fn texts(metadata: &Metadata) -> Result<&Strings, TokenizerError> {
    Ok(metadata.strings(keys::TOKENS)?)
}

fn model_of(metadata: &Metadata) -> Result<VocabularyModel, TokenizerError> {
    match metadata.str(keys::MODEL)? {
        "gpt2" => Ok(VocabularyModel::BytePairs),
        "llama" => Ok(VocabularyModel::SentencePieces),
        other => Err(TokenizerError::UnknownModel { model: shown(other) }),
    }
}

/// Each token's kind. Files without kinds have only normal tokens.
fn kinds_of(metadata: &Metadata, tokens: usize) -> Result<Vec<TokenKind>, TokenizerError> {
    let Some(numbers) = metadata.optional::<&[i32]>(keys::KINDS)? else {
        return Ok(vec![TokenKind::Normal; tokens]);
    };
    if numbers.len() != tokens {
        return Err(TokenizerError::Length { key: keys::KINDS, found: numbers.len(), expected: tokens });
    }
    let kinds = numbers.iter().enumerate().map(|(token, number)| match number {
        1 => Ok(TokenKind::Normal),
        2 => Ok(TokenKind::Unknown),
        3 => Ok(TokenKind::Control),
        4 => Ok(TokenKind::UserDefined),
        5 => Ok(TokenKind::Unused),
        6 => Ok(TokenKind::Byte),
        kind => Err(TokenizerError::Kind { token, kind: *kind }),
    });
    kinds.collect()
}

/// The byte that a text such as `<0x0A>` names.
fn byte_named(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let two_digits = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if two_digits { u8::from_str_radix(digits, 16).ok() } else { None }
}
