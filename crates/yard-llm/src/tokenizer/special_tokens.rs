//! Tokens with a part of their own, and finding them in text.

use std::{collections::BTreeSet, ops::Range};

use aho_corasick::{AhoCorasick, MatchKind};
use yard_gguf::Metadata;

use super::vocabulary::{TokenKind, Vocabulary, VocabularyModel};
use super::{TokenId, TokenizerError, keys};

/// Names of control tokens that end an answer. Files name one or two of a model's in their keys; chat models write the
/// others as well.
const NAMES_OF_ENDS: [&str; 12] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "</s>",
    "<EOT>",
    "[EOS]",
];

/// All special tokens' names together, in bytes: Gemma's 6,400 take 70,000. Looking for them takes some twenty times as
/// much memory.
const MOST_BYTES: usize = 1 << 20;

/// Tokens with a part of their own, and whether texts begin and end with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub beginning: Option<TokenId>,
    /// Ends a text.
    pub end: Option<TokenId>,
    /// Stands for what the vocabulary cannot say.
    pub unknown: Option<TokenId>,
    /// Fills unused places of a batch.
    pub padding: Option<TokenId>,
    /// Whether the model wants `beginning` before a text.
    pub add_beginning: bool,
    /// Whether the model wants `end` behind a text.
    pub add_end: bool,
    /// The tokens that end an answer: of the text, of the turn, of the message.
    pub ends_of_generation: BTreeSet<TokenId>,
}

impl SpecialTokens {
    /// Whether an answer ends with this token.
    #[must_use]
    pub fn ends_generation(&self, token: TokenId) -> bool {
        self.ends_of_generation.contains(&token)
    }

    pub(super) fn read(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
        begins_by_default: bool,
    ) -> Result<Self, TokenizerError> {
        let token = |key: &'static str, default: Option<TokenId>| match metadata.optional::<u32>(key)? {
            None => Ok(default.filter(|token| (*token as usize) < vocabulary.len())),
            Some(token) if (token as usize) < vocabulary.len() => Ok(Some(token)),
            Some(token) => Err(TokenizerError::SpecialToken { key, token, size: vocabulary.len() }),
        };
        // What SentencePiece numbers them unless told otherwise.
        let default = |token| (vocabulary.model() == VocabularyModel::SentencePieces).then_some(token);
        let end = token(keys::END, default(2))?;
        let mut ends_of_generation: BTreeSet<TokenId> =
            [end, token(keys::END_OF_TURN, None)?, token(keys::END_OF_MESSAGE, None)?]
                .into_iter()
                .flatten()
                .collect();
        for (token, kind, bytes) in vocabulary.iter() {
            let special = matches!(kind, TokenKind::Control | TokenKind::UserDefined);
            if special && NAMES_OF_ENDS.iter().any(|name| name.as_bytes() == bytes) {
                ends_of_generation.insert(token);
            }
        }
        Ok(Self {
            beginning: token(keys::BEGINNING, default(1))?,
            end,
            unknown: token(keys::UNKNOWN, default(0))?,
            padding: token(keys::PADDING, None)?,
            add_beginning: metadata.optional(keys::ADD_BEGINNING)?.unwrap_or(begins_by_default),
            add_end: metadata.optional(keys::ADD_END)?.unwrap_or(false),
            ends_of_generation,
        })
    }
}

/// Finds the tokens that are looked for before a text is split: the leftmost, and of those that begin at one place the
/// longest.
pub(super) struct SpecialMatcher {
    user_defined: Search,
    all: Search,
    strips: Strips,
}

/// Behind which special tokens white space is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strips {
    Nothing,
    /// Phi-3 was trained with no white space behind its special tokens, but for those that it has from Llama.
    AsPhi3,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Text(&'a str),
    Token(TokenId),
}

struct Search {
    automaton: AhoCorasick,
    /// The token of each pattern.
    tokens: Vec<TokenId>,
}

impl SpecialMatcher {
    pub(super) fn new(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let is_phi = metadata.optional::<&str>(keys::ARCHITECTURE)? == Some("phi3")
            && vocabulary.model() == VocabularyModel::SentencePieces;
        Ok(Self {
            user_defined: Search::new(vocabulary, &[TokenKind::UserDefined])?,
            all: Search::new(vocabulary, &[TokenKind::UserDefined, TokenKind::Control, TokenKind::Unknown])?,
            strips: if is_phi { Strips::AsPhi3 } else { Strips::Nothing },
        })
    }

    /// The parts of `text` in order. Parts of text are not empty.
    pub(super) fn split<'a>(&self, text: &'a str, with_control: bool, mut part: impl FnMut(Found<'a>)) {
        let search = if with_control { &self.all } else { &self.user_defined };
        let mut behind = 0;
        for found in search.automaton.find_iter(text) {
            if found.start() > behind {
                part(Found::Text(&text[behind..found.start()]));
            }
            part(Found::Token(search.tokens[found.pattern()]));
            behind = found.end();
            if self.strips_behind(&text[found.range()]) {
                behind = text.len() - text[behind..].trim_start().len();
            }
        }
        if behind < text.len() {
            part(Found::Text(&text[behind..]));
        }
    }

    /// Where in a text the names of special tokens of any kind stand.
    pub(super) fn names<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, TokenId)> + 'a {
        self.all.automaton.find_iter(text).map(|found| (found.range(), self.all.tokens[found.pattern()]))
    }

    fn strips_behind(&self, token: &str) -> bool {
        self.strips == Strips::AsPhi3 && !matches!(token, "<unk>" | "<s>" | "<|endoftext|>")
    }
}

impl Search {
    fn new(vocabulary: &Vocabulary, kinds: &[TokenKind]) -> Result<Self, TokenizerError> {
        let looked_for =
            || vocabulary.iter().filter(|(_, kind, bytes)| kinds.contains(kind) && !bytes.is_empty());
        if looked_for().map(|(_, _, bytes)| bytes.len()).sum::<usize>() > MOST_BYTES {
            return Err(TokenizerError::SpecialTokens);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(looked_for().map(|(_, _, bytes)| bytes))
            .map_err(|_| TokenizerError::SpecialTokens)?;
        Ok(Self { automaton, tokens: looked_for().map(|(token, ..)| token).collect() })
    }
}
