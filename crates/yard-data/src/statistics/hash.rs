//! A 64-bit hash that is the same on every machine and in every release.
//!
//! The sketches count hashes, so partial statistics of two processes can only be merged when both hash alike; the
//! standard library's hasher promises that for one process only. Whoever can choose the data can also choose
//! collisions: they would spoil a count in a report, nothing else.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

/// Mixes every bit into every other; one to one, so that different numbers never share a hash.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(FIRST);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = FIRST ^ (bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), SECOND).wrapping_add(FIRST);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    state = fold(state ^ u64::from_le_bytes(last), SECOND).wrapping_add(FIRST);
    mix(state)
}

/// Both zeros are one value.
pub(super) fn hash_number(value: f64) -> u64 {
    let value = if value == 0.0 { 0.0 } else { value };
    mix(value.to_bits())
}

/// For tables keyed by what is a hash already.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_bytes(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(super) type HashedSet = HashSet<u64, BuildHasherDefault<AsIs>>;
pub(super) type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<AsIs>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_zeros_are_one_value() {
        assert_eq!(hash_number(-0.0), hash_number(0.0));
        assert_ne!(hash_number(1.0), hash_number(-1.0));
    }

    #[test]
    fn neighbouring_texts_do_not_collide() {
        let hashes: HashedSet = (0..200_000).map(|row| hash_bytes(format!("row {row}").as_bytes())).collect();
        assert_eq!(hashes.len(), 200_000);
        assert_ne!(hash_bytes(b""), hash_bytes(b"\0"));
        assert_ne!(hash_bytes(b"a\0"), hash_bytes(b"a"));
    }
}
