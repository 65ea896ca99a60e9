//! Two registers of 256 bits.

use std::arch::x86_64::*;

use super::avx512::sum_of_eight;
use super::{Kernel, Lanes, WIDTH};

/// Proof that the machine has the instructions: made only by [`run_avx2`].
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// Lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Pair(__m256, __m256);

/// # Safety
///
/// The machine has the features named.
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

const HALF: usize = WIDTH / 2;

// SAFETY of every block below: `self` proves that the machine has AVX2, FMA and F16C, and loads and stores go through
// references to as many values as they touch; none of them asks for an alignment.
impl Lanes for Avx2 {
    type V = Pair;

    const ATTENTION_ROWS: usize = 4;
    const ATTENTION_VECTORS: usize = 1;
    const FLOAT_ROWS: usize = 4;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        unsafe { run_avx2(kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Pair {
        unsafe {
            let half = _mm256_set1_ps(value);
            Pair(half, half)
        }
    }

    #[inline(always)]
    fn load(self, values: &[f32; WIDTH]) -> Pair {
        unsafe { Pair(_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(HALF))) }
    }

    #[inline(always)]
    fn store(self, vector: Pair, values: &mut [f32; WIDTH]) {
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), vector.0);
            _mm256_storeu_ps(values.as_mut_ptr().add(HALF), vector.1);
        }
    }

    #[inline(always)]
    fn load_f16(self, values: &[u16; WIDTH]) -> Pair {
        unsafe {
            let start: *const __m128i = values.as_ptr().cast();
            Pair(_mm256_cvtph_ps(_mm_loadu_si128(start)), _mm256_cvtph_ps(_mm_loadu_si128(start.add(1))))
        }
    }

    #[inline(always)]
    fn store_f16(self, vector: Pair, values: &mut [u16; WIDTH]) {
        unsafe {
            let start: *mut __m128i = values.as_mut_ptr().cast();
            _mm_storeu_si128(start, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(vector.0));
            _mm_storeu_si128(start.add(1), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(vector.1));
        }
    }

    #[inline(always)]
    fn load_bf16(self, values: &[u16; WIDTH]) -> Pair {
        unsafe {
            let start: *const __m128i = values.as_ptr().cast();
            let low = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(start)));
            let high = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(start.add(1))));
            Pair(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
        }
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn fma(self, a: Pair, b: Pair, c: Pair) -> Pair {
        unsafe { Pair(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn min(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn abs(self, a: Pair) -> Pair {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Pair(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }

    #[inline(always)]
    fn with_sign_of(self, a: Pair, b: Pair) -> Pair {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Pair(
                _mm256_or_ps(_mm256_andnot_ps(sign, a.0), _mm256_and_ps(sign, b.0)),
                _mm256_or_ps(_mm256_andnot_ps(sign, a.1), _mm256_and_ps(sign, b.1)),
            )
        }
    }

    #[inline(always)]
    fn round(self, a: Pair) -> Pair {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        unsafe { Pair(_mm256_round_ps::<NEAREST>(a.0), _mm256_round_ps::<NEAREST>(a.1)) }
    }

    #[inline(always)]
    fn power_of_two(self, exponent: Pair) -> Pair {
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let low = _mm256_add_epi32(_mm256_cvtps_epi32(exponent.0), bias);
            let high = _mm256_add_epi32(_mm256_cvtps_epi32(exponent.1), bias);
            Pair(
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(high)),
            )
        }
    }

    #[inline(always)]
    fn first(self, count: usize, a: Pair, b: Pair) -> Pair {
        unsafe {
            let count = _mm256_set1_epi32(count.min(WIDTH) as i32);
            let low = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
            let high = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
            Pair(
                _mm256_blendv_ps(b.0, a.0, _mm256_castsi256_ps(low)),
                _mm256_blendv_ps(b.1, a.1, _mm256_castsi256_ps(high)),
            )
        }
    }

    #[inline(always)]
    fn sum(self, a: Pair) -> f32 {
        unsafe { sum_of_eight(_mm256_add_ps(a.0, a.1)) }
    }

    #[inline(always)]
    fn largest(self, a: Pair) -> f32 {
        unsafe {
            let eight = _mm256_max_ps(a.0, a.1);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<0b01>(two, two)))
        }
    }

    #[inline(always)]
    fn largest_magnitude_bits(self, a: Pair) -> u32 {
        unsafe {
            let both =
                _mm256_max_epu32(_mm256_castps_si256(self.abs(a).0), _mm256_castps_si256(self.abs(a).1));
            let four = _mm_max_epu32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
            let two = _mm_max_epu32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
            let one = _mm_max_epu32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two));
            _mm_cvtsi128_si32(one) as u32
        }
    }

    #[inline(always)]
    fn store_rounded(self, a: Pair, values: &mut [i8; WIDTH]) -> i32 {
        unsafe {
            let (low, high) = (_mm256_cvtps_epi32(a.0), _mm256_cvtps_epi32(a.1));
            let low_words = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            let high_words =
                _mm_packs_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256::<1>(high));
            _mm_storeu_si128(values.as_mut_ptr().cast(), _mm_packs_epi16(low_words, high_words));
            let eight = _mm256_add_epi32(low, high);
            let four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
            let one = _mm_add_epi32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two));
            _mm_cvtsi128_si32(one)
        }
    }
}
