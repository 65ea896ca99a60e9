//! Elements of a tensor in JSON.

use bytes::Bytes;
use half::{bf16, f16};
use yard_types::TensorData;

use super::{Cursor, Fault, JsonError, decimal};

/// Why an element cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementFault {
    Json(JsonError),
    /// Well-formed JSON, but not a value of this data type: from byte `start` to `end`.
    Value {
        start: usize,
        end: usize,
        problem: &'static str,
    },
    /// A list stands where an element belongs.
    List {
        at: usize,
    },
}

/// A Rust type that holds the elements of one data type.
pub(crate) trait Element: Sized {
    /// Fewest bytes that an element and its comma take in JSON, which bounds how many a text can hold.
    const LEAST_BYTES: usize = 2;

    /// Reads the common spellings that start at `at` and says where the spelling ends. `None` means: use
    /// [`Element::careful`].
    fn quick(text: &[u8], at: usize) -> Option<(Self, usize)>;

    /// Reads any spelling at the cursor, where a token starts, or says what is wrong.
    fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault>;

    /// Makes tensor data.
    fn wrap(values: Vec<Self>) -> TensorData;
}

impl From<JsonError> for ElementFault {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// Takes the number token at the cursor.
fn number<'a>(cursor: &mut Cursor<'a>, problem: &'static str) -> Result<(usize, &'a str), ElementFault> {
    let start = cursor.at();
    match cursor.number() {
        Some(text) => Ok((start, text)),
        None => Err(misfit(cursor, problem)),
    }
}

/// Says what stands at the cursor instead of an element.
#[cold]
fn misfit(cursor: &mut Cursor<'_>, problem: &'static str) -> ElementFault {
    let start = cursor.at();
    let rest = cursor.rest();
    let not_numbers: [&[u8]; 6] = [b"NaN", b"nan", b"Inf", b"inf", b"-Inf", b"-inf"];
    match rest.first() {
        None => cursor.error(Fault::EndOfText).into(),
        Some(b'[') => ElementFault::List { at: start },
        Some(b'"') => match cursor.string("a string") {
            Ok(_) => ElementFault::Value { start, end: cursor.at(), problem },
            Err(error) => error.into(),
        },
        Some(b'{') => ElementFault::Value { start, end: start + 1, problem },
        Some(b't' | b'f' | b'n') if ["true", "false", "null"].iter().any(|word| cursor.take_word(word)) => {
            ElementFault::Value { start, end: cursor.at(), problem }
        }
        Some(_) if not_numbers.iter().any(|word| rest.starts_with(word)) => {
            cursor.error(Fault::NotANumber).into()
        }
        Some(b'-' | b'0'..=b'9') => match decimal::scan(rest) {
            Some(length) => ElementFault::Value { start, end: start + length, problem },
            None => cursor.error(Fault::Number).into(),
        },
        Some(_) => cursor.error(Fault::Expected("a value")).into(),
    }
}

// === floats ===

macro_rules! float_element {
    ($type:ty, $variant:ident, $convert:path, $too_large:literal) => {
        impl Element for $type {
            #[inline(always)]
            fn quick(text: &[u8], at: usize) -> Option<(Self, usize)> {
                let decimal = decimal::read(text, at)?;
                Some(($convert(decimal)?, decimal.end))
            }

            #[inline(never)]
            fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault> {
                let (start, text) = number(cursor, "is not a number")?;
                match text.parse::<$type>() {
                    Ok(value) if value.is_finite() => Ok(value),
                    _ => Err(ElementFault::Value { start, end: cursor.at(), problem: $too_large }),
                }
            }

            fn wrap(values: Vec<Self>) -> TensorData {
                TensorData::$variant(values)
            }
        }
    };
}

float_element!(f32, Fp32, decimal::to_f32, "is too large for FP32");
float_element!(f64, Fp64, decimal::to_f64, "is too large for FP64");

/// The half floats are read through `f64`, as the standard library has no parser for them.
macro_rules! half_element {
    ($type:ty, $variant:ident, $too_large:literal) => {
        impl Element for $type {
            #[inline(always)]
            fn quick(_: &[u8], _: usize) -> Option<(Self, usize)> {
                None
            }

            fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault> {
                let (start, text) = number(cursor, "is not a number")?;
                match text.parse::<f64>().map(Self::from_f64) {
                    Ok(value) if value.is_finite() => Ok(value),
                    _ => Err(ElementFault::Value { start, end: cursor.at(), problem: $too_large }),
                }
            }

            fn wrap(values: Vec<Self>) -> TensorData {
                TensorData::$variant(values)
            }
        }
    };
}

