//! Rotary positions: pairs of values turned by an angle that grows with the position.

use super::whole_rows;
use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::{KernelError, Machine};

/// Which values of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RopePairing {
    /// Neighbours: 0 with 1, 2 with 3, and so on (Llama's files).
    Neighbours,
    /// The first half with the second: 0 with `n / 2`, 1 with `n / 2 + 1`, and so on (NeoX, Qwen, Gemma, Phi).
    Halves,
}

/// How the speeds of rotation are changed for contexts longer than those trained on.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions divided by a factor.
    Linear(f32),
    /// The speed of each pair divided by a factor of its own, as files carry them (Llama 3, Phi 3 long contexts).
    Factors(Vec<f32>),
    /// Slow pairs interpolated and fast ones left alone; what turns is multiplied with `0.1 * ln(factor) + 1`.
    Yarn(YarnScaling),
}

/// The parameters of YaRN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct YarnScaling {
    /// How many times longer the context is than the one trained on.
    pub factor: f32,
    /// The context trained on.
    pub original_context: usize,
    /// Turns over the original context from which on a pair is left alone; 32 by default.
    pub beta_fast: f32,
    /// Turns up to which a pair is interpolated in full; 1 by default.
    pub beta_slow: f32,
}

/// Parameters that make no rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RopeError {
    /// An odd number of values, or none.
    #[error("{0} values of a head cannot be turned in pairs")]
    NoPairs(usize),
    /// Another number of factors than of pairs.
    #[error("{actual} factors for {expected} pairs")]
    WrongNumberOfFactors {
        /// How many pairs there are.
        expected: usize,
        /// How many factors were given.
        actual: usize,
    },
    /// A base or factor that is not a positive number.
    #[error("{0} is not a positive number")]
    NotPositive(&'static str),
}

/// The speeds at which the pairs of a head turn.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeFrequencies {
    /// Radians a position.
    speeds: Vec<f64>,
    magnitude: f32,
}

impl RopeFrequencies {
    /// The speeds for heads of which the first `rotated` values are turned: pair `i` by `base^(-2 i / rotated)` a
    /// position, changed by the scaling.
    ///
    /// # Errors
    ///
    /// The parameters make no rotation.
    pub fn new(rotated: usize, base: f32, scaling: &RopeScaling) -> Result<Self, RopeError> {
        if rotated == 0 || !rotated.is_multiple_of(2) {
            return Err(RopeError::NoPairs(rotated));
        }
        check_positive("the base of the rotation", base)?;
        let pairs = rotated / 2;
        let base = f64::from(base);
        let mut speeds: Vec<f64> =
            (0..pairs).map(|pair| base.powf(-2.0 * pair as f64 / rotated as f64)).collect();
        let mut magnitude = 1.0;
        match scaling {
            RopeScaling::None => {}
            RopeScaling::Linear(factor) => {
                check_positive("the scaling factor", *factor)?;
                for speed in &mut speeds {
                    *speed /= f64::from(*factor);
                }
            }
            RopeScaling::Factors(factors) => {
                if factors.len() != pairs {
                    return Err(RopeError::WrongNumberOfFactors { expected: pairs, actual: factors.len() });
                }
                for (speed, factor) in speeds.iter_mut().zip(factors) {
                    check_positive("a factor of the rotation", *factor)?;
                    *speed /= f64::from(*factor);
                }
            }
            RopeScaling::Yarn(yarn) => {
                check_positive("the scaling factor", yarn.factor)?;
                scale_by_yarn(&mut speeds, base, yarn);
                magnitude = 0.1 * yarn.factor.max(1.0).ln() + 1.0;
            }
        }
        Ok(Self { speeds, magnitude })
    }

    /// The same, with what turns multiplied with a number as well.
    ///
    /// # Errors
    ///
    /// The number is not above 0.
    pub fn times(mut self, magnitude: f32) -> Result<Self, RopeError> {
        check_positive("the magnitude of the rotation", magnitude)?;
        self.magnitude *= magnitude;
        Ok(self)
    }

    /// How many values at the start of each head are turned.
    #[must_use]
    pub fn rotated(&self) -> usize {
        self.speeds.len() * 2
    }
}

fn check_positive(what: &'static str, value: f32) -> Result<(), RopeError> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(RopeError::NotPositive(what)) }
}

