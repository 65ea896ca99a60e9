//! Rows brought to a common size.

use super::whole_rows;
use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

/// Sums that run side by side, so that one addition need not wait for the one before.
const CHAINS: usize = 4;

impl Machine {
    /// `output = values / sqrt(mean(values^2) + epsilon) * weight`, for each row of as many values as `weight` has.
    ///
    /// # Errors
    ///
    /// `values` and `output` are not as many whole rows.
    pub fn rms_norm(
        &self,
        values: &[f32],
        weight: &[f32],
        epsilon: f32,
        output: &mut [f32],
    ) -> Result<(), KernelError> {
        let columns = weight.len();
        let rows = whole_rows("the values", values.len(), columns)?;
        check_length("the output", Some(values.len()), output.len())?;
        let target = SharedSlice::new(output);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                let values = &values[row * columns..(row + 1) * columns];
                // SAFETY: every row is written once.
                let output = unsafe { target.part(row * columns, columns) };
                self.cpu.run(RmsNorm { values: Some(values), weight, epsilon, output });
            }
        });
        Ok(())
    }

    /// As [`Self::rms_norm`], in place: for the queries and keys of each head.
    ///
    /// # Errors
    ///
    /// `values` are not whole rows.
    pub fn rms_norm_in_place(
        &self,
        values: &mut [f32],
        weight: &[f32],
        epsilon: f32,
    ) -> Result<(), KernelError> {
        let columns = weight.len();
        let rows = whole_rows("the values", values.len(), columns)?;
        let target = SharedSlice::new(values);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                // SAFETY: every row is written once.
                let output = unsafe { target.part(row * columns, columns) };
                self.cpu.run(RmsNorm { values: None, weight, epsilon, output });
            }
        });
        Ok(())
    }

    /// `output = (values - mean) / sqrt(variance + epsilon) * weight + bias`, for each row of as many values as `weight`
    /// has.
    ///
    /// # Errors
    ///
    /// `values` and `output` are not as many whole rows, or the bias has another length than the weight.
    pub fn layer_norm(
        &self,
        values: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        epsilon: f32,
        output: &mut [f32],
    ) -> Result<(), KernelError> {
        let columns = weight.len();
        let rows = whole_rows("the values", values.len(), columns)?;
        check_length("the output", Some(values.len()), output.len())?;
        if let Some(bias) = bias {
            check_length("the bias", Some(columns), bias.len())?;
        }
        let target = SharedSlice::new(output);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                let values = &values[row * columns..(row + 1) * columns];
                // SAFETY: every row is written once.
                let output = unsafe { target.part(row * columns, columns) };
                self.cpu.run(LayerNorm { values, weight, bias, epsilon, output });
            }
        });
        Ok(())
    }
}

/// The sum of `function` over the values, in chains whose order depends on the number of values alone.
#[inline(always)]
fn sum<L: Lanes>(
    lanes: L,
    values: &[f32],
    add: impl Fn(L::V, L::V) -> L::V,
    rest: impl Fn(f32) -> f32,
) -> f32 {
    let mut sums = [lanes.splat(0.0); CHAINS];
    let (vectors, tail) = values.as_chunks::<WIDTH>();
    let (fours, others) = vectors.as_chunks::<CHAINS>();
    for four in fours {
        for chain in 0..CHAINS {
            sums[chain] = add(sums[chain], lanes.load(&four[chain]));
        }
    }
    for vector in others {
        sums[0] = add(sums[0], lanes.load(vector));
    }
    let halves = [lanes.add(sums[0], sums[1]), lanes.add(sums[2], sums[3])];
    let total = lanes.sum(lanes.add(halves[0], halves[1]));
    tail.iter().fold(total, |total, value| total + rest(*value))
}

struct RmsNorm<'a> {
    /// The output itself when there are none.
    values: Option<&'a [f32]>,
    weight: &'a [f32],
    epsilon: f32,
    output: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        if let Some(values) = self.values {
            self.output.copy_from_slice(values);
        }
        let squares =
            sum(lanes, self.output, |sum, value| lanes.fma(value, value, sum), |value| value * value);
        let factor = 1.0 / (squares / self.output.len() as f32 + self.epsilon).sqrt();
        let (outputs, output_rest) = self.output.as_chunks_mut::<WIDTH>();
        let (weights, weight_rest) = self.weight.as_chunks::<WIDTH>();
        for (output, weight) in outputs.iter_mut().zip(weights) {
            let value = lanes.mul(lanes.load(output), lanes.splat(factor));
            lanes.store(lanes.mul(value, lanes.load(weight)), output);
        }
        for (output, weight) in output_rest.iter_mut().zip(weight_rest) {
            *output = *output * factor * weight;
        }
    }
}

struct LayerNorm<'a> {
    values: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    epsilon: f32,
    output: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let count = self.values.len() as f32;
        let mean = sum(lanes, self.values, |sum, value| lanes.add(sum, value), |value| value) / count;
        for (output, value) in self.output.iter_mut().zip(self.values) {
            *output = value - mean;
        }
        let squares =
            sum(lanes, self.output, |sum, value| lanes.fma(value, value, sum), |value| value * value);
        let factor = 1.0 / (squares / count + self.epsilon).sqrt();
        for (output, weight) in self.output.iter_mut().zip(self.weight) {
            *output = *output * factor * weight;
        }
        if let Some(bias) = self.bias {
            for (output, bias) in self.output.iter_mut().zip(bias) {
                *output += bias;
            }
        }
    }
}
