//! How many different values a column has: exact up to a bound, then an estimate with a stated error.

use super::hash::HashedSet;

const PRECISION: u32 = 14;
const REGISTERS: usize = 1 << PRECISION;
/// What is left of a hash after its register was taken from it.
const REMAINING: u32 = u64::BITS - PRECISION;

/// The number of different values in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistinctCount {
    /// Exact where `relative_error` is zero, otherwise estimated.
    pub value: u64,
    /// The estimate's relative standard error: two thirds of all estimates are nearer than this, 99 of 100 nearer
    /// than 2.6 times this.
    pub relative_error: f64,
}

/// Hashes until there are too many, then HyperLogLog registers. What it holds depends only on the set of values seen,
/// not on their order or on how the data was cut, so merging parts equals one pass exactly.
#[derive(Debug, Clone)]
pub(super) struct DistinctCounter {
    exact_limit: usize,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Exact(HashedSet),
    /// In each register the longest run of zeros seen, plus one.
    Estimated(Box<[u8]>),
}

impl DistinctCounter {
    pub(super) fn new(exact_limit: usize) -> Self {
        Self { exact_limit, state: State::Exact(HashedSet::default()) }
    }

    pub(super) fn add(&mut self, hash: u64) {
        match &mut self.state {
            State::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > self.exact_limit {
                    self.estimate_from_now();
                }
            }
            State::Estimated(registers) => note(registers, hash),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.exact_limit = self.exact_limit.min(other.exact_limit);
        match &other.state {
            State::Exact(hashes) => hashes.iter().for_each(|&hash| self.add(hash)),
            State::Estimated(theirs) => {
                self.estimate_from_now();
                if let State::Estimated(ours) = &mut self.state {
                    for (our, their) in ours.iter_mut().zip(theirs) {
                        *our = (*our).max(*their);
                    }
                }
            }
        }
        if matches!(&self.state, State::Exact(hashes) if hashes.len() > self.exact_limit) {
            self.estimate_from_now();
        }
    }

    pub(super) fn count(&self) -> DistinctCount {
        match &self.state {
            State::Exact(hashes) => DistinctCount { value: hashes.len() as u64, relative_error: 0.0 },
            State::Estimated(registers) => DistinctCount {
                value: estimate(registers).round() as u64,
                relative_error: 1.04 / (REGISTERS as f64).sqrt(),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        match &self.state {
            State::Exact(hashes) => hashes.len(),
            State::Estimated(registers) => registers.len() / size_of::<u64>(),
        }
    }

    fn estimate_from_now(&mut self) {
        if let State::Exact(hashes) = &self.state {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            hashes.iter().for_each(|&hash| note(&mut registers, hash));
            self.state = State::Estimated(registers);
        }
    }
}

fn note(registers: &mut [u8], hash: u64) {
    let register = &mut registers[(hash >> REMAINING) as usize];
    let rank = (hash << PRECISION).leading_zeros().min(REMAINING) + 1;
    *register = (*register).max(rank as u8);
}

/// Ertl's improved estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017): unbiased from
/// an empty to a saturated sketch without the tables of corrections that the first estimator needs.
fn estimate(registers: &[u8]) -> f64 {
    let mut histogram = [0_u32; REMAINING as usize + 2];
    for &register in registers {
        histogram[usize::from(register)] += 1;
    }
    let size = registers.len() as f64;
    let mut sum = size * saturated(1.0 - f64::from(histogram[REMAINING as usize + 1]) / size);
    for &count in histogram[1..=REMAINING as usize].iter().rev() {
        sum = 0.5 * (sum + f64::from(count));
    }
    sum += size * empty(f64::from(histogram[0]) / size);
    size * size / (2.0 * std::f64::consts::LN_2 * sum)
}

fn saturated(mut share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - share);
    loop {
        share = share.sqrt();
        weight *= 0.5;
        let before = sum;
        sum -= (1.0 - share).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

fn empty(mut share: f64) -> f64 {
    if share == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, share);
    loop {
        share *= share;
        let before = sum;
        sum += share * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::{hash_bytes, hash_number};
    use super::*;

    fn counter_of(hashes: impl Iterator<Item = u64>) -> DistinctCounter {
        let mut counter = DistinctCounter::new(1000);
        hashes.for_each(|hash| counter.add(hash));
        counter
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let counter = counter_of((0..5000).map(|row| hash_number(f64::from(row % 1000))));
        assert_eq!(counter.count(), DistinctCount { value: 1000, relative_error: 0.0 });
    }

    #[test]
    fn many_values_are_estimated_within_three_standard_errors() {
        for count in [1001, 5_000, 50_000, 300_000, 1_000_000_u32] {
            let numbers = counter_of((0..count).map(|row| hash_number(f64::from(row)))).count();
            let texts =
                counter_of((0..count).map(|row| hash_bytes(format!("user-{row}").as_bytes()))).count();
            for found in [numbers, texts] {
                let off = (found.value as f64 - f64::from(count)).abs() / f64::from(count);
                assert!(
                    found.relative_error > 0.0 && off <= 3.0 * found.relative_error,
                    "{found:?} for {count}"
                );
            }
        }
    }

    #[test]
    fn merging_parts_equals_one_pass_exactly() {
        for count in [900, 1500, 40_000] {
            let hash = |row: u32| hash_number(f64::from(row));
            let whole = counter_of((0..count).map(hash));
            let mut merged = counter_of((0..count / 3).map(hash));
            merged.merge(&counter_of((count / 5..count).map(hash)));
            assert_eq!(merged.count(), whole.count());
        }
    }
}
