//! Tokens by their bytes.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::TokenId;
use super::vocabulary::Vocabulary;

/// Marks a place without a token. Vocabularies are smaller.
const EMPTY: TokenId = TokenId::MAX;

/// Finds tokens by their bytes. Holds only numbers: the bytes are the vocabulary's. Its hashes differ from process to
/// process, so that no file can be written to make it slow.
pub(super) struct PieceIndex {
    hasher: RandomState,
    /// At least half of the places are empty.
    places: Vec<TokenId>,
    longest: usize,
}

impl PieceIndex {
    /// Of tokens with the same bytes the first is found. Tokens without bytes are not.
    pub(super) fn new(vocabulary: &Vocabulary, tokens: impl IntoIterator<Item = TokenId>) -> Self {
        let places = vec![EMPTY; (vocabulary.len() * 2).next_power_of_two()];
        let mut index = Self { hasher: RandomState::default(), places, longest: 0 };
        for token in tokens {
            let bytes = vocabulary.bytes(token).unwrap_or_default();
            if !bytes.is_empty() {
                index.longest = index.longest.max(bytes.len());
                let place = index.place(vocabulary, bytes);
                if index.places[place] == EMPTY {
                    index.places[place] = token;
                }
            }
        }
        index
    }

    /// The token with exactly these bytes.
    pub(super) fn find(&self, vocabulary: &Vocabulary, bytes: &[u8]) -> Option<TokenId> {
        if bytes.len() > self.longest {
            return None;
        }
        let token = self.places[self.place(vocabulary, bytes)];
        (token != EMPTY).then_some(token)
    }

    /// Where the token with these bytes is, or would be.
    fn place(&self, vocabulary: &Vocabulary, bytes: &[u8]) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.hasher.hash_one(bytes) as usize & mask;
        loop {
            let token = self.places[place];
            if token == EMPTY || vocabulary.bytes(token) == Some(bytes) {
                return place;
            }
            place = (place + 1) & mask;
        }
    }
}
