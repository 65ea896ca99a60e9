//! Tiles with AVX2: two registers of eight rows each, and products of bytes that are added up as 16-bit words for as
//! long as they fit.

use std::arch::x86_64::*;
use std::hint::black_box;

use super::format::{BLOCK, BLOCKS_A_SUPER, Format, Scales, TILE, TileInput, TileKernel, TileOutput};
use crate::activations::{BlockMeta, GROUP};

/// Groups of four columns in a block.
const GROUPS: usize = 8;
/// Rows of a tile in one register.
const HALF: usize = TILE / 2;
/// How far ahead weights are asked for.
const PREFETCH_BYTES: usize = 4096;
/// Rows of activations whose sums have room in registers, for half a tile.
const ROWS: usize = 4;
/// Rows of activations with which both halves of a tile have room: weights are then read from end to end.
const ROWS_IN_ONE_PASS: usize = 2;

/// Rows with which a format is fastest. Five and six bits cost so much to unpack that it is better done once for a
/// whole group, with sums in memory.
pub(super) const fn rows_at_once<F: Format>() -> usize {
    match F::BITS {
        5 | 6 => GROUP,
        _ => ROWS,
    }
}

/// The kernel for so many rows, which are at most eight.
pub(super) fn kernel<F: Format>(rows: usize) -> TileKernel {
    match rows {
        1 => tile::<F, 1>,
        2 => tile::<F, 2>,
        3 => tile::<F, 3>,
        4 => tile::<F, ROWS>,
        5 => tile::<F, 5>,
        6 => tile::<F, 6>,
        7 => tile::<F, 7>,
        _ => tile::<F, GROUP>,
    }
}

/// A block's scales for eight rows, ready to multiply with.
struct BlockScales {
    scale: __m256,
    /// The minima, or the scales of a block's second half where it has its own.
    second: __m256,
}

/// # Safety
///
/// As [`TileKernel`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile<F: Format, const ROWS: usize>(input: &TileInput, output: &mut TileOutput) {
    // SAFETY: the caller's; a tile has two halves.
    unsafe {
        if ROWS > self::ROWS && rows_at_once::<F>() > self::ROWS {
            many_rows::<F>(input, black_box(ROWS), output);
        } else if ROWS <= ROWS_IN_ONE_PASS {
            halves_of_tile::<F, ROWS, 2>(input, 0, output);
        } else {
            halves_of_tile::<F, ROWS, 1>(input, 0, output);
            halves_of_tile::<F, ROWS, 1>(input, 1, output);
        }
    }
}

/// One or both halves of the sixteen rows.
///
/// # Safety
///
/// As [`TileKernel`]; `first_half + HALVES` is at most 2.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves_of_tile<F: Format, const ROWS: usize, const HALVES: usize>(
    input: &TileInput,
    first_half: usize,
    output: &mut TileOutput,
) {
    let mut totals = [[_mm256_setzero_ps(); ROWS]; HALVES];
    let mut numbers = input.numbers;
    let mut scales = input.scales;
    let mut values = input.rows.values;
    let mut metas = input.rows.meta;
    let mut headers = [(_mm256_setzero_ps(), _mm256_setzero_ps()); HALVES];
    for block in 0..input.blocks {
        // SAFETY: the pointers are within the blocks that the caller vouches for; prefetching never faults.
        unsafe {
            if F::HAS_HEADER && block % BLOCKS_A_SUPER == 0 {
                for half in 0..HALVES {
                    headers[half] = load_header::<F>(scales, first_half + half);
                }
                scales = scales.add(F::SCALES.header_bytes());
            }
            if first_half == 0 {
                // The other half lies in the same lines.
                for line in 0..F::NUMBER_BYTES / 64 {
                    _mm_prefetch::<_MM_HINT_T0>(numbers.wrapping_add(PREFETCH_BYTES + line * 64).cast());
                }
            }
            for half in 0..HALVES {
                let block_scales = load_scales::<F>(scales, first_half + half, headers[half]);
                let numbers = numbers.add((first_half + half) * 32);
                if F::SCALES as u8 == Scales::SuperHalves as u8 {
                    let sums = sums_of_six_bits::<F, ROWS>(numbers, values, metas, &block_scales);
                    for row in 0..ROWS {
                        let scale = _mm256_set1_ps((*metas.add(row)).scale);
                        totals[half][row] = _mm256_fmadd_ps(sums[row], scale, totals[half][row]);
                    }
                    continue;
                }
                let dots: [__m256i; ROWS] = match F::BITS {
                    8 => dots_of_bytes::<ROWS>(numbers, values),
                    _ => dots_of_few_bits::<F, ROWS>(numbers, values, metas),
                };
                for row in 0..ROWS {
                    totals[half][row] =
                        finish::<F>(dots[row], &block_scales, &*metas.add(row), totals[half][row]);
                }
            }
            numbers = numbers.add(F::NUMBER_BYTES);
            scales = scales.add(F::SCALES.block_bytes());
            values = values.byte_add(input.rows.stride);
            metas = metas.byte_add(input.rows.stride);
        }
    }
    for half in 0..HALVES {
        for row in 0..ROWS {
            // SAFETY: eight values of the output.
            unsafe {
                let target = output.0[row].as_mut_ptr().add((first_half + half) * HALF);
                _mm256_store_ps(target, totals[half][row]);
            }
        }
    }
}

