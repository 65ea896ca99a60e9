//! Joining neighbours, best first, until nothing more can be joined.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::TokenId;

/// Above this many symbols a queue finds the best join; below it looking at all of them is faster.
const FEW: usize = 48;
const NONE: usize = usize::MAX;

/// A part of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Where it begins in the word.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// Its token, if there is one for it.
    pub(super) token: Option<TokenId>,
}

/// What two neighbours become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Join {
    /// The lowest goes first; among equals, the leftmost.
    pub(super) priority: u32,
    pub(super) token: TokenId,
}

/// Which neighbours can be joined.
pub(super) trait JoinRules {
    fn join(&self, word: &[u8], left: Symbol, right: Symbol) -> Option<Join>;
}

/// Joins the symbols of one word after another; keeps its memory between words.
#[derive(Debug, Default)]
pub(super) struct Merger {
    symbols: Vec<Symbol>,
    /// What each symbol and the next one become.
    joins: Vec<Option<Join>>,
    /// For each symbol the one before and the one behind, or `NONE`. Only for long words.
    neighbours: Vec<(usize, usize)>,
    queue: BinaryHeap<Reverse<Candidate>>,
}

/// A join that was possible when it was found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    priority: u32,
    left: usize,
    right: usize,
    /// Where the two ended then: they are the same parts as long as they end there.
    ends: (usize, usize),
    token: TokenId,
}

impl Merger {
    /// The symbols of the next word, to be filled.
    pub(super) fn begin(&mut self) -> &mut Vec<Symbol> {
        self.symbols.clear();
        &mut self.symbols
    }

    /// Joins what can be joined.
    pub(super) fn join_all(&mut self, word: &[u8], rules: &impl JoinRules) -> &[Symbol] {
        if self.symbols.len() <= FEW {
            self.join_few(word, rules)
        } else {
            self.join_many(word, rules)
        }
        &self.symbols
    }

    fn join_few(&mut self, word: &[u8], rules: &impl JoinRules) {
        let symbols = &mut self.symbols;
        let joins = &mut self.joins;
        joins.clear();
        joins.extend(symbols.windows(2).map(|pair| rules.join(word, pair[0], pair[1])));
        loop {
            let mut best: Option<(usize, Join)> = None;
            for (index, join) in joins.iter().enumerate() {
                if let Some(join) = join
                    && best.is_none_or(|(_, other)| join.priority < other.priority)
                {
                    best = Some((index, *join));
                }
            }
            let Some((index, join)) = best else { return };
            symbols[index].end = symbols[index + 1].end;
            symbols[index].token = Some(join.token);
            symbols.remove(index + 1);
            joins.remove(index);
            if let Some(next) = symbols.get(index + 1) {
                joins[index] = rules.join(word, symbols[index], *next);
            }
            if index > 0 {
                joins[index - 1] = rules.join(word, symbols[index - 1], symbols[index]);
            }
        }
    }

    fn join_many(&mut self, word: &[u8], rules: &impl JoinRules) {
        let count = self.symbols.len();
        self.queue.clear();
        self.neighbours.clear();
        // Before the first there is none: 0 - 1 wraps to `NONE`.
        self.neighbours.extend(
            (0..count).map(|index| (index.wrapping_sub(1), if index + 1 < count { index + 1 } else { NONE })),
        );
        for right in 1..count {
            self.consider(word, rules, right - 1, right);
        }
        while let Some(Reverse(candidate)) = self.queue.pop() {
            let Candidate { left, right, .. } = candidate;
            let unchanged = self.neighbours[left].1 == right
                && (self.symbols[left].end, self.symbols[right].end) == candidate.ends;
            if !unchanged {
                continue;
            }
            self.symbols[left].end = self.symbols[right].end;
            self.symbols[left].token = Some(candidate.token);
            let behind = self.neighbours[right].1;
            self.neighbours[left].1 = behind;
            // Nothing names the joined symbol as its neighbour any more.
            self.neighbours[right] = (NONE, NONE);
            if behind != NONE {
                self.neighbours[behind].0 = left;
                self.consider(word, rules, left, behind);
            }
            let before = self.neighbours[left].0;
            if before != NONE {
                self.consider(word, rules, before, left);
            }
        }
        self.drop_joined();
    }

    fn consider(&mut self, word: &[u8], rules: &impl JoinRules, left: usize, right: usize) {
        let (first, second) = (self.symbols[left], self.symbols[right]);
        if let Some(Join { priority, token }) = rules.join(word, first, second) {
            let ends = (first.end, second.end);
            self.queue.push(Reverse(Candidate { priority, left, right, ends, token }));
        }
    }

    /// Keeps the symbols that are reached from the first one.
    fn drop_joined(&mut self) {
        let mut kept = 0;
        let mut index = 0;
        while index != NONE {
            self.symbols[kept] = self.symbols[index];
            kept += 1;
            index = self.neighbours[index].1;
        }
        self.symbols.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Joins words that are in a small list; the place in the list is the priority.
    struct Listed(Vec<Vec<u8>>, Vec<u32>);

    impl JoinRules for Listed {
        fn join(&self, word: &[u8], left: Symbol, right: Symbol) -> Option<Join> {
            let token = self.0.iter().position(|known| known == &word[left.start..right.end])?;
            Some(Join { priority: self.1[token], token: u32::try_from(token).unwrap() })
        }
    }

    fn symbols(word: &[u8]) -> Vec<Symbol> {
        (0..word.len()).map(|start| Symbol { start, end: start + 1, token: None }).collect()
    }

    proptest! {
        #[test]
        fn both_ways_of_joining_agree(
            word in prop::collection::vec(b'a'..b'd', 1..120),
            known in prop::collection::vec((prop::collection::vec(b'a'..b'd', 2..6), 0_u32..12), 1..60),
        ) {
            let (pieces, priorities) = known.into_iter().unzip();
            let rules = Listed(pieces, priorities);
            let mut few = Merger { symbols: symbols(&word), ..Merger::default() };
            few.join_few(&word, &rules);
            let mut many = Merger { symbols: symbols(&word), ..Merger::default() };
            many.join_many(&word, &rules);
            prop_assert_eq!(few.symbols, many.symbols);
        }
    }
}
