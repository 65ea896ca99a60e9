//! Writing tensors as JSON.

use bytes::Bytes;
use yard_types::{Tensor, TensorData};

/// An element that JSON cannot hold: a number that is not finite, or bytes that are not UTF-8. At this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unwritable {
    pub(crate) index: usize,
}

/// An element that can be written as JSON.
trait WriteElement {
    /// Writes the element; false if JSON has no way to.
    fn write(&self, out: &mut Vec<u8>) -> bool;
}

macro_rules! write_integers {
    ($($type:ty),*) => {
        $(impl WriteElement for $type {
            #[inline]
            fn write(&self, out: &mut Vec<u8>) -> bool {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
                true
            }
        })*
    };
}

macro_rules! write_floats {
    ($($type:ty),*) => {
        $(impl WriteElement for $type {
            #[inline]
            fn write(&self, out: &mut Vec<u8>) -> bool {
                if self.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(*self).as_bytes());
                }
                self.is_finite()
            }
        })*
    };
}

write_integers!(u8, u16, u32, u64, i8, i16, i32, i64);
write_floats!(f32, f64);

impl WriteElement for bool {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
        true
    }
}

impl WriteElement for half::f16 {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        self.to_f32().write(out)
    }
}

impl WriteElement for half::bf16 {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        self.to_f32().write(out)
    }
}

impl WriteElement for Bytes {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        let text = std::str::from_utf8(self);
        text.inspect(|text| write_string(text, out)).is_ok()
    }
}

macro_rules! with_values {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            TensorData::Bool($values) => $body,
            TensorData::Uint8($values) => $body,
            TensorData::Uint16($values) => $body,
            TensorData::Uint32($values) => $body,
            TensorData::Uint64($values) => $body,
            TensorData::Int8($values) => $body,
            TensorData::Int16($values) => $body,
            TensorData::Int32($values) => $body,
            TensorData::Int64($values) => $body,
            TensorData::Fp16($values) => $body,
            TensorData::Bf16($values) => $body,
            TensorData::Fp32($values) => $body,
            TensorData::Fp64($values) => $body,
            TensorData::Bytes($values) => $body,
        }
    };
}

/// Writes the elements as one list. The error names an element that JSON cannot hold: a number that is not finite, or
/// bytes that are not UTF-8.
pub(crate) fn write_flat(data: &TensorData, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    with_values!(data, values => write_list(values, 0, out))
}

/// Writes the elements as lists nested by the shape; a scalar is written bare.
pub(crate) fn write_nested(tensor: &Tensor, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    with_values!(tensor.data(), values => write_nested_values(tensor.shape(), values, out))
}

fn write_list<E: WriteElement>(values: &[E], start: usize, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    out.push(b'[');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if !value.write(out) {
            return Err(Unwritable { index: start + place });
        }
    }
    out.push(b']');
    Ok(())
}

fn write_nested_values<E: WriteElement>(
    shape: &[usize],
    values: &[E],
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let Some((row_length, outer)) = shape.split_last() else {
        // A scalar has exactly one element.
        let written = values.iter().all(|value| value.write(out));
        return if written { Ok(()) } else { Err(Unwritable { index: 0 }) };
    };
    // A dimension of zero cuts the nesting off there: only the lists outside it exist.
    let visible = outer.iter().position(|length| *length == 0).unwrap_or(outer.len());
    let rows: usize = outer[..visible].iter().product();
    let has_elements = visible == outer.len();
    let row_length = if has_elements { *row_length } else { 0 };
    for row in 0..rows {
        // Brackets open and close where the row number passes a multiple of the rows inside each outer dimension.
        let opening = if row == 0 { visible } else { carried(&outer[..visible], row) };
        if row > 0 {
            out.push(b',');
        }
        out.extend(std::iter::repeat_n(b'[', opening));
        let start = row * row_length;
        write_list(&values[start..start + row_length], start, out)?;
        let next = row + 1;
        let closing = if next == rows { visible } else { carried(&outer[..visible], next) };
        out.extend(std::iter::repeat_n(b']', closing));
    }
    Ok(())
}

/// How many of the inner dimensions start anew at this row: the trailing zeros of the row number, written with the
/// dimensions as its places.
fn carried(dims: &[usize], row: usize) -> usize {
    let mut inside = 1;
    dims.iter()
        .rev()
        .take_while(|length| {
            inside *= **length;
            row.is_multiple_of(inside)
        })
        .count()
}

/// Writes a string in quotes, with what JSON asks for escaped.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}
