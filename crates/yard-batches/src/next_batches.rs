//! Which batches are begun next: a pure function.

use std::collections::{HashMap, HashSet};

use crate::{BatchId, Owner};

/// A batch that has not ended and that nobody works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The batch.
    pub id: BatchId,
    /// Whose it is.
    pub owner: Owner,
}

/// The batches to begin, of those that wait in the order in which they were made, while those of `busy` run and at most
/// `most` owners have one. An owner has one batch under way, its oldest. Owners whose turn was longest ago come first:
/// `turns` holds when each had its last one, as a number that grows.
pub fn next_batches(
    waiting: &[Waiting],
    busy: &HashSet<Owner>,
    turns: &HashMap<Owner, u64>,
    most: usize,
) -> Vec<BatchId> {
    let mut seen = HashSet::new();
    let mut firsts: Vec<&Waiting> =
        waiting.iter().filter(|batch| !busy.contains(&batch.owner) && seen.insert(&batch.owner)).collect();
    // Stable: of owners that never had a turn the one with the oldest batch comes first.
    firsts.sort_by_key(|batch| turns.get(&batch.owner).copied().unwrap_or_default());
    let room = most.saturating_sub(busy.len());
    firsts.into_iter().take(room).map(|batch| batch.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> BatchId {
        format!("batch_{number:024x}").parse().unwrap()
    }

    fn owner(name: &str) -> Owner {
        Owner(name.to_owned())
    }

    #[track_caller]
    fn check(waiting: &str, busy: &str, turns: &[(&str, u64)], most: usize, expected: &[u32]) {
        let waiting: Vec<Waiting> = waiting
            .chars()
            .zip(0..)
            .map(|(name, number)| Waiting { id: id(number), owner: owner(&name.to_string()) })
            .collect();
        let busy = busy.chars().map(|name| owner(&name.to_string())).collect();
        let turns = turns.iter().map(|(name, turn)| (owner(name), *turn)).collect();
        let expected: Vec<BatchId> = expected.iter().copied().map(id).collect();
        assert_eq!(next_batches(&waiting, &busy, &turns, most), expected);
    }

    #[test]
    fn owners_take_turns_and_have_one_batch_each() {
        check("", "", &[], 2, &[]);
        check("aab", "", &[], 2, &[0, 2]);
        check("aab", "a", &[], 2, &[2]);
        check("aab", "ab", &[], 4, &[]);
        check("abc", "", &[], 2, &[0, 1]);
        check("abc", "", &[("a", 5), ("b", 4)], 2, &[2, 1]);
        check("aaab", "", &[("a", 1)], 1, &[3]);
        check("abc", "x", &[], 2, &[0]);
        check("abc", "xyz", &[], 2, &[]);
    }
}
