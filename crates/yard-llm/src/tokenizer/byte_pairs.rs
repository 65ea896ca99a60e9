//! Byte-level byte pair encoding: the bytes of each word are joined in the order in which the merges were learnt.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use yard_gguf::{Metadata, Strings};

use super::error::shown;
use super::merge_table::MergeTable;
use super::merging::{Join, JoinRules, Merger, Symbol};
use super::piece_index::PieceIndex;
use super::pre_tokenizer::PreTokenizer;
use super::vocabulary::{self, TokenKind, Vocabulary};
use super::{TokenId, TokenizerError, keys};

pub(super) struct BytePairs {
    pre_tokenizer: &'static PreTokenizer,
    /// The token of each single byte. What a vocabulary has no byte for is left out of the tokens.
    byte_tokens: Box<[Option<TokenId>; 256]>,
    merges: MergeTable,
    /// Words that are tokens at once; only for models that look for them before they merge.
    whole_words: Option<PieceIndex>,
}

impl BytePairs {
    pub(super) fn read(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let pre_tokenizer = PreTokenizer::named(metadata.str(keys::PRE_TOKENIZER)?)?;
        let texts = vocabulary::texts(metadata)?;
        let merges = merges(metadata.strings(keys::MERGES)?, texts)?;
        let normal = || vocabulary.iter().filter(|(_, kind, _)| *kind == TokenKind::Normal);
        let mut byte_tokens = Box::new([None; 256]);
        for (token, _, bytes) in normal() {
            if let [byte] = bytes {
                byte_tokens[usize::from(*byte)].get_or_insert(token);
            }
        }
        let whole_words = pre_tokenizer
            .whole_words_first
            .then(|| PieceIndex::new(vocabulary, normal().map(|(token, ..)| token)));
        Ok(Self { pre_tokenizer, byte_tokens, merges, whole_words })
    }

    /// Whether texts begin with the beginning token when the file does not say.
    pub(super) fn begins_by_default(&self) -> bool {
        self.pre_tokenizer.begins_by_default
    }

    /// Whether characters are composed (Unicode's form C) before the text is split.
    pub(super) fn composes(&self) -> bool {
        self.pre_tokenizer.composes
    }

    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        merger: &mut Merger,
        tokens: &mut Vec<TokenId>,
    ) {
        let mut rest = text;
        while !rest.is_empty() {
            let (word, behind) = rest.split_at(self.pre_tokenizer.pattern.word_end(rest));
            self.encode_word(vocabulary, word.as_bytes(), merger, tokens);
            rest = behind;
        }
    }

    fn encode_word(
        &self,
        vocabulary: &Vocabulary,
        word: &[u8],
        merger: &mut Merger,
        tokens: &mut Vec<TokenId>,
    ) {
        if let Some(index) = &self.whole_words
            && let Some(token) = index.find(vocabulary, word)
        {
            return tokens.push(token);
        }
        // Bytes without a token are left out before their neighbours meet, as in the reference.
        let symbols = word.iter().enumerate().filter_map(|(start, byte)| {
            let token = self.byte_tokens[usize::from(*byte)]?;
            Some(Symbol { start, end: start + 1, token: Some(token) })
        });
        merger.begin().extend(symbols);
        tokens.extend(merger.join_all(word, self).iter().filter_map(|symbol| symbol.token));
    }
}

impl JoinRules for BytePairs {
    fn join(&self, _: &[u8], left: Symbol, right: Symbol) -> Option<Join> {
        self.merges.get(left.token?, right.token?)
    }
}

/// The merges as tokens. Each is the texts of two tokens with a space between; the first wins.
fn merges(merges: &Strings, texts: &Strings) -> Result<MergeTable, TokenizerError> {
    let mut tokens: HashMap<&str, TokenId, RandomState> =
        HashMap::with_capacity_and_hasher(texts.len(), RandomState::default());
    for (token, text) in (0..).zip(texts.iter()) {
        tokens.entry(text).or_insert(token);
    }
    let mut table = MergeTable::with_room_for(merges.len());
    let mut joined = String::new();
    for (index, merge) in merges.iter().enumerate() {
        let refused = || TokenizerError::Merge { index, merge: shown(merge) };
        let (left, right) = halves(merge).ok_or_else(refused)?;
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        let token = |text: &str| tokens.get(text).copied().ok_or_else(refused);
        let join = Join { priority: u32::try_from(index).map_err(|_| refused())?, token: token(&joined)? };
        table.insert(token(left)?, token(right)?, join);
    }
    Ok(table)
}

/// What stands before and behind the space. The first character is part of the left half, whatever it is.
fn halves(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let space = first + merge[first..].find(' ')?;
    Some((&merge[..space], &merge[space + 1..]))
}
