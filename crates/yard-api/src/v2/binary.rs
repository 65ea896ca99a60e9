//! Tensors as plain bytes: little-endian elements in row-major order; strings with a length in front of each.

use bytes::{Buf, Bytes};
use half::{bf16, f16};
use yard_types::{DataType, Tensor, TensorData};

use crate::{
    data_error::write_shape,
    request_error::{Part, RequestError},
};

/// Bytes in front of each string: its length as an unsigned little-endian number.
const LENGTH_BYTES: usize = size_of::<u32>();

/// What follows the JSON part of a body, taken input by input.
#[derive(Debug)]
pub(crate) struct BinaryPart {
    rest: Bytes,
}

/// Reads the value of the header `Inference-Header-Content-Length` of a body of `body_length` bytes.
pub fn parse_header_length(text: &str, body_length: usize) -> Result<usize, RequestError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = if digits { text.parse().ok() } else { None };
    match length {
        Some(length) if length <= body_length => Ok(length),
        _ => Err(RequestError::HeaderLength { body: body_length }),
    }
}

impl BinaryPart {
    /// What stands after the first `header_length` bytes of a body.
    pub(crate) fn after(body: &Bytes, header_length: usize) -> Result<Self, RequestError> {
        if header_length > body.len() {
            return Err(RequestError::HeaderLength { body: body.len() });
        }
        Ok(Self { rest: body.slice(header_length..) })
    }

    /// Takes the next `size` bytes as the elements of a tensor.
    pub(crate) fn take(
        &mut self,
        part: &dyn Fn() -> Part,
        shape: &[usize],
        data_type: DataType,
        size: u64,
    ) -> Result<TensorData, RequestError> {
        let got = self.rest.len();
        match usize::try_from(size) {
            Ok(size) if size <= got => decode_raw(part, shape, data_type, self.rest.split_to(size)),
            _ => Err(RequestError::BinaryTooShort { part: part(), expected: size, got }),
        }
    }

    /// Checks that nothing is left over.
    pub(crate) fn finish(self) -> Result<(), RequestError> {
        match self.rest.len() {
            0 => Ok(()),
            got => Err(RequestError::BinaryTooLong { got }),
        }
    }
}

/// Turns raw bytes into elements. They need not be aligned; strings go on sharing the memory of the body.
pub(crate) fn decode_raw(
    part: &dyn Fn() -> Part,
    shape: &[usize],
    data_type: DataType,
    raw: Bytes,
) -> Result<TensorData, RequestError> {
    let count = Tensor::element_count(shape).map_err(|error| RequestError::Shape { part: part(), error })?;
    let Some(size) = data_type.size() else {
        return decode_strings(part, shape, count, raw);
    };
    // The count is at most `isize::MAX`, so that only the product can overflow; then no body is long enough.
    if count.checked_mul(size) != Some(raw.len()) {
        return Err(RequestError::ByteCount {
            part: part(),
            shape: write_shape(shape),
            data_type,
            expected: count.saturating_mul(size),
            got: raw.len(),
        });
    }
    macro_rules! decode {
        ($variant:ident, $type:ty) => {
            TensorData::$variant(
                raw.as_chunks().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes)).collect(),
            )
        };
    }
    Ok(match data_type {
        DataType::Bool => TensorData::Bool(decode_bools(part, &raw)?),
        DataType::Uint8 => TensorData::Uint8(raw.to_vec()),
        DataType::Uint16 => decode!(Uint16, u16),
        DataType::Uint32 => decode!(Uint32, u32),
        DataType::Uint64 => decode!(Uint64, u64),
        DataType::Int8 => decode!(Int8, i8),
        DataType::Int16 => decode!(Int16, i16),
        DataType::Int32 => decode!(Int32, i32),
        DataType::Int64 => decode!(Int64, i64),
        DataType::Fp16 => decode!(Fp16, f16),
        DataType::Bf16 => decode!(Bf16, bf16),
        DataType::Fp32 => decode!(Fp32, f32),
        DataType::Fp64 => decode!(Fp64, f64),
        DataType::Bytes => return decode_strings(part, shape, count, raw),
    })
}

fn decode_bools(part: &dyn Fn() -> Part, raw: &[u8]) -> Result<Vec<bool>, RequestError> {
    let mut values = Vec::with_capacity(raw.len());
    for (index, byte) in raw.iter().enumerate() {
        match byte {
            0 => values.push(false),
            1 => values.push(true),
            other => {
                let problem = "is not a BOOL: its byte is 0 or 1";
                return Err(RequestError::Element { part: part(), index, value: other.to_string(), problem });
            }
        }
    }
    Ok(values)
}

fn decode_strings(
    part: &dyn Fn() -> Part,
    shape: &[usize],
    count: usize,
    mut raw: Bytes,
) -> Result<TensorData, RequestError> {
    let mut values = Vec::with_capacity(count.min(raw.len() / LENGTH_BYTES));
    let wrong_count = |got: String| RequestError::ElementCount {
        part: part(),
        shape: write_shape(shape),
        expected: count,
        got,
    };
    while !raw.is_empty() {
        if values.len() == count {
            return Err(wrong_count("more".to_owned()));
        }
        let cut_off = || RequestError::StringCutOff { part: part(), index: values.len() };
        let length = raw.try_get_u32_le().map_err(|_| cut_off())?;
        match usize::try_from(length) {
            Ok(length) if length <= raw.len() => values.push(raw.split_to(length)),
            _ => return Err(cut_off()),
        }
    }
    if values.len() < count {
        return Err(wrong_count(values.len().to_string()));
    }
    Ok(TensorData::Bytes(values))
}

/// Bytes that the elements take as binary data; an error when a string is longer than its length field can say.
pub(crate) fn raw_size(data: &TensorData) -> Option<usize> {
    match (data, data.data_type().size()) {
        (TensorData::Bytes(values), _) => values.iter().try_fold(0_usize, |total, value| {
            u32::try_from(value.len()).ok()?;
            total.checked_add(LENGTH_BYTES)?.checked_add(value.len())
        }),
        (data, size) => data.len().checked_mul(size?),
    }
}

/// Writes the elements as binary data.
pub(crate) fn append_raw(data: &TensorData, out: &mut Vec<u8>) {
    macro_rules! append {
        ($values:expr) => {{
            // One length and no check for each element: large outputs are copied at the speed of memory.
            let before = out.len();
            out.resize(before + size_of_val($values.as_slice()), 0);
            let (places, _) = out[before..].as_chunks_mut();
            for (place, value) in places.iter_mut().zip($values) {
                *place = value.to_le_bytes();
            }
        }};
    }
    out.reserve(raw_size(data).unwrap_or_default());
    match data {
        TensorData::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        TensorData::Uint8(values) => out.extend_from_slice(values),
        TensorData::Uint16(values) => append!(values),
        TensorData::Uint32(values) => append!(values),
        TensorData::Uint64(values) => append!(values),
        TensorData::Int8(values) => append!(values),
        TensorData::Int16(values) => append!(values),
        TensorData::Int32(values) => append!(values),
        TensorData::Int64(values) => append!(values),
        TensorData::Fp16(values) => append!(values),
        TensorData::Bf16(values) => append!(values),
        TensorData::Fp32(values) => append!(values),
        TensorData::Fp64(values) => append!(values),
        TensorData::Bytes(values) => {
            for value in values {
                // `raw_size` refuses longer ones before anything is written.
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
