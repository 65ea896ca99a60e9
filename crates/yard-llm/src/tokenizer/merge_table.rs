//! What two neighbouring tokens become.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::TokenId;
use super::merging::Join;

/// Joins by their two tokens. It is asked for every pair of neighbours of every word, so an entry is 16 bytes in one
/// place. Its hashes differ from process to process, so that no file can be written to make it slow.
pub(super) struct MergeTable {
    hasher: RandomState,
    /// More than a third of the places are empty.
    places: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    pair: u64,
    priority: u32,
    token: TokenId,
}

/// No pair: vocabularies are too small for it.
const EMPTY: Entry = Entry { pair: u64::MAX, priority: 0, token: 0 };

impl MergeTable {
    pub(super) fn with_room_for(joins: usize) -> Self {
        let places = vec![EMPTY; (joins + joins / 2 + 1).next_power_of_two()];
        Self { hasher: RandomState::default(), places }
    }

    /// Adds a join, unless these tokens have one. There must be room for it.
    pub(super) fn insert(&mut self, left: TokenId, right: TokenId, join: Join) {
        let pair = pair(left, right);
        let place = self.place(pair);
        if self.places[place].pair == EMPTY.pair {
            self.places[place] = Entry { pair, priority: join.priority, token: join.token };
        }
    }

    pub(super) fn get(&self, left: TokenId, right: TokenId) -> Option<Join> {
        let pair = pair(left, right);
        let entry = self.places[self.place(pair)];
        (entry.pair == pair).then_some(Join { priority: entry.priority, token: entry.token })
    }

    fn place(&self, pair: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut place = self.hasher.hash_one(pair) as usize & mask;
        while self.places[place].pair != pair && self.places[place].pair != EMPTY.pair {
            place = (place + 1) & mask;
        }
        place
    }
}

fn pair(left: TokenId, right: TokenId) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}
