//! Decimal numbers of JSON.
//!
//! [`read`] takes the common spellings apart, fractions eight digits at a time. [`to_f32`] and [`to_f64`] turn the pieces
//! into the nearest float where that is provably the nearest, and decline otherwise; then the caller lets the standard
//! library decide. Both ways give the same bits as `str::parse`.

/// A number as spelled: `(-1)^negative * mantissa * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) mantissa: u64,
    pub(crate) exponent: i32,
    /// Where its spelling ends in the text.
    pub(crate) end: usize,
}

/// Most digits whose value always fits a `u64`.
const MAX_DIGITS: usize = 19;
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const ZEROS: u64 = EACH_BYTE * b'0' as u64;

/// The run of at most eight digits at the start of `bytes`: how many, and their value.
///
/// Eight bytes are looked at together, so that the length of the run costs no branches.
#[inline(always)]
fn digit_run(bytes: &[u8]) -> (usize, u64) {
    let Some(chunk) = bytes.first_chunk::<8>() else {
        return short_digit_run(bytes);
    };
    // Digits become 0 to 9, all else 10 or more. The first digit is in the lowest byte.
    let values = u64::from_le_bytes(*chunk) ^ ZEROS;
    // The top bit of each byte that is no digit is set; a carry disturbs only bytes after the first of them.
    let others = (values.wrapping_add(0x76 * EACH_BYTE) | values) & (0x80 * EACH_BYTE);
    let count = others.trailing_zeros() / 8;
    // The digits move to the high end; what comes in at the low end reads as leading zeros. Two shifts, since eight
    // bytes at once are more than a shift can do.
    let half = 4 * (8 - count);
    let digits = (values << half) << half;
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight. The mask drops the other half of each sum.
    let pairs = (digits.wrapping_mul(10 * 0x100 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32;
    (count as usize, eight)
}

/// As [`digit_run`], at the end of the text.
#[cold]
fn short_digit_run(bytes: &[u8]) -> (usize, u64) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = bytes[..count].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
    (count, value)
}

const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Takes apart the number that starts at `begin`. `None` means that it is long, odd or malformed: take the slow way.
///
/// The pieces stay plain numbers until the end: a function that gave back a whole [`Decimal`] on a side path would send
/// all of them through memory and cost a third of the speed.
#[inline(always)]
pub(crate) fn read(text: &[u8], begin: usize) -> Option<Decimal> {
    let (negative, mut mantissa, mut at) = read_integer(text, begin)?;
    let mut exponent = 0;
    let mut next = *text.get(at)?;
    if next == b'.' {
        // Zeros in front use up no room.
        let room = if mantissa == 0 { MAX_DIGITS } else { MAX_DIGITS.saturating_sub(at - begin) };
        at += 1;
        let start = at;
        loop {
            let (count, value) = digit_run(text.get(at..)?);
            at += count;
            mantissa = mantissa.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(value);
            if count < 8 {
                break;
            }
        }
        if at == start || at - start > room {
            return None;
        }
        exponent = -(i32::try_from(at - start).ok()?);
        next = *text.get(at)?;
    }
    if next | 0x20 == b'e' {
        let (shift, end) = read_exponent(text, at + 1)?;
        exponent += shift;
        at = end;
    }
    Some(Decimal { negative, mantissa, exponent, end: at })
}

/// Takes the exponent apart, what stands after its `e`: its value and where it ends.
#[inline(never)]
fn read_exponent(text: &[u8], mut at: usize) -> Option<(i32, usize)> {
    let sign = *text.get(at)?;
    at += usize::from(matches!(sign, b'+' | b'-'));
    let (count, value) = digit_run(text.get(at..)?);
    if count == 0 || count > 3 {
        return None;
    }
    let value = i32::try_from(value).ok()?;
    Some((if sign == b'-' { -value } else { value }, at + count))
}

/// Takes apart the whole number that starts at `at`: its sign, its value and where it ends. Whoever calls looks at what
/// follows, in case the number goes on.
#[inline(always)]
pub(crate) fn read_integer(text: &[u8], at: usize) -> Option<(bool, u64, usize)> {
    let negative = *text.get(at)? == b'-';
    let start = at + usize::from(negative);
    let first = text.get(start)?.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let mut value = u64::from(first);
    let mut at = start + 1;
    // Whole numbers are mostly short: a loop over their digits is quickest.
    loop {
        let digit = text.get(at)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // Leading zeros are malformed.
        if value == 0 || at - start >= MAX_DIGITS {
            return None;
        }
        value = value * 10 + u64::from(digit);
        at += 1;
    }
    Some((negative, value, at))
}

/// The length of the well-formed JSON number at the start of `bytes`; `None` if there is none.
pub(crate) fn scan(bytes: &[u8]) -> Option<usize> {
    let run = |at: usize| {
        bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = run(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = run(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += if let Some(b'+' | b'-') = bytes.get(at + 1) { 2 } else { 1 };
        let exponent = run(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

/// The nearest `f64`, where mantissa and power of ten are both exact and so one operation rounds once.
#[inline(always)]
pub(crate) fn to_f64(decimal: Decimal) -> Option<f64> {
    if decimal.mantissa > 1 << 53 {
        return None;
    }
    // Signed numbers are what processors convert quickly.
    let mantissa = decimal.mantissa.cast_signed() as f64;
    let place = usize::try_from(decimal.exponent.unsigned_abs()).ok()?;
    let power = *EXACT_POWERS.get(place)?;
    let value = if decimal.exponent < 0 { mantissa / power } else { mantissa * power };
    Some(if decimal.negative { -value } else { value })
}

/// Powers of ten that an `f64` holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The nearest `f32`.
///
/// Rounding to `f64` and then to `f32` could round twice in the same direction. Here mantissa, power and product are
/// each off by at most one part in 2^53, together by less than four units in the last place of the `f64`. Unless the
/// point halfway between two neighbouring `f32` lies that close, rounding the `f64` gives what rounding the true value
/// would.
#[inline(always)]
pub(crate) fn to_f32(decimal: Decimal) -> Option<f32> {
    let place = usize::try_from(decimal.exponent - LEAST_POWER).ok()?;
    // Signed numbers are what processors convert quickly.
    let value = i64::try_from(decimal.mantissa).ok()? as f64 * *NEAR_POWERS.get(place)?;
    let bits = value.to_bits();
    // Below the normal numbers `f32` has fewer bits; above the largest it overflows. Both, and the binades next to them,
    // are left to the slow way.
    let sign = u32::from(decimal.negative) << 31;
    if !(LEAST_BITS..MOST_BITS).contains(&bits) {
        return if decimal.mantissa == 0 { Some(f32::from_bits(sign)) } else { None };
    }
    /// Bits of an `f64` fraction that an `f32` has no room for.
    const DROPPED: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    /// Twice the bound above, as it costs nothing.
    const SLACK: u64 = 8;
    let dropped = bits & DROPPED;
    if dropped.wrapping_sub(MIDDLE - SLACK) <= 2 * SLACK {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is wanted")]
    let rounded = value as f32;
    Some(f32::from_bits(rounded.to_bits() | sign))
}

/// The bits of twice the smallest normal `f32`, as an `f64`. Positive floats are ordered as their bits.
const LEAST_BITS: u64 = (2.0 * f32::MIN_POSITIVE as f64).to_bits();
/// The bits of half the largest power of two of an `f32`, as an `f64`.
const MOST_BITS: u64 = (f32::MAX as f64 / 2.0).to_bits();

/// The exponent of the first of [`NEAR_POWERS`].
const LEAST_POWER: i32 = -64;

/// The `f64` nearest to each power of ten from 10^-64, which takes 19 digits below the smallest normal `f32`, to the
/// largest `f32`.
const NEAR_POWERS: [f64; 103] = [
    1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52, 1e-51, 1e-50,
    1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35,
    1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20,
    1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4,
    1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32,
    1e33, 1e34, 1e35, 1e36, 1e37, 1e38,
];
