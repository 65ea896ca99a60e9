//! Ranks of a stream of numbers in bounded memory, with an error that is proven and not only likely.
//!
//! Values fill a buffer of level 0. A full buffer is sorted and every second value moves one level up, where it stands
//! for twice as many. Ask how many values are at most `x`: within one such step the answer changes only if `x` parts a
//! pair, of which there is at most one; then it rises by the level's weight where the pair's first value was kept, or
//! falls by it where the second was. The two kinds of step alternate and are summed apart, so at any time
//! `true rank - under <= answer <= true rank + over`. With buffers of `c` values and `n` values seen there are about
//! `log2(n / c)` levels with `n / (c * weight)` steps each, hence an error near `log2(n / c) / (2c)` of `n`: none for
//! fewer than `c` values, 0.16 % for ten million with `c` = 4096. No random draw is involved: the same stream gives the
//! same sketch.

#[derive(Debug, Clone)]
pub(super) struct QuantileSketch {
    capacity: usize,
    count: u64,
    levels: Vec<Level>,
    over: u64,
    under: u64,
}

#[derive(Debug, Clone, Default)]
struct Level {
    values: Vec<f64>,
    keeps_second: bool,
}

/// The sketch, sorted once for many questions.
#[derive(Debug)]
pub(super) struct Ranks {
    count: u64,
    over: u64,
    under: u64,
    /// Values in order, each with the estimated number of values up to and including it.
    steps: Vec<(f64, u64)>,
}

impl QuantileSketch {
    /// `capacity` is the size of one buffer and must be at least 2.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity >= 2, "a buffer holds at least one pair");
        Self { capacity: capacity.max(2), count: 0, levels: Vec::new(), over: 0, under: 0 }
    }

    /// `values` must be free of NaN.
    pub(super) fn add(&mut self, mut values: &[f64]) {
        self.count += values.len() as u64;
        while !values.is_empty() {
            let capacity = self.capacity;
            let buffer = &mut self.level(0).values;
            // A buffer is compacted as soon as it is full, so there is room for one more at least.
            let room = capacity.saturating_sub(buffer.len()).clamp(1, values.len());
            let (now, later) = values.split_at(room);
            buffer.extend_from_slice(now);
            values = later;
            self.compact_full();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.capacity = self.capacity.min(other.capacity);
        self.count += other.count;
        self.over += other.over;
        self.under += other.under;
        for (height, level) in other.levels.iter().enumerate() {
            self.level(height).values.extend_from_slice(&level.values);
        }
        self.compact_full();
    }

    pub(super) fn ranks(&self) -> Ranks {
        let mut weighted = Vec::new();
        for (height, level) in self.levels.iter().enumerate() {
            weighted.extend(level.values.iter().map(|&value| (value, 1_u64 << height)));
        }
        weighted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let mut seen = 0;
        for step in &mut weighted {
            seen += step.1;
            step.1 = seen;
        }
        debug_assert_eq!(seen, self.count, "a step up keeps the weight");
        Ranks { count: self.count, over: self.over, under: self.under, steps: weighted }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.levels.iter().map(|level| level.values.len()).sum()
    }

    fn level(&mut self, height: usize) -> &mut Level {
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Level::default);
        }
        &mut self.levels[height]
    }

    fn compact_full(&mut self) {
        let mut height = 0;
        while height < self.levels.len() {
            if self.levels[height].values.len() >= self.capacity {
                self.compact(height);
            }
            height += 1;
        }
    }

    fn compact(&mut self, height: usize) {
        let level = &mut self.levels[height];
        // Levels above the first are made of sorted runs, which the stable sort finds and merges.
        level.values.sort_by(f64::total_cmp);
        let unpaired = if level.values.len() % 2 == 1 { level.values.pop() } else { None };
        let first_kept = usize::from(level.keeps_second);
        level.keeps_second = !level.keeps_second;
        let weight = 1_u64 << height;
        if first_kept == 0 {
            self.over += weight;
        } else {
            self.under += weight;
        }
        let paired = std::mem::take(&mut level.values);
        self.level(height + 1).values.extend(paired.iter().skip(first_kept).step_by(2));
        // The buffer is used again instead of being allocated anew.
        let level = &mut self.levels[height];
        level.values = paired;
        level.values.clear();
        level.values.extend(unpaired);
    }
}

impl Ranks {
    /// The value of that rank, counted from 1; None without data.
    pub(super) fn value_at(&self, rank: u64) -> Option<f64> {
        let at = self.steps.partition_point(|step| step.1 < rank.min(self.count));
        self.steps.get(at).map(|step| step.0)
    }

    /// Estimated number of values below `limit`.
    pub(super) fn below(&self, limit: f64) -> u64 {
        let at = self.steps.partition_point(|step| step.0 < limit);
        if at == 0 { 0 } else { self.steps[at - 1].1 }
    }

    /// How many values were seen.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The largest distance between an answer's rank and the true one, as a share of the data.
    pub(super) fn rank_error(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.over.max(self.under) as f64 / self.count as f64 }
    }

    /// The largest error of the number of values between two limits.
    pub(super) fn between_error(&self) -> u64 {
        self.over + self.under
    }
}

#[cfg(test)]
mod tests;