/// Both halves of the sixteen rows, with sums in memory: a block's numbers are unpacked once for all rows. The number of
/// rows is a variable so that their loop stays one: unrolled it would need far more registers than there are.
///
/// # Safety
///
/// As [`TileKernel`], for `rows`, which are at most eight.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn many_rows<F: Format>(input: &TileInput, rows: usize, output: &mut TileOutput) {
    let mut numbers = input.numbers;
    let mut scales = input.scales;
    let mut values = input.rows.values;
    let mut metas = input.rows.meta;
    let mut headers = [(_mm256_setzero_ps(), _mm256_setzero_ps()); 2];
    output.0[..rows].fill([0.0; TILE]);
    for block in 0..input.blocks {
        // SAFETY: the pointers are within the blocks that the caller vouches for; prefetching never faults.
        unsafe {
            if F::HAS_HEADER && block % BLOCKS_A_SUPER == 0 {
                headers = [load_header::<F>(scales, 0), load_header::<F>(scales, 1)];
                scales = scales.add(F::SCALES.header_bytes());
            }
            for line in 0..F::NUMBER_BYTES / 64 {
                _mm_prefetch::<_MM_HINT_T0>(numbers.wrapping_add(PREFETCH_BYTES + line * 64).cast());
            }
            for half in 0..2 {
                let block_scales = load_scales::<F>(scales, half, headers[half]);
                let weights = load_numbers::<F>(numbers.add(half * HALF * 4));
                for row in 0..rows {
                    let total = output.0[row].as_mut_ptr().add(half * HALF);
                    let (values, meta) = (values.add(row * BLOCK), &*metas.add(row));
                    let sum = add_row::<F>(&weights, &block_scales, values, meta, _mm256_load_ps(total));
                    _mm256_store_ps(total, sum);
                }
            }
            numbers = numbers.add(F::NUMBER_BYTES);
            scales = scales.add(F::SCALES.block_bytes());
            values = values.byte_add(input.rows.stride);
            metas = metas.byte_add(input.rows.stride);
        }
    }
}

