//! Decimal numbers of JSON.
//!
//! [`read`] takes the common spellings apart without a loop over digits. [`to_f32`] and [`to_f64`] turn the pieces
//! into the nearest float where that is provably the nearest, and decline otherwise; then the caller lets the standard
//! library decide. Both ways give the same bits as `str::parse`.

/// A number as spelled: `(-1)^negative * mantissa * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) mantissa: u64,
    pub(crate) exponent: i32,
    /// Spelled without fraction and exponent.
    pub(crate) is_integer: bool,
    /// Bytes of the spelling.
    pub(crate) length: usize,
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
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // The digits move to the high end; what comes in at the low end reads as leading zeros.
    let digits = values << (8 * (8 - count));
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight. The mask drops the other half of each sum.
    let pairs = (digits.wrapping_mul(10 * 0x100 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32;
    (count, eight)
}

#[cold]
fn short_digit_run(bytes: &[u8]) -> (usize, u64) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = bytes[..count].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
    (count, value)
}

const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Appends the digits at the start of `bytes` to `mantissa`; `None` past the digits that surely fit.
#[inline(always)]
fn digits(bytes: &[u8], mantissa: &mut u64, room: usize) -> Option<usize> {
    let mut total = 0;
    loop {
        let (count, value) = digit_run(bytes.get(total..)?);
        total += count;
        if total > room {
            return None;
        }
        *mantissa = *mantissa * POWERS_OF_TEN[count] + value;
        if count < 8 {
            return Some(total);
        }
    }
}

/// Takes apart the number at the start of `bytes`. `None` means that it is long, odd or malformed: take the slow way.
#[inline(always)]
pub(crate) fn read(bytes: &[u8]) -> Option<Decimal> {
    let negative = *bytes.first()? == b'-';
    let start = usize::from(negative);
    let mut mantissa = 0;
    let first = *bytes.get(start)?;
    let whole = match (first, bytes.get(start + 1)?) {
        // One digit before the point is the common case.
        (b'0'..=b'9', next) if !next.is_ascii_digit() => {
            mantissa = u64::from(first - b'0');
            1
        }
        // A leading zero is malformed.
        (b'1'..=b'9', _) => digits(bytes.get(start..)?, &mut mantissa, MAX_DIGITS)?,
        _ => return None,
    };
    let mut at = start + whole;
    let mut exponent = 0;
    let mut is_integer = true;
    if bytes.get(at) == Some(&b'.') {
        // Zeros in front do not use up room.
        let room = if mantissa == 0 { MAX_DIGITS } else { MAX_DIGITS - whole };
        let count = digits(bytes.get(at + 1..)?, &mut mantissa, room)?;
        if count == 0 {
            return None;
        }
        is_integer = false;
        exponent = -(count as i32);
        at += 1 + count;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = *bytes.get(at + 1)?;
        at += if matches!(sign, b'+' | b'-') { 2 } else { 1 };
        let (count, value) = digit_run(bytes.get(at..)?);
        if count == 0 || count > 3 {
            return None;
        }
        is_integer = false;
        exponent += if sign == b'-' { -(value as i32) } else { value as i32 };
        at += count;
    }
    Some(Decimal { negative, mantissa, exponent, is_integer, length: at })
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
    let mantissa = decimal.mantissa as f64;
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
    let sign = if decimal.negative { -1.0_f32 } else { 1.0 };
    if decimal.mantissa == 0 {
        return Some(0.0 * sign);
    }
    let place = usize::try_from(decimal.exponent - LEAST_POWER).ok()?;
    let value = decimal.mantissa as f64 * *NEAR_POWERS.get(place)?;
    // Below the normal numbers `f32` has fewer bits; above the largest it overflows. Both are left to the slow way.
    if !(f64::from(f32::MIN_POSITIVE) * 1.001..f64::from(f32::MAX) * 0.999).contains(&value) {
        return None;
    }
    /// Bits of an `f64` fraction that an `f32` has no room for.
    const DROPPED: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    /// Twice the bound above, as it costs nothing.
    const SLACK: u64 = 8;
    let dropped = value.to_bits() & DROPPED;
    if dropped.abs_diff(MIDDLE) <= SLACK {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is wanted")]
    let rounded = value as f32;
    Some(rounded * sign)
}

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
