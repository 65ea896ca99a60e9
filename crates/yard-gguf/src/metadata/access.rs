//! Values by key, as the type a caller needs.

use super::{Array, Metadata, Strings, Value, ValueType};
use crate::error::shown;

/// Why metadata does not have what a caller needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The key is not there.
    #[error("the metadata key '{key}' is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// The value is of another type.
    #[error("the metadata key '{key}' is of type {found}, not {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// What the caller needs.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A whole number that the type the caller needs cannot hold.
    #[error("the metadata key '{key}' is {value}, which is out of range for {expected}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value.
        value: i128,
        /// What the caller needs.
        expected: &'static str,
    },
    /// A key that cannot be written.
    #[error("the metadata key '{key}' is {length} bytes long, not between 1 and 65535")]
    Key {
        /// The key's beginning.
        key: String,
        /// Its length.
        length: usize,
    },
    /// Arrays within arrays within arrays.
    #[error("the arrays of the metadata key '{key}' are nested too deep to be read again")]
    TooDeep {
        /// The key.
        key: String,
    },
    /// More keys than can be counted.
    #[error("there are too many metadata keys")]
    Full,
}

/// What a value cannot be turned into, and why.
#[derive(Debug)]
pub enum Mismatch {
    /// It is of another type.
    Type,
    /// It is a whole number beyond the range.
    Range(i128),
}

/// A Rust type that a value can be read as. Whole numbers of any stored type are read as any whole type that can hold
/// them: writers disagree about them. Nothing else is converted.
pub trait FromValue<'a>: Sized {
    /// The type in words, as messages name it.
    const NAME: &'static str;

    /// The value, if it is one of this type.
    ///
    /// # Errors
    ///
    /// It is not.
    fn from_value(value: &'a Value) -> Result<Self, Mismatch>;
}

impl Metadata {
    /// The value of `key` as `T`: a whole number, `f32`, `f64`, `bool`, `&str`, `&Strings` or a slice.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no `T`.
    pub fn required<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<T, MetadataError> {
        self.optional(key)?.ok_or_else(|| MetadataError::Missing { key: shown(key) })
    }

    /// The value of `key` as `T`, if there is such a key.
    ///
    /// # Errors
    ///
    /// There is such a key, but its value is no `T`.
    pub fn optional<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>, MetadataError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let mismatch = match T::from_value(value) {
            Ok(converted) => return Ok(Some(converted)),
            Err(mismatch) => mismatch,
        };
        let key = shown(key);
        Err(match mismatch {
            Mismatch::Type => MetadataError::WrongType { key, expected: T::NAME, found: in_words(value) },
            Mismatch::Range(value) => MetadataError::OutOfRange { key, value, expected: T::NAME },
        })
    }

    /// The whole number at `key`.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no `u32`.
    pub fn u32(&self, key: &str) -> Result<u32, MetadataError> {
        self.required(key)
    }

    /// The number at `key`.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no `f32`.
    pub fn f32(&self, key: &str) -> Result<f32, MetadataError> {
        self.required(key)
    }

    /// The text at `key`.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no text.
    pub fn str(&self, key: &str) -> Result<&str, MetadataError> {
        self.required(key)
    }

    /// The truth value at `key`.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no truth value.
    pub fn bool(&self, key: &str) -> Result<bool, MetadataError> {
        self.required(key)
    }

    /// The strings at `key`.
    ///
    /// # Errors
    ///
    /// There is no such key, or its value is no array of strings.
    pub fn strings(&self, key: &str) -> Result<&Strings, MetadataError> {
        self.required(key)
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Array(array) => format!("array of {}", array.item_type()),
        other => other.value_type().to_string(),
    }
}

fn whole_number(value: &Value) -> Option<i128> {
    Some(match value {
        Value::U8(value) => i128::from(*value),
        Value::I8(value) => i128::from(*value),
        Value::U16(value) => i128::from(*value),
        Value::I16(value) => i128::from(*value),
        Value::U32(value) => i128::from(*value),
        Value::I32(value) => i128::from(*value),
        Value::U64(value) => i128::from(*value),
        Value::I64(value) => i128::from(*value),
        _ => return None,
    })
}

macro_rules! whole_numbers {
    ($($rust:ty),*) => {$(
        impl FromValue<'_> for $rust {
            const NAME: &'static str = stringify!($rust);

            fn from_value(value: &Value) -> Result<Self, Mismatch> {
                let number = whole_number(value).ok_or(Mismatch::Type)?;
                Self::try_from(number).map_err(|_| Mismatch::Range(number))
            }
        }
    )*};
}

whole_numbers!(u8, i8, u16, i16, u32, i32, u64, i64, usize);

macro_rules! variants {
    ($($rust:ty, $name:expr, $pattern:pat => $result:expr;)*) => {$(
        impl<'a> FromValue<'a> for $rust {
            const NAME: &'static str = $name;

            fn from_value(value: &'a Value) -> Result<Self, Mismatch> {
                match value {
                    $pattern => Ok($result),
                    _ => Err(Mismatch::Type),
                }
            }
        }
    )*};
}

variants! {
    f32, ValueType::F32.name(), Value::F32(value) => *value;
    f64, ValueType::F64.name(), Value::F64(value) => *value;
    bool, ValueType::Bool.name(), Value::Bool(value) => *value;
    &'a str, ValueType::String.name(), Value::String(text) => text;
    &'a Array, ValueType::Array.name(), Value::Array(array) => array;
    &'a Strings, "array of string", Value::Array(Array::Strings(strings)) => strings;
    &'a [u8], "array of u8", Value::Array(Array::U8(items)) => items;
    &'a [i32], "array of i32", Value::Array(Array::I32(items)) => items;
    &'a [u32], "array of u32", Value::Array(Array::U32(items)) => items;
    &'a [u64], "array of u64", Value::Array(Array::U64(items)) => items;
    &'a [f32], "array of f32", Value::Array(Array::F32(items)) => items;
    &'a [bool], "array of bool", Value::Array(Array::Bool(items)) => items;
}
