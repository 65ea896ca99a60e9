//! Arrays that NumPy saved: format 1.0, 2.0 and 3.0, numbers and truth values of either byte order.
//!
//! The file is a magic text, a version, and the length of a header, which is a Python dictionary with three known keys;
//! then come the elements. The reader is bounded by the bytes it is given.

use half::f16;
use yard_types::{Tensor, TensorData};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header: NumPy itself refuses longer ones.
const MAX_HEADER: usize = 10_000;
/// Most dimensions: NumPy's own bound.
const MAX_DIMENSIONS: usize = 64;

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

pub(super) fn read(content: &[u8]) -> Result<Tensor, String> {
    let (header, elements) = split(content)?;
    let Layout { descr, fortran_order, shape } = Header(header).parse()?;
    let count = Tensor::element_count(&shape).map_err(|error| error.to_string())?;
    let data = read_elements(&descr, elements, count)?;
    let data = if fortran_order { reorder(data, &shape) } else { data };
    Tensor::new(shape, data).map_err(|error| error.to_string())
}

/// The header and what follows it.
fn split(content: &[u8]) -> Result<(&str, &[u8]), String> {
    const TORN: &str = "it ends before its header does";
    let rest = content.strip_prefix(MAGIC).ok_or("it is no .npy file")?;
    let [major, _minor, rest @ ..] = rest else { return Err(TORN.to_owned()) };
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or(TORN)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or(TORN)?;
            (usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX), rest)
        }
        other => return Err(format!("it is of format {other}; known are 1, 2 and 3")),
    };
    if length > MAX_HEADER {
        return Err(format!("its header is longer than {MAX_HEADER} bytes"));
    }
    let (header, elements) = rest.split_at_checked(length).ok_or(TORN)?;
    Ok((std::str::from_utf8(header).map_err(|_| "its header is not text")?, elements))
}

/// What is left of a header.
struct Header<'a>(&'a str);

impl Header<'_> {
    fn parse(mut self) -> Result<Layout, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.text()?;
            self.expect(':')?;
            match key.as_str() {
                "descr" => descr = Some(self.text()?),
                "fortran_order" => fortran_order = Some(self.truth()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return Err(format!("its header has an unknown key '{}'", key.escape_default())),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return Err("its header goes on after its end".to_owned());
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Layout { descr, fortran_order, shape }),
            _ => Err("its header lacks 'descr', 'fortran_order' or 'shape'".to_owned()),
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(wanted);
        rest.map(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(format!("its header has no '{wanted}' where one belongs"))
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let quote = if self.take('\'') {
            '\''
        } else if self.take('"') {
            '"'
        } else if self.0.trim_start().starts_with('[') {
            return Err("it holds records; only arrays of plain numbers are taken".to_owned());
        } else {
            return Err("its header has no text where one belongs".to_owned());
        };
        let (text, rest) = self.0.split_once(quote).ok_or("its header has a text without an end")?;
        self.0 = rest;
        Ok(text.to_owned())
    }

    fn truth(&mut self) -> Result<bool, String> {
        let trimmed = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = trimmed.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("its header has no True or False where one belongs".to_owned())
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut numbers = Vec::new();
        while !self.take(')') {
            if numbers.len() == MAX_DIMENSIONS {
                return Err(format!("it has more than {MAX_DIMENSIONS} dimensions"));
            }
            let trimmed = self.0.trim_start();
            let end = trimmed.find(|character: char| !character.is_ascii_digit()).unwrap_or(trimmed.len());
            let (digits, rest) = trimmed.split_at(end);
            numbers.push(digits.parse().map_err(|_| "its header has a dimension that is no number")?);
            // NumPy on Python 2 wrote `3L`.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }
}

fn read_elements(descr: &str, raw: &[u8], count: usize) -> Result<TensorData, String> {
    macro_rules! numbers {
        ($variant:ident, $number:ty, $big:expr) => {{
            let raw = exact(raw, count, size_of::<$number>())?;
            let (chunks, _) = raw.as_chunks::<{ size_of::<$number>() }>();
            let read = if $big { <$number>::from_be_bytes } else { <$number>::from_le_bytes };
            TensorData::$variant(chunks.iter().map(|chunk| read(*chunk)).collect())
        }};
    }
    let big = descr.starts_with('>');
    Ok(match descr.trim_start_matches(['<', '>', '|', '=']) {
        "b1" => TensorData::Bool(exact(raw, count, 1)?.iter().map(|byte| *byte != 0).collect()),
        "u1" => numbers!(Uint8, u8, big),
        "u2" => numbers!(Uint16, u16, big),
        "u4" => numbers!(Uint32, u32, big),
        "u8" => numbers!(Uint64, u64, big),
        "i1" => numbers!(Int8, i8, big),
        "i2" => numbers!(Int16, i16, big),
        "i4" => numbers!(Int32, i32, big),
        "i8" => numbers!(Int64, i64, big),
        "f2" => numbers!(Fp16, f16, big),
        "f4" => numbers!(Fp32, f32, big),
        "f8" => numbers!(Fp64, f64, big),
        _ => {
            let shown: String = descr.chars().take(32).flat_map(char::escape_default).collect();
            return Err(format!(
                "its elements are of type '{shown}'; only truth values, whole numbers and floats are taken"
            ));
        }
    })
}

fn exact(raw: &[u8], count: usize, size: usize) -> Result<&[u8], String> {
    match count.checked_mul(size) {
        Some(wanted) if wanted == raw.len() => Ok(raw),
        _ => Err(format!(
            "its shape asks for {count} elements of {size} bytes, but {} bytes follow the header",
            raw.len()
        )),
    }
}

/// Elements that stand column by column, put row by row.
fn reorder(data: TensorData, shape: &[usize]) -> TensorData {
    fn moved<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
        // Walk the positions in row-major order and keep the place in the column-major source up to date.
        let mut strides = Vec::with_capacity(shape.len());
        let mut stride = 1;
        for size in shape {
            strides.push(stride);
            stride *= size;
        }
        let mut position = vec![0; shape.len()];
        let mut source = 0;
        let mut result = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            result.push(values[source]);
            for axis in (0..shape.len()).rev() {
                position[axis] += 1;
                source += strides[axis];
                if position[axis] < shape[axis] {
                    break;
                }
                source -= strides[axis] * shape[axis];
                position[axis] = 0;
            }
        }
        result
    }
    match data {
        TensorData::Bool(values) => TensorData::Bool(moved(&values, shape)),
        TensorData::Uint8(values) => TensorData::Uint8(moved(&values, shape)),
        TensorData::Uint16(values) => TensorData::Uint16(moved(&values, shape)),
        TensorData::Uint32(values) => TensorData::Uint32(moved(&values, shape)),
        TensorData::Uint64(values) => TensorData::Uint64(moved(&values, shape)),
        TensorData::Int8(values) => TensorData::Int8(moved(&values, shape)),
        TensorData::Int16(values) => TensorData::Int16(moved(&values, shape)),
        TensorData::Int32(values) => TensorData::Int32(moved(&values, shape)),
        TensorData::Int64(values) => TensorData::Int64(moved(&values, shape)),
        TensorData::Fp16(values) => TensorData::Fp16(moved(&values, shape)),
        TensorData::Fp32(values) => TensorData::Fp32(moved(&values, shape)),
        TensorData::Fp64(values) => TensorData::Fp64(moved(&values, shape)),
        // NumPy has neither of these.
        other @ (TensorData::Bf16(_) | TensorData::Bytes(_)) => other,
    }
}

#[cfg(test)]
mod tests;