/// The numbers of half a tile's rows, of five or six bits, group by group.
///
/// # Safety
///
/// A block's numbers are there, from the half on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_numbers<F: Format>(numbers: *const u8) -> [__m256i; GROUPS] {
    // SAFETY: the caller's.
    let load = |at: usize| unsafe { _mm256_loadu_si256(numbers.add(at).cast()) };
    let low_half = _mm256_set1_epi8(0x0f);
    let mut weights = [_mm256_setzero_si256(); GROUPS];
    for group in 0..GROUPS / 2 {
        let both = load(group * 64);
        weights[group] = _mm256_and_si256(both, low_half);
        weights[group + 4] = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low_half);
    }
    let upper = _mm256_set1_epi8(if F::BITS == 5 { 0x10 } else { 0x30 });
    let moved = if F::BITS == 5 {
        let bits = load(256);
        [
            _mm256_slli_epi16::<4>(bits),
            _mm256_slli_epi16::<3>(bits),
            _mm256_slli_epi16::<2>(bits),
            _mm256_slli_epi16::<1>(bits),
            bits,
            _mm256_srli_epi16::<1>(bits),
            _mm256_srli_epi16::<2>(bits),
            _mm256_srli_epi16::<3>(bits),
        ]
    } else {
        let (low, high) = (load(256), load(320));
        [
            _mm256_slli_epi16::<4>(low),
            _mm256_slli_epi16::<2>(low),
            low,
            _mm256_srli_epi16::<2>(low),
            _mm256_slli_epi16::<4>(high),
            _mm256_slli_epi16::<2>(high),
            high,
            _mm256_srli_epi16::<2>(high),
        ]
    };
    for group in 0..GROUPS {
        weights[group] = _mm256_or_si256(weights[group], _mm256_and_si256(moved[group], upper));
    }
    weights
}

/// A row's sums with a block's part. How many products fit a word is said at [`dots_of_few_bits`] and
/// [`sums_of_six_bits`].
///
/// # Safety
///
/// 32 numbers are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_row<F: Format>(
    weights: &[__m256i; GROUPS],
    scales: &BlockScales,
    values: *const i8,
    meta: &BlockMeta,
    total: __m256,
) -> __m256 {
    let ones = _mm256_set1_epi16(1);
    let two = |group: usize| {
        // SAFETY: the caller's.
        let (first, second) = unsafe { (four(values, 0, group), four(values, 0, group + 1)) };
        let first = _mm256_maddubs_epi16(weights[group], first);
        _mm256_add_epi16(first, _mm256_maddubs_epi16(weights[group + 1], second))
    };
    let pairs = [two(0), two(2), two(4), two(6)];
    if F::SCALES as u8 == Scales::SuperHalves as u8 {
        let halves = [0, 1].map(|half| {
            let first = _mm256_madd_epi16(pairs[half * 2], ones);
            let second = _mm256_madd_epi16(pairs[half * 2 + 1], ones);
            let offset = _mm256_set1_epi32(meta.half_offsets[half]);
            _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_add_epi32(first, offset), second))
        });
        let low = _mm256_mul_ps(halves[0], scales.scale);
        let both = _mm256_fmadd_ps(halves[1], scales.second, low);
        return _mm256_fmadd_ps(both, _mm256_set1_ps(meta.scale), total);
    }
    let (low, high) = (_mm256_add_epi16(pairs[0], pairs[1]), _mm256_add_epi16(pairs[2], pairs[3]));
    let dot = _mm256_add_epi32(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones));
    finish::<F>(_mm256_add_epi32(dot, offset::<F>(meta)), scales, meta, total)
}

/// What takes a format's offset off the dot products with a row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn offset<F: Format>(meta: &BlockMeta) -> __m256i {
    let eight = _mm256_set1_epi32(meta.offset);
    match F::OFFSET {
        0 => _mm256_setzero_si256(),
        8 => eight,
        16 => _mm256_slli_epi32::<1>(eight),
        other => _mm256_set1_epi32(meta.offset / 8 * other),
    }
}

