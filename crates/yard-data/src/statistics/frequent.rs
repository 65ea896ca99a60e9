//! The most frequent values of a stream in bounded memory.
//!
//! The summary of Misra and Gries in the batched form that Agarwal et al. ("Mergeable summaries", 2012) show to carry
//! the same information as Space-Saving: counters for a bounded number of values; when they run out, the median of
//! all counters is taken off every one and those that reach zero are dropped. A value's true count then lies between
//! its counter and its counter plus everything taken off so far, which is `error`. Each time at least half of `c`
//! counters lose the median, so the error is never above `2n / c`, and it is zero as long as nothing was dropped.

use super::hash::HashedMap;

/// Texts are kept up to this many bytes: a column of documents must not fill the memory with its most frequent ones.
pub(super) const LONGEST_LABEL: usize = 256;

/// What a counted value looked like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Label {
    Number(f64),
    Whole(i128),
    Text(Box<str>),
}

impl Label {
    pub(super) fn of_text(text: &str) -> Self {
        Self::Text(shorten(text).into())
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Both zeros are one value.
            Self::Number(number) if *number == 0.0 => formatter.write_str("0"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Whole(number) => write!(formatter, "{number}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// The start of a text that a counter keeps.
pub(super) fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_LABEL)]
}

#[derive(Debug, Clone)]
pub(super) struct FrequentValues {
    capacity: usize,
    counters: HashedMap<Counter>,
    error: u64,
}

#[derive(Debug, Clone)]
struct Counter {
    count: u64,
    label: Label,
}

impl FrequentValues {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(2), counters: HashedMap::default(), error: 0 }
    }

    /// Counts a value that has a counter already; false if it has none.
    pub(super) fn count_known(&mut self, hash: u64) -> bool {
        match self.counters.get_mut(&hash) {
            Some(counter) => {
                counter.count += 1;
                true
            }
            None => false,
        }
    }

    pub(super) fn start(&mut self, hash: u64, label: Label) {
        self.counters.insert(hash, Counter { count: 1, label });
        self.shrink();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.capacity = self.capacity.min(other.capacity);
        self.error += other.error;
        for (&hash, counter) in &other.counters {
            self.counters
                .entry(hash)
                .and_modify(|ours| ours.count += counter.count)
                .or_insert_with(|| counter.clone());
        }
        self.shrink();
    }

    /// Labels with counts, the most frequent first; equal counts by label, so that the order never depends on a hash.
    pub(super) fn ordered(&self) -> Vec<(String, u64)> {
        let mut values: Vec<(String, u64)> =
            self.counters.values().map(|counter| (counter.label.to_string(), counter.count)).collect();
        values.sort_unstable_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        values
    }

    /// By how much a counter may be too low.
    pub(super) fn error(&self) -> u64 {
        self.error
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.counters.len()
    }

    fn shrink(&mut self) {
        while self.counters.len() > self.capacity {
            let mut counts: Vec<u64> = self.counters.values().map(|counter| counter.count).collect();
            let middle = counts.len() / 2;
            let (_, &mut median, _) = counts.select_nth_unstable(middle);
            self.error += median;
            self.counters.retain(|_, counter| {
                counter.count = counter.count.saturating_sub(median);
                counter.count > 0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::hash::hash_number;
    use super::*;

    fn summary_of(values: &[u32], capacity: usize) -> FrequentValues {
        let mut summary = FrequentValues::new(capacity);
        for &value in values {
            let hash = hash_number(value.into());
            if !summary.count_known(hash) {
                summary.start(hash, Label::Whole(value.into()));
            }
        }
        summary
    }

    fn check_counts(summary: &FrequentValues, values: &[u32], capacity: usize) {
        assert!(summary.error() <= 2 * values.len() as u64 / capacity as u64, "error {}", summary.error());
        assert!(summary.kept() <= capacity);
        let kept = summary.ordered();
        for value in values {
            let truth = values.iter().filter(|other| *other == value).count() as u64;
            let counted =
                kept.iter().find(|(label, _)| *label == value.to_string()).map_or(0, |(_, count)| *count);
            assert!(counted <= truth && truth <= counted + summary.error(), "{value}: {counted} of {truth}");
        }
    }

    #[test]
    fn few_values_are_counted_exactly_in_a_fixed_order() {
        let summary = summary_of(&[7, 3, 7, 9, 3, 7, 1], 8);
        assert_eq!(summary.error(), 0);
        let expected =
            [("7", 3), ("3", 2), ("1", 1), ("9", 1)].map(|(label, count)| (label.to_owned(), count));
        assert_eq!(summary.ordered(), expected);
    }

    #[test]
    fn a_frequent_value_is_found_among_a_million_that_occur_once() {
        let values: Vec<u32> = (0..1_000_000).map(|row| if row % 50 == 0 { 7 } else { row + 10 }).collect();
        let summary = summary_of(&values, 512);
        assert_eq!(summary.ordered()[0].0, "7");
        let counted = summary.ordered()[0].1;
        assert!(
            counted <= 20_000 && counted + summary.error() >= 20_000,
            "{counted} within {}",
            summary.error()
        );
        assert!(summary.error() <= 2 * 1_000_000 / 512);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(LONGEST_LABEL);
        assert_eq!(shorten(&long), "é".repeat(LONGEST_LABEL / 2));
        assert_eq!(shorten("short"), "short");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn true_counts_lie_within_the_stated_error(values in prop::collection::vec(0_u32..60, 0..1500), capacity in 2_usize..80) {
            check_counts(&summary_of(&values, capacity), &values, capacity);
        }

        #[test]
        fn merged_parts_lie_within_the_stated_error(
            parts in prop::collection::vec(prop::collection::vec(0_u32..60, 0..300), 1..6),
            capacity in 2_usize..80,
        ) {
            let mut merged = FrequentValues::new(capacity);
            for part in &parts {
                merged.merge(&summary_of(part, capacity));
            }
            check_counts(&merged, &parts.concat(), capacity);
        }
    }
}
