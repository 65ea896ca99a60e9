//! Tiles with the byte dot products of AVX-512 VNNI: one register holds four columns of all sixteen rows.

use std::arch::x86_64::*;

use super::format::{BLOCKS_A_SUPER, Format, Scales, TileInput, TileKernel, TileOutput};
use crate::activations::{BlockMeta, GROUP};

/// Groups of four columns in a block.
const GROUPS: usize = 8;
/// How far ahead weights are asked for: some hundred nanoseconds of one core's share of memory bandwidth.
const PREFETCH_BYTES: usize = 4096;

/// The kernel for so many rows, which are at most eight.
pub(super) fn kernel<F: Format>(rows: usize) -> TileKernel {
    match rows {
        1 => tile::<F, 1>,
        2 => tile::<F, 2>,
        3 => tile::<F, 3>,
        4 => tile::<F, 4>,
        5 => tile::<F, 5>,
        6 => tile::<F, 6>,
        7 => tile::<F, 7>,
        _ => tile::<F, GROUP>,
    }
}

/// A block's scales for all rows, ready to multiply with.
struct BlockScales {
    scale: __m512,
    /// The minima, or the scales of a block's second half where it has its own.
    second: __m512,
}

/// # Safety
///
/// As [`TileKernel`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn tile<F: Format, const ROWS: usize>(input: &TileInput, output: &mut TileOutput) {
    let mut totals = [_mm512_setzero_ps(); ROWS];
    let mut numbers = input.numbers;
    let mut scales = input.scales;
    let mut values = input.rows.values;
    let mut metas = input.rows.meta;
    let mut header = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for block in 0..input.blocks {
        // SAFETY: the pointers are within the blocks that the caller vouches for; prefetching never faults.
        unsafe {
            if F::HAS_HEADER && block % BLOCKS_A_SUPER == 0 {
                header = load_header::<F>(scales);
                scales = scales.add(F::SCALES.header_bytes());
            }
            let weights = load_numbers::<F>(numbers);
            let block_scales = load_scales::<F>(scales, header);
            if ROWS == 1 {
                totals[0] = one_row::<F>(&weights, &block_scales, values, &*metas, totals[0]);
            } else {
                // Two rows at a time: their chains of dot products overlap.
                let mut row = 0;
                while row + 1 < ROWS {
                    let [a, b] = dots::<F, 2>(&weights, values.add(row * 32), metas.add(row));
                    totals[row] = finish::<F>(a, &block_scales, &*metas.add(row), totals[row]);
                    totals[row + 1] = finish::<F>(b, &block_scales, &*metas.add(row + 1), totals[row + 1]);
                    row += 2;
                }
                if row < ROWS {
                    let [a] = dots::<F, 1>(&weights, values.add(row * 32), metas.add(row));
                    totals[row] = finish::<F>(a, &block_scales, &*metas.add(row), totals[row]);
                }
            }
            numbers = numbers.add(F::NUMBER_BYTES);
            scales = scales.add(F::SCALES.block_bytes());
            values = values.byte_add(input.rows.stride);
            metas = metas.byte_add(input.rows.stride);
        }
    }
    for row in 0..ROWS {
        // SAFETY: sixteen values of the output.
        unsafe { _mm512_store_ps(output.0[row].as_mut_ptr(), totals[row]) };
    }
}

/// The dot products of `ROWS` neighbouring rows of activations with a block: those of its two halves where each has a
/// scale of its own, else the whole ones and zeros.
///
/// # Safety
///
/// As many rows of numbers and metas are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn dots<F: Format, const ROWS: usize>(
    weights: &[__m512i; GROUPS],
    values: *const i8,
    metas: *const BlockMeta,
) -> [[__m512i; 2]; ROWS] {
    // SAFETY of the reads: 32 numbers a row, and a meta a row.
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    if F::SCALES as u8 == Scales::SuperHalves as u8 {
        for row in 0..ROWS {
            let meta = unsafe { &*metas.add(row) };
            sums[row] = meta.half_offsets.map(|offset| _mm512_set1_epi32(offset));
        }
        for group in 0..GROUPS / 2 {
            for row in 0..ROWS {
                let [low, high] = sums[row];
                sums[row][0] = dot(low, weights[group], unsafe { four(values, row, group) });
                sums[row][1] = dot(high, weights[group + 4], unsafe { four(values, row, group + 4) });
            }
        }
    } else {
        if F::OFFSET != 0 {
            for row in 0..ROWS {
                let meta = unsafe { &*metas.add(row) };
                sums[row][0] = offset::<F>(meta);
            }
        }
        for group in 0..GROUPS {
            for row in 0..ROWS {
                sums[row][0] = dot(sums[row][0], weights[group], unsafe { four(values, row, group) });
            }
        }
    }
    sums
}