half_element!(f16, Fp16, "is too large for FP16");
half_element!(bf16, Bf16, "is too large for BF16");

// === integers ===

macro_rules! integer_element {
    ($type:ty, $variant:ident, $range:literal) => {
        impl Element for $type {
            #[inline(always)]
            fn quick(text: &[u8], at: usize) -> Option<(Self, usize)> {
                let (negative, magnitude, end) = decimal::read_integer(text, at)?;
                // It has at most 19 digits, so it may pass the largest `i64`.
                let value = if negative {
                    Self::try_from(0_i64.checked_sub_unsigned(magnitude)?).ok()?
                } else {
                    Self::try_from(magnitude).ok()?
                };
                Some((value, end))
            }

            #[inline(never)]
            fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault> {
                let (start, text) = number(cursor, "is not a whole number")?;
                let fault = |problem| ElementFault::Value { start, end: cursor.at(), problem };
                if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
                    return Err(fault("is not written as a whole number, without fraction and exponent"));
                }
                match text {
                    "-0" => Ok(0),
                    _ => text.parse().map_err(|_| fault($range)),
                }
            }

            fn wrap(values: Vec<Self>) -> TensorData {
                TensorData::$variant(values)
            }
        }
    };
}

integer_element!(u8, Uint8, "is outside the range of UINT8, 0 to 255");
integer_element!(u16, Uint16, "is outside the range of UINT16, 0 to 65535");
integer_element!(u32, Uint32, "is outside the range of UINT32, 0 to 4294967295");
integer_element!(u64, Uint64, "is outside the range of UINT64, 0 to 18446744073709551615");
integer_element!(i8, Int8, "is outside the range of INT8, -128 to 127");
integer_element!(i16, Int16, "is outside the range of INT16, -32768 to 32767");
integer_element!(i32, Int32, "is outside the range of INT32, -2147483648 to 2147483647");
integer_element!(i64, Int64, "is outside the range of INT64, -9223372036854775808 to 9223372036854775807");

// === others ===

impl Element for bool {
    const LEAST_BYTES: usize = 5;

    #[inline(always)]
    fn quick(text: &[u8], at: usize) -> Option<(Self, usize)> {
        let rest = text.get(at..)?;
        if rest.starts_with(b"true") {
            Some((true, at + 4))
        } else if rest.starts_with(b"false") {
            Some((false, at + 5))
        } else {
            None
        }
    }

    fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault> {
        Err(misfit(cursor, "is neither true nor false"))
    }

    fn wrap(values: Vec<Self>) -> TensorData {
        TensorData::Bool(values)
    }
}

impl Element for Bytes {
    const LEAST_BYTES: usize = 3;

    #[inline(always)]
    fn quick(_: &[u8], _: usize) -> Option<(Self, usize)> {
        None
    }

    fn careful(cursor: &mut Cursor<'_>) -> Result<Self, ElementFault> {
        match cursor.peek() {
            Some(b'"') => Ok(cursor.string_bytes()?),
            _ => Err(misfit(cursor, "is not a string")),
        }
    }

    fn wrap(values: Vec<Self>) -> TensorData {
        TensorData::Bytes(values)
    }
}

/// Calls a function that is generic over [`Element`] with the Rust type of a data type.
macro_rules! element_of {
    ($data_type:expr, $function:ident($($argument:expr),*)) => {
        match $data_type {
            yard_types::DataType::Bool => $function::<bool>($($argument),*),
            yard_types::DataType::Uint8 => $function::<u8>($($argument),*),
            yard_types::DataType::Uint16 => $function::<u16>($($argument),*),
            yard_types::DataType::Uint32 => $function::<u32>($($argument),*),
            yard_types::DataType::Uint64 => $function::<u64>($($argument),*),
            yard_types::DataType::Int8 => $function::<i8>($($argument),*),
            yard_types::DataType::Int16 => $function::<i16>($($argument),*),
            yard_types::DataType::Int32 => $function::<i32>($($argument),*),
            yard_types::DataType::Int64 => $function::<i64>($($argument),*),
            yard_types::DataType::Fp16 => $function::<half::f16>($($argument),*),
            yard_types::DataType::Bf16 => $function::<half::bf16>($($argument),*),
            yard_types::DataType::Fp32 => $function::<f32>($($argument),*),
            yard_types::DataType::Fp64 => $function::<f64>($($argument),*),
            yard_types::DataType::Bytes => $function::<bytes::Bytes>($($argument),*),
        }
    };
}

pub(crate) use element_of;