/// Four or five bits. Products of four groups, in pairs, are at most `8 * 31 * 127` and fit a word; with four bits those
/// of all eight groups do.
///
/// # Safety
///
/// A block's numbers and rows are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dots_of_few_bits<F: Format, const ROWS: usize>(
    numbers: *const u8,
    values: *const i8,
    metas: *const BlockMeta,
) -> [__m256i; ROWS] {
    let low_half = _mm256_set1_epi8(0x0f);
    let ones = _mm256_set1_epi16(1);
    let mut low_words = [_mm256_setzero_si256(); ROWS];
    let mut high_words = [_mm256_setzero_si256(); ROWS];
    // SAFETY: within what the caller vouches for.
    unsafe {
        for group in 0..GROUPS / 2 {
            let both = _mm256_loadu_si256(numbers.add(group * 64).cast());
            let mut low = _mm256_and_si256(both, low_half);
            let mut high = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low_half);
            if F::BITS == 5 {
                let bits = _mm256_loadu_si256(numbers.add(256).cast());
                let fifth = _mm256_set1_epi8(0x10);
                let up = _mm_cvtsi32_si128(4 - group as i32);
                let down = _mm_cvtsi32_si128(group as i32);
                low = _mm256_or_si256(low, _mm256_and_si256(_mm256_sll_epi16(bits, up), fifth));
                high = _mm256_or_si256(high, _mm256_and_si256(_mm256_srl_epi16(bits, down), fifth));
            }
            for row in 0..ROWS {
                let low_product = _mm256_maddubs_epi16(low, four(values, row, group));
                let high_product = _mm256_maddubs_epi16(high, four(values, row, group + 4));
                low_words[row] = _mm256_add_epi16(low_words[row], low_product);
                if F::BITS == 4 {
                    low_words[row] = _mm256_add_epi16(low_words[row], high_product);
                } else {
                    high_words[row] = _mm256_add_epi16(high_words[row], high_product);
                }
            }
        }
        let mut dots = [_mm256_setzero_si256(); ROWS];
        for row in 0..ROWS {
            dots[row] = _mm256_madd_epi16(low_words[row], ones);
            if F::BITS != 4 {
                dots[row] = _mm256_add_epi32(dots[row], _mm256_madd_epi16(high_words[row], ones));
            }
            if F::OFFSET != 0 {
                let meta = &*metas.add(row);
                dots[row] = _mm256_add_epi32(dots[row], offset::<F>(meta));
            }
        }
        dots
    }
}

/// Six bits, with a scale for each half of a block: the sums of both, scaled. Products of two groups, in pairs, are at
/// most `4 * 63 * 127` and fit a word.
///
/// # Safety
///
/// A block's numbers and rows are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sums_of_six_bits<F: Format, const ROWS: usize>(
    numbers: *const u8,
    values: *const i8,
    metas: *const BlockMeta,
    scales: &BlockScales,
) -> [__m256; ROWS] {
    let low_half = _mm256_set1_epi8(0x0f);
    let upper = _mm256_set1_epi8(0x30);
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    // SAFETY: within what the caller vouches for.
    unsafe {
        for half in 0..2 {
            let bits = _mm256_loadu_si256(numbers.add(256 + half * 64).cast());
            let moved = [
                _mm256_slli_epi16::<4>(bits),
                _mm256_slli_epi16::<2>(bits),
                bits,
                _mm256_srli_epi16::<2>(bits),
            ];
            let mut weights = [_mm256_setzero_si256(); GROUPS / 2];
            for group in 0..GROUPS / 2 {
                let mut low = _mm256_loadu_si256(numbers.add(group * 64).cast());
                if half == 1 {
                    low = _mm256_srli_epi16::<4>(low);
                }
                let low = _mm256_and_si256(low, low_half);
                weights[group] = _mm256_or_si256(low, _mm256_and_si256(moved[group], upper));
            }
            for row in 0..ROWS {
                let meta = &*metas.add(row);
                let mut dot = _mm256_set1_epi32(meta.half_offsets[half]);
                for group in [0, 2] {
                    let first = _mm256_maddubs_epi16(weights[group], four(values, row, half * 4 + group));
                    let second =
                        _mm256_maddubs_epi16(weights[group + 1], four(values, row, half * 4 + group + 1));
                    let words = _mm256_add_epi16(first, second);
                    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(words, ones));
                }
                let dot = _mm256_cvtepi32_ps(dot);
                sums[row] = if half == 0 {
                    _mm256_mul_ps(dot, scales.scale)
                } else {
                    _mm256_fmadd_ps(dot, scales.second, sums[row])
                };
            }
        }
    }
    sums
}