/// As [`dots`] and [`finish`], with the one row's products in two chains. Whole numbers, so the same result.
///
/// # Safety
///
/// 32 numbers are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn one_row<F: Format>(
    weights: &[__m512i; GROUPS],
    scales: &BlockScales,
    values: *const i8,
    meta: &BlockMeta,
    total: __m512,
) -> __m512 {
    if F::SCALES as u8 == Scales::SuperHalves as u8 {
        // SAFETY: the caller's.
        let [halves] = unsafe { dots::<F, 1>(weights, values, meta) };
        return finish::<F>(halves, scales, meta, total);
    }
    let mut first = offset::<F>(meta);
    let mut second = _mm512_setzero_si512();
    for group in 0..GROUPS / 2 {
        // SAFETY: the caller's.
        unsafe {
            first = dot(first, weights[group], four(values, 0, group));
            second = dot(second, weights[group + 4], four(values, 0, group + 4));
        }
    }
    finish::<F>([_mm512_add_epi32(first, second), _mm512_setzero_si512()], scales, meta, total)
}

/// What takes a format's offset off the dot products with a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn offset<F: Format>(meta: &BlockMeta) -> __m512i {
    let eight = _mm512_set1_epi32(meta.offset);
    match F::OFFSET {
        0 => _mm512_setzero_si512(),
        8 => eight,
        16 => _mm512_slli_epi32::<1>(eight),
        128 => _mm512_slli_epi32::<4>(eight),
        other => _mm512_set1_epi32(meta.offset / 8 * other),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn dot(sum: __m512i, weights: __m512i, values: __m512i) -> __m512i {
    _mm512_dpbusd_epi32(sum, weights, values)
}

/// Four activations of a row in every lane.
///
/// # Safety
///
/// The row is there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn four(values: *const i8, row: usize, group: usize) -> __m512i {
    // SAFETY: the caller's; a group is four bytes.
    _mm512_set1_epi32(unsafe { values.add(row * 32 + group * 4).cast::<i32>().read_unaligned() })
}

/// Adds a block's part to a row's sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn finish<F: Format>(dots: [__m512i; 2], scales: &BlockScales, meta: &BlockMeta, total: __m512) -> __m512 {
    let (first, scale) = (_mm512_cvtepi32_ps(dots[0]), _mm512_set1_ps(meta.scale));
    match F::SCALES {
        Scales::One => _mm512_fmadd_ps(_mm512_mul_ps(first, scale), scales.scale, total),
        Scales::WithMinimum | Scales::SuperWithMinimum => {
            let total = _mm512_fmadd_ps(_mm512_mul_ps(first, scale), scales.scale, total);
            _mm512_fmadd_ps(_mm512_set1_ps(meta.scaled_sum), scales.second, total)
        }
        Scales::SuperHalves => {
            let low = _mm512_mul_ps(first, scales.scale);
            let both = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[1]), scales.second, low);
            _mm512_fmadd_ps(both, scale, total)
        }
    }
}

