//! Operations on rows of `f32` values, shared among threads row by row.

use std::ops::Range;

use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes, WIDTH};
use crate::{KernelError, Machine};

mod activation;
mod norm;
mod rope;
mod softmax;

pub use activation::Activation;
pub use rope::{RopeAngles, RopeError, RopeFrequencies, RopePairing, RopeScaling, YarnScaling};

/// Values worth a thread's while.
const VALUES_A_PIECE: usize = 8192;

impl Machine {
    /// `values += others`.
    ///
    /// # Errors
    ///
    /// The slices are not of the same length.
    pub fn add(&self, values: &mut [f32], others: &[f32]) -> Result<(), KernelError> {
        check_length("what is added", Some(values.len()), others.len())?;
        let target = SharedSlice::new(values);
        self.for_each_piece(others.len(), 1, &|range| {
            // SAFETY: pieces do not overlap.
            let values = unsafe { target.part(range.start, range.len()) };
            self.cpu.run(Add { values, others: &others[range] });
        });
        Ok(())
    }

    /// `values *= factor`.
    pub fn scale(&self, values: &mut [f32], factor: f32) {
        let target = SharedSlice::new(values);
        self.for_each_piece(target.len(), 1, &|range| {
            // SAFETY: pieces do not overlap.
            let values = unsafe { target.part(range.start, range.len()) };
            self.cpu.run(Scale { values, factor });
        });
    }

    /// Cuts `rows` of `columns` values among the threads; few values stay on this one.
    fn for_each_piece(&self, rows: usize, columns: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
        self.pool.for_each(rows, VALUES_A_PIECE.div_ceil(columns.max(1)), task);
    }
}

/// How many rows of `columns` there are in `values`.
fn whole_rows(what: &'static str, values: usize, columns: usize) -> Result<usize, KernelError> {
    if columns == 0 {
        return Err(KernelError::UnsupportedSize { what: "columns", actual: 0, rule: "more than 0" });
    }
    let rows = values / columns;
    check_length(what, Some(rows * columns), values)?;
    Ok(rows)
}

struct Add<'a> {
    values: &'a mut [f32],
    others: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (values, values_rest) = self.values.as_chunks_mut::<WIDTH>();
        let (others, others_rest) = self.others.as_chunks::<WIDTH>();
        for (values, others) in values.iter_mut().zip(others) {
            lanes.store(lanes.add(lanes.load(values), lanes.load(others)), values);
        }
        for (value, other) in values_rest.iter_mut().zip(others_rest) {
            *value += other;
        }
    }
}

struct Scale<'a> {
    values: &'a mut [f32],
    factor: f32,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (values, rest) = self.values.as_chunks_mut::<WIDTH>();
        for values in values {
            lanes.store(lanes.mul(lanes.load(values), lanes.splat(self.factor)), values);
        }
        for value in rest {
            *value *= self.factor;
        }
    }
}

#[cfg(test)]
mod tests;
