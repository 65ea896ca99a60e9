//! Random numbers by their place: the draw for a token is a function of the request's seed and the token's position.
//!
//! The function is Philox 4x32 with 10 rounds (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011).
//! There is no state to keep, share or lose: an answer that is interrupted and computed again gets the same numbers.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// A number in `0.0..1.0`, one of 2^53 equally probable ones.
pub(super) fn uniform(seed: u64, position: u64) -> f64 {
    let bits = philox([position as u32, (position >> 32) as u32, 0, 0], [seed as u32, (seed >> 32) as u32]);
    let bits = u64::from(bits[0]) | u64::from(bits[1]) << 32;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_authors_known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn neighbouring_seeds_and_positions_are_unrelated() {
        const MANY: u64 = 10_000;
        let along_positions: f64 = (0..MANY).map(|position| uniform(7, position)).sum();
        let along_seeds: f64 = (0..MANY).map(|seed| uniform(seed, 7)).sum();
        // The mean of 10,000 is within five standard deviations of a half: 5 * sqrt(1/12 / 10,000).
        for sum in [along_positions, along_seeds] {
            assert!((sum / MANY as f64 - 0.5).abs() < 0.0145, "{sum}");
        }
    }
}
