//! Sixteen `f32` values at a time, whatever the registers of the machine.
//!
//! A kernel written over [`Lanes`] is compiled once for each path. All paths do the same IEEE operations in the same
//! order (a fused multiply-add is fused everywhere, sums run over the same tree), so they give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod math;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::run_avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::run_avx512;
pub(crate) use portable::Portable;

/// How many values are worked on at a time.
pub(crate) const WIDTH: usize = 16;

/// Work written once over any [`Lanes`]. `run` must be `#[inline(always)]`, so that it becomes part of the function
/// that has the path's instructions switched on.
pub(crate) trait Kernel {
    type Output;

    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// The operations of a path on sixteen values. A value of a type that implements it exists only where the machine has
/// the instructions.
pub(crate) trait Lanes: Copy {
    type V: Copy;

    /// Rows of queries whose products with keys are kept in registers at once.
    const ATTENTION_ROWS: usize;
    /// Vectors of sixteen keys (or value columns) worked on at once.
    const ATTENTION_VECTORS: usize;
    /// Rows of activations that a product with float weights works on at once.
    const FLOAT_ROWS: usize;

    fn splat(self, value: f32) -> Self::V;
    fn load(self, values: &[f32; WIDTH]) -> Self::V;
    fn store(self, vector: Self::V, values: &mut [f32; WIDTH]);
    fn load_f16(self, values: &[u16; WIDTH]) -> Self::V;
    /// Rounds to the nearest, ties to even.
    fn store_f16(self, vector: Self::V, values: &mut [u16; WIDTH]);
    fn load_bf16(self, values: &[u16; WIDTH]) -> Self::V;

    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` if either is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` if either is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// The magnitude of `a` with the sign of `b`.
    fn with_sign_of(self, a: Self::V, b: Self::V) -> Self::V;
    /// Nearest whole number, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// Two to the power of whole numbers between -126 and 127.
    fn power_of_two(self, exponent: Self::V) -> Self::V;
    /// Lanes below `count` from `a`, the others from `b`.
    fn first(self, count: usize, a: Self::V, b: Self::V) -> Self::V;

    /// The sum over a fixed tree: lanes eight apart, then four, two and one.
    fn sum(self, a: Self::V) -> f32;
    /// The largest lane, of lanes that are all numbers.
    fn largest(self, a: Self::V) -> f32;
    /// The largest of the lanes' bit patterns without their signs: orders magnitudes, with infinity and what is not a
    /// number above all others.
    fn largest_magnitude_bits(self, a: Self::V) -> u32;
    /// Rounds each lane (ties to even, all within -127 and 127), stores it, and returns the sum.
    fn store_rounded(self, a: Self::V, values: &mut [i8; WIDTH]) -> i32;

    /// Runs a kernel in a function of its own, with the path's instructions switched on: for what is used in several
    /// places, so that it is compiled once.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

    /// The first lanes from `values`, at most sixteen; the others zero.
    #[inline(always)]
    fn load_some(self, values: &[f32]) -> Self::V {
        let mut padded = [0.0; WIDTH];
        padded[..values.len()].copy_from_slice(values);
        self.load(&padded)
    }

    /// As many lanes as `values` has room for, at most sixteen.
    #[inline(always)]
    fn store_some(self, vector: Self::V, values: &mut [f32]) {
        let mut padded = [0.0; WIDTH];
        self.store(vector, &mut padded);
        let count = values.len();
        values.copy_from_slice(&padded[..count]);
    }

    /// `e` to the power of each lane, within 2 units in the last place; 0 for what is below -87.3 and the largest
    /// result for what is above 88.3.
    #[inline(always)]
    fn exp(self, a: Self::V) -> Self::V {
        math::exp(self, a)
    }

    #[inline(always)]
    fn tanh(self, a: Self::V) -> Self::V {
        math::tanh(self, a)
    }

    /// `1 / (1 + exp(-a))`.
    #[inline(always)]
    fn sigmoid(self, a: Self::V) -> Self::V {
        math::sigmoid(self, a)
    }

    /// The error function, within 2e-7.
    #[inline(always)]
    fn erf(self, a: Self::V) -> Self::V {
        math::erf(self, a)
    }
}

#[cfg(test)]
mod tests;
