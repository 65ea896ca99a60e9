//! The functions between the two halves of a feed-forward layer.

use super::whole_rows;
use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

/// A function that feed-forward layers apply to each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`.
    GeluErf,
}

impl Activation {
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(self, lanes: L, a: L::V) -> L::V {
        const SQRT_2_OVER_PI: f32 = 0.797_884_6;
        let one = lanes.splat(1.0);
        let half = || lanes.mul(lanes.splat(0.5), a);
        match self {
            Self::Silu => lanes.mul(a, lanes.sigmoid(a)),
            Self::GeluTanh => {
                let square = lanes.mul(a, a);
                let inner = lanes.fma(lanes.mul(lanes.splat(0.044_715), square), a, a);
                let tanh = lanes.tanh(lanes.mul(lanes.splat(SQRT_2_OVER_PI), inner));
                lanes.mul(half(), lanes.add(one, tanh))
            }
            Self::GeluErf => {
                let erf = lanes.erf(lanes.mul(lanes.splat(std::f32::consts::FRAC_1_SQRT_2), a));
                lanes.mul(half(), lanes.add(one, erf))
            }
        }
    }
}

impl Machine {
    /// Applies the function to every value.
    pub fn activate(&self, activation: Activation, values: &mut [f32]) {
        let target = SharedSlice::new(values);
        self.for_each_piece(target.len(), 1, &|range| {
            // SAFETY: pieces do not overlap.
            let values = unsafe { target.part(range.start, range.len()) };
            self.cpu.run(Activate { activation, values });
        });
    }

    /// For rows of `2 * columns` values, the first half of each through the function and times the other half, written
    /// to rows of `columns`. For models whose two matrices are stored as one; see [`Self::multiply_gated`] otherwise.
    ///
    /// # Errors
    ///
    /// The slices are not as many rows of these lengths.
    pub fn activate_halves(
        &self,
        activation: Activation,
        values: &[f32],
        columns: usize,
        output: &mut [f32],
    ) -> Result<(), KernelError> {
        let rows = whole_rows("the output", output.len(), columns)?;
        check_length("gates and values", (2 * rows).checked_mul(columns), values.len())?;
        let target = SharedSlice::new(output);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                let (gates, others) = values[2 * row * columns..2 * (row + 1) * columns].split_at(columns);
                // SAFETY: every row is written once.
                let output = unsafe { target.part(row * columns, columns) };
                self.cpu.run(Gate { activation, gates, others, output });
            }
        });
        Ok(())
    }
}

struct Activate<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (values, rest) = self.values.as_chunks_mut::<WIDTH>();
        for values in values {
            lanes.store(self.activation.apply(lanes, lanes.load(values)), values);
        }
        if !rest.is_empty() {
            lanes.store_some(self.activation.apply(lanes, lanes.load_some(rest)), rest);
        }
    }
}

struct Gate<'a> {
    activation: Activation,
    gates: &'a [f32],
    others: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let inputs = self.gates.chunks(WIDTH).zip(self.others.chunks(WIDTH));
        for ((gates, others), output) in inputs.zip(self.output.chunks_mut(WIDTH)) {
            let gate = self.activation.apply(lanes, lanes.load_some(gates));
            lanes.store_some(lanes.mul(gate, lanes.load_some(others)), output);
        }
    }
}
