//! Randomness that depends on (seed, purpose, step) and on nothing else.

use sha2::{Digest, Sha256};

/// The random numbers of one purpose at one step.
///
/// Whoever draws asks for a generator of its own, so an additional draw in one place changes nothing in another, and a
/// resumed run draws what the run would have drawn that was never stopped. The generator is xoshiro256++, written out
/// here: the numbers must not change when a library changes its mind.
pub fn draw(seed: u64, purpose: &str, step: u64) -> Draw {
    let mut hash = Sha256::new();
    hash.update(b"modelyard draw 1");
    hash.update(seed.to_le_bytes());
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.update(step.to_le_bytes());
    let digest = hash.finalize();
    let mut state = [0; 4];
    for (word, bytes) in state.iter_mut().zip(digest.chunks_exact(8)) {
        let mut word_bytes = [0; 8];
        word_bytes.copy_from_slice(bytes);
        *word = u64::from_le_bytes(word_bytes);
    }
    if state == [0; 4] {
        // The one state that the generator would never leave.
        state[0] = 1;
    }
    Draw { state }
}

/// A generator of random numbers; see [`draw`].
#[derive(Debug, Clone)]
pub struct Draw {
    state: [u64; 4],
}

impl Draw {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut next = [a, b, c ^ a, d ^ b];
        next[1] ^= next[2];
        next[0] ^= next[3];
        next[2] ^= b << 17;
        next[3] = next[3].rotate_left(45);
        self.state = next;
        result
    }

    /// A whole number below `bound`, each equally likely; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The lowest bits of 2^64 modulo bound would make small numbers likelier: such draws are thrown away.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = self.uniform() * 2.0 - 1.0;
            let y = self.uniform() * 2.0 - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Puts the items in a random order, each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_three_give_the_same_numbers_and_each_of_them_matters() {
        let first = |mut source: Draw| [source.bits(), source.bits()];
        assert_eq!(first(draw(7, "split", 3)), first(draw(7, "split", 3)));
        for other in [draw(8, "split", 3), draw(7, "spli", 3), draw(7, "split", 4)] {
            assert_ne!(first(draw(7, "split", 3)), first(other));
        }
    }

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // The first numbers of the reference implementation from this state.
        let mut source = Draw { state: [1, 2, 3, 4] };
        let numbers: Vec<u64> = (0..4).map(|_| source.bits()).collect();
        assert_eq!(numbers, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn numbers_below_a_bound_are_even() {
        let mut source = draw(1, "test", 0);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[source.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(source.below(0), 0);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut source = draw(2, "test", 0);
        let numbers: Vec<f64> = (0..50_000).map(|_| source.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        draw(3, "test", 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
