//! Rows turned into probabilities, and scores held within bounds.

use super::whole_rows;
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

impl Machine {
    /// `exp(values - largest) / sum`, for each row of `columns` values. What is more than 87 below the largest becomes
    /// (almost) 0.
    ///
    /// # Errors
    ///
    /// The values are not whole rows.
    pub fn softmax(&self, values: &mut [f32], columns: usize) -> Result<(), KernelError> {
        let rows = whole_rows("the values", values.len(), columns)?;
        let target = SharedSlice::new(values);
        self.for_each_piece(rows, columns, &|range| {
            for row in range {
                // SAFETY: every row is written once.
                let values = unsafe { target.part(row * columns, columns) };
                self.cpu.run(Softmax(values));
            }
        });
        Ok(())
    }

    /// `cap * tanh(values / cap)`: keeps logits between `-cap` and `cap`.
    pub fn soft_cap(&self, values: &mut [f32], cap: f32) {
        let target = SharedSlice::new(values);
        self.for_each_piece(target.len(), 1, &|range| {
            // SAFETY: pieces do not overlap.
            let values = unsafe { target.part(range.start, range.len()) };
            self.cpu.run(SoftCap { values, cap });
        });
    }
}

struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut largest = lanes.splat(f32::NEG_INFINITY);
        let (vectors, rest) = self.0.as_chunks_mut::<WIDTH>();
        for vector in &*vectors {
            largest = lanes.max(lanes.load(vector), largest);
        }
        let largest = rest.iter().fold(lanes.largest(largest), |largest, value| largest.max(*value));
        let largest = lanes.splat(largest);
        let mut sums = lanes.splat(0.0);
        for vector in &mut *vectors {
            let value = lanes.exp(lanes.sub(lanes.load(vector), largest));
            sums = lanes.add(sums, value);
            lanes.store(value, vector);
        }
        let mut sum = lanes.sum(sums);
        if !rest.is_empty() {
            let value = lanes.exp(lanes.sub(lanes.load_some(rest), largest));
            let zeros = lanes.splat(0.0);
            sum += lanes.sum(lanes.first(rest.len(), value, zeros));
            lanes.store_some(value, rest);
        }
        let factor = 1.0 / sum;
        for value in self.0 {
            *value *= factor;
        }
    }
}

struct SoftCap<'a> {
    values: &'a mut [f32],
    cap: f32,
}

impl Kernel for SoftCap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (cap, inverse) = (lanes.splat(self.cap), lanes.splat(1.0 / self.cap));
        for values in self.values.chunks_mut(WIDTH) {
            let tanh = lanes.tanh(lanes.mul(lanes.load_some(values), inverse));
            lanes.store_some(lanes.mul(cap, tanh), values);
        }
    }
}
