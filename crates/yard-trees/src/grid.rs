//! Numbers whose `f32` sums are exact.
//!
//! Multiples of a power of two that stay below 2^24 times that power are exact in `f32`, and so are their sums. Engines
//! add the leaves of a forest in an order that depends on batch size and threads; on such a grid all orders agree.

/// How many bits of an `f32` are left for sums to grow beyond the spread of what is learned.
const HEADROOM: i32 = 3;
/// The significant bits of an `f32`.
const BITS: i32 = 24;
/// The exponent of the least positive `f32`.
const LEAST_EXPONENT: i32 = -149;

/// The multiples of a power of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    step: f64,
}

impl Grid {
    /// A grid on which sums up to eight times the spread are exact.
    pub(crate) fn for_spread(spread: f64) -> Self {
        let exponent = if spread > 0.0 { spread.log2().ceil() as i32 } else { 0 };
        Self { step: 2_f64.powi((exponent + HEADROOM - BITS).max(LEAST_EXPONENT)) }
    }

    /// The nearest number on the grid.
    pub(crate) fn nearest(self, value: f64) -> f32 {
        // Adding zero turns -0 into 0, so that equal leaves have equal bytes.
        ((value / self.step).round() * self.step) as f32 + 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_in_every_order() {
        for spread in [0.001, 1.0, 300.0, 1e30, 1e-44] {
            let grid = Grid::for_spread(spread);
            let values: Vec<f32> =
                (0..1000).map(|step| grid.nearest(spread * f64::from(step).sin() / 100.0)).collect();
            let forward: f32 = values.iter().sum();
            let backward: f32 = values.iter().rev().sum();
            let pairs: f32 = values.chunks(7).map(|chunk| chunk.iter().sum::<f32>()).sum();
            assert_eq!((forward.to_bits(), forward.to_bits()), (backward.to_bits(), pairs.to_bits()));
        }
    }

    #[test]
    fn rounding_is_below_a_millionth_of_the_spread() {
        let grid = Grid::for_spread(100.0);
        for value in [33.333_333, 0.000_017, -99.999] {
            assert!((f64::from(grid.nearest(value)) - value).abs() <= 100.0 * 1e-6);
        }
    }
}
