//! Byte pair encoding as SentencePiece does it: of all neighbours that make up a piece, those with the best score are
//! joined first; characters without a piece are written as bytes.

use yard_gguf::Metadata;

use super::merging::{Join, JoinRules, Merger, Symbol};
use super::piece_index::PieceIndex;
use super::vocabulary::{TokenKind, Vocabulary};
use super::{TokenId, TokenizerError, keys};

pub(super) struct SentencePieces {
    index: PieceIndex,
    /// For each token how many have a better score.
    priorities: Vec<u32>,
    byte_tokens: Box<[Option<TokenId>; 256]>,
    unknown: Option<TokenId>,
    prefixes_space: bool,
    /// The bytes that stand before a space in some piece. Behind all others a space begins a word of its own, since no
    /// piece reaches over it: words are encoded one by one, which is much faster than whole texts.
    before_space: Box<[bool; 256]>,
}

/// The rules with the vocabulary that they look things up in.
struct Rules<'a> {
    pieces: &'a SentencePieces,
    vocabulary: &'a Vocabulary,
}

impl SentencePieces {
    pub(super) fn read(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let priorities = priorities(metadata.required(keys::SCORES)?, vocabulary.len())?;
        let pieces = || {
            vocabulary
                .iter()
                .filter(|(_, kind, _)| matches!(kind, TokenKind::Normal | TokenKind::UserDefined))
        };
        let index = PieceIndex::new(vocabulary, pieces().map(|(token, ..)| token));
        let mut before_space = Box::new([false; 256]);
        for (_, _, bytes) in pieces() {
            for pair in bytes.windows(2).filter(|pair| pair[1] == b' ') {
                before_space[usize::from(pair[0])] = true;
            }
        }
        // Spaces are not taken apart: models have pieces of many.
        before_space[usize::from(b' ')] = true;
        let mut byte_tokens = Box::new([None; 256]);
        let mut unknown = metadata.optional(keys::UNKNOWN)?;
        for (token, kind, bytes) in vocabulary.iter() {
            match (kind, bytes) {
                (TokenKind::Byte, [byte]) => {
                    byte_tokens[usize::from(*byte)].get_or_insert(token);
                }
                (TokenKind::Unknown, _) => {
                    unknown.get_or_insert(token);
                }
                _ => {}
            }
        }
        let prefixes_space = metadata.optional(keys::ADD_SPACE_PREFIX)?.unwrap_or(true);
        Ok(Self { index, priorities, byte_tokens, unknown, prefixes_space, before_space })
    }

    /// Whether a text begins with a space that is not in it.
    pub(super) fn prefixes_space(&self) -> bool {
        self.prefixes_space
    }

    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        behind_special: bool,
        merger: &mut Merger,
        tokens: &mut Vec<TokenId>,
    ) {
        let prefix = if self.prefixes_space && behind_special { " " } else { "" };
        let text = format!("{prefix}{text}");
        let rules = Rules { pieces: self, vocabulary };
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(self.word_end(rest));
            rules.encode_word(word, merger, tokens);
            rest = behind;
        }
    }

    /// Where the first word ends: before the first space that begins one.
    fn word_end(&self, text: &str) -> usize {
        let begins_word = |pair: &[u8]| pair[1] == b' ' && !self.before_space[usize::from(pair[0])];
        text.as_bytes().windows(2).position(begins_word).map_or(text.len(), |before| before + 1)
    }
}

impl Rules<'_> {
    fn encode_word(&self, word: &str, merger: &mut Merger, tokens: &mut Vec<TokenId>) {
        let bytes = word.as_bytes();
        merger.begin().extend(word.char_indices().map(|(start, character)| {
            let end = start + character.len_utf8();
            Symbol { start, end, token: self.find(&bytes[start..end]) }
        }));
        let mut behind_unknown = false;
        for symbol in merger.join_all(bytes, self) {
            let written =
                symbol.token.is_some() || self.write_bytes(&bytes[symbol.start..symbol.end], tokens);
            match symbol.token {
                Some(token) => tokens.push(token),
                // What cannot be said is said once.
                None if !written && !behind_unknown => tokens.extend(self.pieces.unknown),
                None => {}
            }
            behind_unknown = !written;
        }
    }

    /// Writes bytes as a token each, if all of them have one.
    fn write_bytes(&self, bytes: &[u8], tokens: &mut Vec<TokenId>) -> bool {
        let before = tokens.len();
        tokens.extend(bytes.iter().map_while(|byte| self.pieces.byte_tokens[usize::from(*byte)]));
        let all = tokens.len() == before + bytes.len();
        if !all {
            tokens.truncate(before);
        }
        all
    }

    fn find(&self, bytes: &[u8]) -> Option<TokenId> {
        self.pieces.index.find(self.vocabulary, bytes)
    }
}

impl JoinRules for Rules<'_> {
    fn join(&self, word: &[u8], left: Symbol, right: Symbol) -> Option<Join> {
        let token = self.find(&word[left.start..right.end])?;
        Some(Join { priority: self.pieces.priorities[token as usize], token })
    }
}

/// The best score becomes 0; equal scores stay equal.
fn priorities(scores: &[f32], tokens: usize) -> Result<Vec<u32>, TokenizerError> {
    if scores.len() != tokens {
        return Err(TokenizerError::Length { key: keys::SCORES, found: scores.len(), expected: tokens });
    }
    if let Some(token) = scores.iter().position(|score| score.is_nan()) {
        return Err(TokenizerError::Score { token });
    }
    let mut order: Vec<usize> = (0..tokens).collect();
    order.sort_unstable_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let mut priorities = vec![0; tokens];
    let mut priority = 0;
    for pair in order.windows(2) {
        // Zero of either sign is the same score.
        priority += u32::from(scores[pair[0]] != scores[pair[1]]);
        priorities[pair[1]] = priority;
    }
    Ok(priorities)
}
