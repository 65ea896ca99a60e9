//! Random draws that depend on a seed, a purpose and a step, and on nothing drawn before.

use sha2::{Digest, Sha256};

/// A stream of random numbers (SplitMix64) of its own for each (seed, purpose, step).
#[derive(Debug)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64, purpose: &str, step: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(step.to_le_bytes());
        hash.update(purpose.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        Self { state: u64::from_le_bytes(first) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; the bias is below one in 2^32 for every limit that rows and columns have.
    fn below(&mut self, limit: u32) -> u32 {
        let high = (u128::from(self.next()) * u128::from(limit)) >> 64;
        u32::try_from(high).unwrap_or(limit)
    }

    /// `count` of the numbers below `total`, in ascending order, every choice alike.
    pub(crate) fn choose(mut self, count: u32, total: u32) -> Vec<u32> {
        let mut chosen = Vec::with_capacity(count as usize);
        let mut wanted = count.min(total);
        for number in 0..total {
            if wanted == 0 {
                break;
            }
            if self.below(total - number) < wanted {
                chosen.push(number);
                wanted -= 1;
            }
        }
        chosen
    }
}

/// How many of `total` a fraction above 0 means: at least one.
pub(crate) fn part(fraction: f64, total: u32) -> u32 {
    let count = (fraction * f64::from(total)).round() as u32;
    count.clamp(1, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_seed_purpose_and_step_alone() {
        let draw = |seed, purpose, step| Draw::new(seed, purpose, step).choose(50, 1000);
        assert_eq!(draw(1, "rows", 3), draw(1, "rows", 3));
        for other in [draw(2, "rows", 3), draw(1, "columns", 3), draw(1, "rows", 4)] {
            assert_ne!(draw(1, "rows", 3), other);
        }
    }

    #[test]
    fn every_number_is_chosen_about_as_often() {
        let mut counts = [0_u32; 20];
        for step in 0..4000 {
            let chosen = Draw::new(7, "test", step).choose(5, 20);
            assert_eq!(chosen.len(), 5);
            assert!(chosen.is_sorted());
            for number in chosen {
                counts[number as usize] += 1;
            }
        }
        // Expected 1000 each, with a deviation of 27.
        assert!(counts.iter().all(|count| (860..1140).contains(count)), "{counts:?}");
    }

    #[test]
    fn all_and_none_are_choices_too() {
        assert_eq!(Draw::new(0, "test", 0).choose(4, 4), [0, 1, 2, 3]);
        assert_eq!((part(1e-9, 10), part(0.5, 10), part(1.0, 10)), (1, 5, 10));
    }
}