/// Pairs that make fewer than `beta_slow` turns over the original context are interpolated, those that make more than
/// `beta_fast` are left alone, and those between are mixed along a straight line over the pairs' numbers.
fn scale_by_yarn(speeds: &mut [f64], base: f64, yarn: &YarnScaling) {
    let pairs = speeds.len() as f64;
    // The pair that makes so many turns over the original context.
    let pair_of = |turns: f32| {
        let full_turns = yarn.original_context as f64 / (f64::from(turns) * std::f64::consts::TAU);
        pairs * full_turns.ln() / base.ln()
    };
    let low = pair_of(yarn.beta_fast).floor().max(0.0);
    let high = pair_of(yarn.beta_slow).ceil().min(2.0 * pairs - 1.0);
    for (pair, speed) in speeds.iter_mut().enumerate() {
        let ramp = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        let interpolated = *speed / f64::from(yarn.factor);
        *speed = interpolated * ramp + *speed * (1.0 - ramp);
    }
}

/// Cosines and sines for the rows of a step: computed once, used by every layer and head.
#[derive(Debug, Default)]
pub struct RopeAngles {
    rows: usize,
    pairs: usize,
    /// For each row the cosines of all pairs and then the sines.
    values: Vec<f32>,
}

impl RopeAngles {
    /// No rows yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: 0, pairs: 0, values: Vec::new() }
    }

    /// Takes in the positions of new rows.
    pub fn prepare(&mut self, frequencies: &RopeFrequencies, positions: impl IntoIterator<Item = usize>) {
        (self.rows, self.pairs) = (0, frequencies.speeds.len());
        self.values.clear();
        for position in positions {
            let start = self.values.len();
            self.values.resize(start + 2 * self.pairs, 0.0);
            let (cosines, sines) = self.values[start..].split_at_mut(self.pairs);
            for (pair, speed) in frequencies.speeds.iter().enumerate() {
                let (sine, cosine) = (position as f64 * speed).sin_cos();
                cosines[pair] = cosine as f32 * frequencies.magnitude;
                sines[pair] = sine as f32 * frequencies.magnitude;
            }
            self.rows += 1;
        }
    }

    /// How many rows were prepared last.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }
}

impl Machine {
    /// Turns the heads of each row in place. `values` are as many rows as there are angles, each of some heads of
    /// `head_size`; values of a head beyond those that turn stay as they are.
    ///
    /// # Errors
    ///
    /// The values are not that many rows of whole heads, or a head is smaller than what turns.
    pub fn rotate(
        &self,
        angles: &RopeAngles,
        pairing: RopePairing,
        head_size: usize,
        values: &mut [f32],
    ) -> Result<(), KernelError> {
        let (rows, pairs) = (angles.rows, angles.pairs);
        if rows == 0 {
            return check_length("the values", Some(0), values.len());
        }
        if head_size < 2 * pairs {
            let rule = "at least what is rotated";
            return Err(KernelError::UnsupportedSize { what: "the head size", actual: head_size, rule });
        }
        let columns = whole_rows("the values", values.len(), rows)?;
        whole_rows("a row of heads", columns, head_size)?;
        let target = SharedSlice::new(values);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                // SAFETY: every row is written once.
                let values = unsafe { target.part(row * columns, columns) };
                let (cosines, sines) = angles.values[2 * row * pairs..2 * (row + 1) * pairs].split_at(pairs);
                for head in values.chunks_exact_mut(head_size) {
                    rotate_head(pairing, cosines, sines, &mut head[..2 * pairs]);
                }
            }
        });
        Ok(())
    }
}

fn rotate_head(pairing: RopePairing, cosines: &[f32], sines: &[f32], head: &mut [f32]) {
    let angles = cosines.iter().zip(sines);
    match pairing {
        RopePairing::Neighbours => {
            for (pair, (cosine, sine)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                let [x, y] = *pair;
                *pair = [x * cosine - y * sine, x * sine + y * cosine];
            }
        }
        RopePairing::Halves => {
            let (first, second) = head.split_at_mut(cosines.len());
            for ((x, y), (cosine, sine)) in first.iter_mut().zip(second).zip(angles) {
                (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
            }
        }
    }
}
