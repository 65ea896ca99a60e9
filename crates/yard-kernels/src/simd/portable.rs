//! Plain arrays. Loops over sixteen lanes, which compilers turn into what vectors the target has.

use half::{bf16, f16};

use super::{Kernel, Lanes, WIDTH};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type V = [f32; WIDTH];

#[inline(always)]
fn each(a: V, b: V, operation: impl Fn(f32, f32) -> f32) -> V {
    let mut result = [0.0; WIDTH];
    for lane in 0..WIDTH {
        result[lane] = operation(a[lane], b[lane]);
    }
    result
}

impl Lanes for Portable {
    type V = V;

    const ATTENTION_ROWS: usize = 4;
    const ATTENTION_VECTORS: usize = 1;
    const FLOAT_ROWS: usize = 4;

    #[inline(never)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> V {
        [value; WIDTH]
    }

    #[inline(always)]
    fn load(self, values: &[f32; WIDTH]) -> V {
        *values
    }

    #[inline(always)]
    fn store(self, vector: V, values: &mut [f32; WIDTH]) {
        *values = vector;
    }

    #[inline(always)]
    fn load_f16(self, values: &[u16; WIDTH]) -> V {
        values.map(|bits| f16::from_bits(bits).to_f32())
    }

    #[inline(always)]
    fn store_f16(self, vector: V, values: &mut [u16; WIDTH]) {
        *values = vector.map(|value| f16::from_f32(value).to_bits());
    }

    #[inline(always)]
    fn load_bf16(self, values: &[u16; WIDTH]) -> V {
        values.map(|bits| bf16::from_bits(bits).to_f32())
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        let mut result = c;
        for lane in 0..WIDTH {
            result[lane] = a[lane].mul_add(b[lane], c[lane]);
        }
        result
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn abs(self, a: V) -> V {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn with_sign_of(self, a: V, b: V) -> V {
        each(a, b, f32::copysign)
    }

    #[inline(always)]
    fn round(self, a: V) -> V {
        a.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn power_of_two(self, exponent: V) -> V {
        // A cast saturates and takes what is not a number to 0; wrapping keeps nonsense in free of panics.
        exponent.map(|exponent| f32::from_bits(((exponent as i32).wrapping_add(127) << 23) as u32))
    }

    #[inline(always)]
    fn first(self, count: usize, a: V, b: V) -> V {
        let mut result = b;
        for lane in 0..WIDTH {
            if lane < count {
                result[lane] = a[lane];
            }
        }
        result
    }

    #[inline(always)]
    fn sum(self, mut a: V) -> f32 {
        let mut apart = WIDTH / 2;
        while apart > 0 {
            for lane in 0..apart {
                a[lane] += a[lane + apart];
            }
            apart /= 2;
        }
        a[0]
    }

    #[inline(always)]
    fn largest(self, a: V) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn largest_magnitude_bits(self, a: V) -> u32 {
        a.into_iter().fold(0, |largest, value| largest.max(value.abs().to_bits()))
    }

    #[inline(always)]
    fn store_rounded(self, a: V, values: &mut [i8; WIDTH]) -> i32 {
        let mut sum = 0;
        for lane in 0..WIDTH {
            values[lane] = a[lane].round_ties_even() as i8;
            sum += i32::from(values[lane]);
        }
        sum
    }
}
