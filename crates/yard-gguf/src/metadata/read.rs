//! Metadata out of a file's bytes.

use super::{Array, DEPTH_LIMIT, KEY_LIMIT, Metadata, Strings, Value, ValueType};
use crate::GgufError;
use crate::cursor::Cursor;
use crate::error::shown;

/// The least an entry takes: a key's length and one letter, the value's type and one byte.
pub(crate) const LEAST_BYTES: usize = 8 + 1 + 4 + 1;

/// The least a string takes: its length.
const LEAST_STRING: usize = 8;
/// The least an array takes: its items' type and their count.
const LEAST_ARRAY: usize = 4 + 8;

const ENTRY_VALUE: &str = "a metadata value";
const ITEMS: &str = "an array's items";

impl Metadata {
    pub(crate) fn read(cursor: &mut Cursor<'_>, count: usize) -> Result<Self, GgufError> {
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let key = cursor.name("a metadata key", KEY_LIMIT)?;
            let value = read_value(cursor)
                .map_err(|source| GgufError::Value { key: shown(key), source: Box::new(source) })?;
            entries.push((key.to_owned(), value));
        }
        let mut sorted: Vec<u32> = (0..u32::MAX).take(count).collect();
        let key_of = |index: &u32| entries[*index as usize].0.as_str();
        sorted.sort_unstable_by(|left, right| key_of(left).cmp(key_of(right)));
        let twice = sorted.windows(2).find(|pair| key_of(&pair[0]) == key_of(&pair[1]));
        if let Some(pair) = twice {
            return Err(GgufError::Duplicate { what: "the metadata key", name: shown(key_of(&pair[0])) });
        }
        Ok(Self { entries, sorted })
    }
}

fn read_value(cursor: &mut Cursor<'_>) -> Result<Value, GgufError> {
    Ok(match read_type(cursor)? {
        ValueType::U8 => Value::U8(u8::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::I8 => Value::I8(i8::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::U16 => Value::U16(u16::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::I16 => Value::I16(i16::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::U32 => Value::U32(u32::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::I32 => Value::I32(i32::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::F32 => Value::F32(f32::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::Bool => Value::Bool(truth(cursor.array(ENTRY_VALUE)?)?),
        ValueType::String => Value::String(cursor.text(ENTRY_VALUE)?.to_owned()),
        ValueType::Array => Value::Array(read_array(cursor, 1)?),
        ValueType::U64 => Value::U64(u64::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::I64 => Value::I64(i64::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
        ValueType::F64 => Value::F64(f64::from_le_bytes(cursor.array(ENTRY_VALUE)?)),
    })
}

fn read_type(cursor: &mut Cursor<'_>) -> Result<ValueType, GgufError> {
    let number = cursor.u32("a value's type")?;
    ValueType::from_number(number).ok_or(GgufError::ValueType(number))
}

fn read_array(cursor: &mut Cursor<'_>, depth: u32) -> Result<Array, GgufError> {
    if depth > DEPTH_LIMIT {
        return Err(GgufError::TooDeep { limit: DEPTH_LIMIT });
    }
    Ok(match read_type(cursor)? {
        ValueType::U8 => Array::U8(read_items(cursor, u8::from_le_bytes)?),
        ValueType::I8 => Array::I8(read_items(cursor, i8::from_le_bytes)?),
        ValueType::U16 => Array::U16(read_items(cursor, u16::from_le_bytes)?),
        ValueType::I16 => Array::I16(read_items(cursor, i16::from_le_bytes)?),
        ValueType::U32 => Array::U32(read_items(cursor, u32::from_le_bytes)?),
        ValueType::I32 => Array::I32(read_items(cursor, i32::from_le_bytes)?),
        ValueType::F32 => Array::F32(read_items(cursor, f32::from_le_bytes)?),
        ValueType::Bool => {
            let bytes = read_items(cursor, |byte| byte)?;
            Array::Bool(bytes.into_iter().map(truth).collect::<Result<_, _>>()?)
        }
        ValueType::String => Array::Strings(read_strings(cursor)?),
        ValueType::Array => Array::Arrays(read_arrays(cursor, depth)?),
        ValueType::U64 => Array::U64(read_items(cursor, u64::from_le_bytes)?),
        ValueType::I64 => Array::I64(read_items(cursor, i64::from_le_bytes)?),
        ValueType::F64 => Array::F64(read_items(cursor, f64::from_le_bytes)?),
    })
}

fn truth([byte]: [u8; 1]) -> Result<bool, GgufError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(GgufError::NotBool(other)),
    }
}

fn read_items<T, const BYTES: usize>(
    cursor: &mut Cursor<'_>,
    convert: impl Fn([u8; BYTES]) -> T,
) -> Result<Vec<T>, GgufError> {
    let count = cursor.count(ITEMS, BYTES, usize::MAX)?;
    let (items, _) = cursor.take((count * BYTES) as u64, ITEMS)?.as_chunks::<BYTES>();
    Ok(items.iter().copied().map(convert).collect())
}

fn read_strings(cursor: &mut Cursor<'_>) -> Result<Strings, GgufError> {
    let count = cursor.count(ITEMS, LEAST_STRING, usize::MAX)?;
    let mut strings = Strings::with_capacity(count);
    for _ in 0..count {
        strings.push(cursor.text("a string in an array")?);
    }
    Ok(strings)
}

fn read_arrays(cursor: &mut Cursor<'_>, depth: u32) -> Result<Vec<Array>, GgufError> {
    let count = cursor.count(ITEMS, LEAST_ARRAY, usize::MAX)?;
    let mut arrays = Vec::with_capacity(count);
    for _ in 0..count {
        arrays.push(read_array(cursor, depth + 1)?);
    }
    Ok(arrays)
}