/// Eight bits. The instruction multiplies unsigned by signed bytes and saturates at words, so the weights give their
/// signs to the activations: `2 * 128 * 127` fits.
///
/// # Safety
///
/// A block's numbers and rows are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dots_of_bytes<const ROWS: usize>(numbers: *const u8, values: *const i8) -> [__m256i; ROWS] {
    let sign_bit = _mm256_set1_epi8(i8::MIN);
    let ones = _mm256_set1_epi16(1);
    let mut dots = [_mm256_setzero_si256(); ROWS];
    for group in 0..GROUPS {
        // SAFETY: within what the caller vouches for.
        unsafe {
            let offset = _mm256_loadu_si256(numbers.add(group * 64).cast());
            let weights = _mm256_xor_si256(offset, sign_bit);
            let magnitudes = _mm256_abs_epi8(weights);
            for row in 0..ROWS {
                let signed = _mm256_sign_epi8(four(values, row, group), weights);
                let words = _mm256_maddubs_epi16(magnitudes, signed);
                dots[row] = _mm256_add_epi32(dots[row], _mm256_madd_epi16(words, ones));
            }
        }
    }
    dots
}

/// Four activations of a row in every lane.
///
/// # Safety
///
/// The row is there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn four(values: *const i8, row: usize, group: usize) -> __m256i {
    // SAFETY: the caller's; a group is four bytes.
    _mm256_set1_epi32(unsafe { values.add(row * 32 + group * 4).cast::<i32>().read_unaligned() })
}

/// Adds a block's part to a row's sums.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn finish<F: Format>(dot: __m256i, scales: &BlockScales, meta: &BlockMeta, total: __m256) -> __m256 {
    let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), _mm256_set1_ps(meta.scale));
    let total = _mm256_fmadd_ps(scaled, scales.scale, total);
    match F::SCALES {
        // Products with scales for halves are finished where they are computed.
        Scales::One | Scales::SuperHalves => total,
        Scales::WithMinimum | Scales::SuperWithMinimum => {
            _mm256_fmadd_ps(_mm256_set1_ps(meta.scaled_sum), scales.second, total)
        }
    }
}

/// The scales of scales of eight blocks.
///
/// # Safety
///
/// The format's header is there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_header<F: Format>(scales: *const u8, half: usize) -> (__m256, __m256) {
    // SAFETY: 32 bytes for the scales, and 32 for the minima where the format has them.
    unsafe {
        let scale = halves(scales, half);
        let minimum = if F::SCALES as u8 == Scales::SuperWithMinimum as u8 {
            // Taken off, so that adding is all there is to do.
            _mm256_sub_ps(_mm256_setzero_ps(), halves(scales.add(32), half))
        } else {
            _mm256_setzero_ps()
        };
        (scale, minimum)
    }
}

/// # Safety
///
/// A block's scales are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_scales<F: Format>(scales: *const u8, half: usize, header: (__m256, __m256)) -> BlockScales {
    let bytes = scales.wrapping_add(half * HALF);
    // SAFETY: as many bytes as the format's block of scales has.
    unsafe {
        match F::SCALES {
            Scales::One => BlockScales { scale: halves(scales, half), second: _mm256_setzero_ps() },
            Scales::WithMinimum => {
                BlockScales { scale: halves(scales, half), second: halves(scales.add(32), half) }
            }
            Scales::SuperWithMinimum => {
                let scale = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
                let minimum = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.add(TILE).cast()));
                BlockScales {
                    scale: _mm256_mul_ps(header.0, _mm256_cvtepi32_ps(scale)),
                    second: _mm256_mul_ps(header.1, _mm256_cvtepi32_ps(minimum)),
                }
            }
            Scales::SuperHalves => {
                let low = _mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.cast()));
                let high = _mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.add(TILE).cast()));
                BlockScales {
                    scale: _mm256_mul_ps(header.0, _mm256_cvtepi32_ps(low)),
                    second: _mm256_mul_ps(header.0, _mm256_cvtepi32_ps(high)),
                }
            }
        }
    }
}

/// Eight of sixteen `f16`.
///
/// # Safety
///
/// 32 bytes are there; `half` is 0 or 1.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves(bytes: *const u8, half: usize) -> __m256 {
    // SAFETY: the caller's.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.add(half * 16).cast()) })
}
