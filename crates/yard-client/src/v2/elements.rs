//! The elements of a tensor as binary data and back.

use bytes::{Buf as _, Bytes};
use half::{bf16, f16};
use yard_types::{DataType, TensorData};

/// Appends the elements: little-endian numbers, one byte for a truth value, strings after their length.
/// Fails for a string that is longer than its length can say.
pub(crate) fn append(data: &TensorData, out: &mut Vec<u8>) -> Result<(), &'static str> {
    macro_rules! numbers {
        ($values:expr) => {
            out.extend($values.iter().flat_map(|value| value.to_le_bytes()))
        };
    }
    match data {
        TensorData::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        TensorData::Uint8(values) => out.extend_from_slice(values),
        TensorData::Uint16(values) => numbers!(values),
        TensorData::Uint32(values) => numbers!(values),
        TensorData::Uint64(values) => numbers!(values),
        TensorData::Int8(values) => numbers!(values),
        TensorData::Int16(values) => numbers!(values),
        TensorData::Int32(values) => numbers!(values),
        TensorData::Int64(values) => numbers!(values),
        TensorData::Fp16(values) => numbers!(values),
        TensorData::Bf16(values) => numbers!(values),
        TensorData::Fp32(values) => numbers!(values),
        TensorData::Fp64(values) => numbers!(values),
        TensorData::Bytes(values) => {
            for value in values {
                let length = u32::try_from(value.len()).map_err(|_| "a string is longer than 4 GiB")?;
                out.extend(length.to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
    Ok(())
}

/// Reads all of `raw` as elements of one type.
pub(crate) fn read(data_type: DataType, raw: Bytes) -> Result<TensorData, &'static str> {
    macro_rules! numbers {
        ($variant:ident, $number:ty) => {{
            let (chunks, rest) = raw.as_chunks::<{ size_of::<$number>() }>();
            if !rest.is_empty() {
                return Err("the binary data ends in the middle of an element");
            }
            TensorData::$variant(chunks.iter().map(|chunk| <$number>::from_le_bytes(*chunk)).collect())
        }};
    }
    Ok(match data_type {
        DataType::Bool => TensorData::Bool(raw.iter().map(|byte| *byte != 0).collect()),
        DataType::Uint8 => TensorData::Uint8(raw.to_vec()),
        DataType::Uint16 => numbers!(Uint16, u16),
        DataType::Uint32 => numbers!(Uint32, u32),
        DataType::Uint64 => numbers!(Uint64, u64),
        DataType::Int8 => numbers!(Int8, i8),
        DataType::Int16 => numbers!(Int16, i16),
        DataType::Int32 => numbers!(Int32, i32),
        DataType::Int64 => numbers!(Int64, i64),
        DataType::Fp16 => numbers!(Fp16, f16),
        DataType::Bf16 => numbers!(Bf16, bf16),
        DataType::Fp32 => numbers!(Fp32, f32),
        DataType::Fp64 => numbers!(Fp64, f64),
        DataType::Bytes => TensorData::Bytes(strings(raw)?),
    })
}

fn strings(mut raw: Bytes) -> Result<Vec<Bytes>, &'static str> {
    const TORN: &str = "the binary data ends in the middle of a string";
    let mut values = Vec::new();
    while !raw.is_empty() {
        let length = raw.try_get_u32_le().map_err(|_| TORN)?;
        let length = usize::try_from(length).map_err(|_| TORN)?;
        if length > raw.len() {
            return Err(TORN);
        }
        values.push(raw.split_to(length));
    }
    Ok(values)
}