/// A block's numbers, group by group.
///
/// # Safety
///
/// `F::NUMBER_BYTES` bytes are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn load_numbers<F: Format>(numbers: *const u8) -> [__m512i; GROUPS] {
    let mut weights = [_mm512_setzero_si512(); GROUPS];
    // SAFETY: within the caller's bytes; prefetching never faults.
    unsafe {
        for line in 0..F::NUMBER_BYTES / 64 {
            _mm_prefetch::<_MM_HINT_T0>(numbers.wrapping_add(PREFETCH_BYTES + line * 64).cast());
        }
        if F::BITS == 8 {
            for group in 0..GROUPS {
                weights[group] = _mm512_loadu_si512(numbers.add(group * 64).cast());
            }
            return weights;
        }
        let low_half = _mm512_set1_epi8(0x0f);
        for group in 0..GROUPS / 2 {
            let both = _mm512_loadu_si512(numbers.add(group * 64).cast());
            weights[group] = _mm512_and_si512(both, low_half);
            weights[group + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low_half);
        }
        if F::BITS == 5 {
            let bits = _mm512_loadu_si512(numbers.add(256).cast());
            let fifth = _mm512_set1_epi8(0x10);
            let moved = [
                _mm512_slli_epi16::<4>(bits),
                _mm512_slli_epi16::<3>(bits),
                _mm512_slli_epi16::<2>(bits),
                _mm512_slli_epi16::<1>(bits),
                bits,
                _mm512_srli_epi16::<1>(bits),
                _mm512_srli_epi16::<2>(bits),
                _mm512_srli_epi16::<3>(bits),
            ];
            for group in 0..GROUPS {
                weights[group] = or_and(weights[group], moved[group], fifth);
            }
        }
        if F::BITS == 6 {
            let upper = _mm512_set1_epi8(0x30);
            for half in 0..2 {
                let bits = _mm512_loadu_si512(numbers.add(256 + half * 64).cast());
                let moved = [
                    _mm512_slli_epi16::<4>(bits),
                    _mm512_slli_epi16::<2>(bits),
                    bits,
                    _mm512_srli_epi16::<2>(bits),
                ];
                for group in 0..4 {
                    weights[half * 4 + group] = or_and(weights[half * 4 + group], moved[group], upper);
                }
            }
        }
    }
    weights
}

/// `a | (b & mask)`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn or_and(a: __m512i, b: __m512i, mask: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1111_1000>(a, b, mask)
}

/// The scales of scales of eight blocks.
///
/// # Safety
///
/// The format's header is there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn load_header<F: Format>(scales: *const u8) -> (__m512, __m512) {
    // SAFETY: 32 bytes for the scales, and 32 for the minima where the format has them.
    unsafe {
        let scale = halves(scales);
        let minimum = if F::SCALES as u8 == Scales::SuperWithMinimum as u8 {
            // Taken off, so that adding is all there is to do.
            _mm512_sub_ps(_mm512_setzero_ps(), halves(scales.add(32)))
        } else {
            _mm512_setzero_ps()
        };
        (scale, minimum)
    }
}

/// # Safety
///
/// A block's scales are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn load_scales<F: Format>(scales: *const u8, header: (__m512, __m512)) -> BlockScales {
    // SAFETY: as many bytes as the format's block of scales has.
    unsafe {
        match F::SCALES {
            Scales::One => BlockScales { scale: halves(scales), second: _mm512_setzero_ps() },
            Scales::WithMinimum => BlockScales { scale: halves(scales), second: halves(scales.add(32)) },
            Scales::SuperWithMinimum => {
                let scale = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales.cast()));
                let minimum = _mm512_cvtepu8_epi32(_mm_loadu_si128(scales.add(16).cast()));
                BlockScales {
                    scale: _mm512_mul_ps(header.0, _mm512_cvtepi32_ps(scale)),
                    second: _mm512_mul_ps(header.1, _mm512_cvtepi32_ps(minimum)),
                }
            }
            Scales::SuperHalves => {
                let low = _mm512_cvtepi8_epi32(_mm_loadu_si128(scales.cast()));
                let high = _mm512_cvtepi8_epi32(_mm_loadu_si128(scales.add(16).cast()));
                BlockScales {
                    scale: _mm512_mul_ps(header.0, _mm512_cvtepi32_ps(low)),
                    second: _mm512_mul_ps(header.0, _mm512_cvtepi32_ps(high)),
                }
            }
        }
    }
}

/// Sixteen `f16`.
///
/// # Safety
///
/// 32 bytes are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn halves(bytes: *const u8) -> __m512 {
    // SAFETY: the caller's.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.cast()) })
}
