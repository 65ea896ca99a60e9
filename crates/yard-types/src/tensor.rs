//! Dense tensors in row-major order.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use half::{bf16, f16};

/// The element type of a tensor, named as in the Open Inference Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum DataType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Byte strings; text is UTF-8.
    Bytes,
}

/// The text names no element type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a data type: use one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES"
)]
pub struct UnknownDataType(pub String);

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant for each data type")]
pub enum TensorData {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp16(Vec<f16>),
    Bf16(Vec<bf16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Vec<Bytes>),
}

/// A tensor: a shape and as many elements as the shape says, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

/// Why a tensor cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The shape and the number of elements disagree.
    #[error("shape {shape:?} asks for {expected} elements, got {got}")]
    ElementCount {
        /// The shape.
        shape: Vec<usize>,
        /// How many elements it asks for.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The product of the dimensions does not fit in memory.
    #[error("shape {0:?} is too large")]
    TooLarge(Vec<usize>),
    /// Tensors that should be joined or cut row by row do not fit.
    #[error("tensors cannot be joined by rows: {0}")]
    Rows(&'static str),
}

/// Calls `$body` with `$values` bound to the vector of whichever variant `$data` is.
macro_rules! each_type {
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

/// As [`each_type`], but `$body` makes a vector that is wrapped in the same variant again.
macro_rules! map_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            TensorData::Bool($values) => TensorData::Bool($body),
            TensorData::Uint8($values) => TensorData::Uint8($body),
            TensorData::Uint16($values) => TensorData::Uint16($body),
            TensorData::Uint32($values) => TensorData::Uint32($body),
            TensorData::Uint64($values) => TensorData::Uint64($body),
            TensorData::Int8($values) => TensorData::Int8($body),
            TensorData::Int16($values) => TensorData::Int16($body),
            TensorData::Int32($values) => TensorData::Int32($body),
            TensorData::Int64($values) => TensorData::Int64($body),
            TensorData::Fp16($values) => TensorData::Fp16($body),
            TensorData::Bf16($values) => TensorData::Bf16($body),
            TensorData::Fp32($values) => TensorData::Fp32($body),
            TensorData::Fp64($values) => TensorData::Fp64($body),
            TensorData::Bytes($values) => TensorData::Bytes($body),
        }
    };
}

// === impl DataType ===

impl DataType {
    /// Every element type.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The name in the Open Inference Protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes of one element; `None` for strings, which differ in length.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for DataType {
    type Err = UnknownDataType;

    fn from_str(text: &str) -> Result<Self, UnknownDataType> {
        let found = Self::ALL.into_iter().find(|data_type| data_type.as_str() == text);
        found.ok_or_else(|| UnknownDataType(text.chars().take(32).flat_map(char::escape_default).collect()))
    }
}

// === impl TensorData ===

impl TensorData {
    /// No elements yet, with room for `capacity`.
    pub fn with_capacity(data_type: DataType, capacity: usize) -> Self {
        match data_type {
            DataType::Bool => Self::Bool(Vec::with_capacity(capacity)),
            DataType::Uint8 => Self::Uint8(Vec::with_capacity(capacity)),
            DataType::Uint16 => Self::Uint16(Vec::with_capacity(capacity)),
            DataType::Uint32 => Self::Uint32(Vec::with_capacity(capacity)),
            DataType::Uint64 => Self::Uint64(Vec::with_capacity(capacity)),
            DataType::Int8 => Self::Int8(Vec::with_capacity(capacity)),
            DataType::Int16 => Self::Int16(Vec::with_capacity(capacity)),
            DataType::Int32 => Self::Int32(Vec::with_capacity(capacity)),
            DataType::Int64 => Self::Int64(Vec::with_capacity(capacity)),
            DataType::Fp16 => Self::Fp16(Vec::with_capacity(capacity)),
            DataType::Bf16 => Self::Bf16(Vec::with_capacity(capacity)),
            DataType::Fp32 => Self::Fp32(Vec::with_capacity(capacity)),
            DataType::Fp64 => Self::Fp64(Vec::with_capacity(capacity)),
            DataType::Bytes => Self::Bytes(Vec::with_capacity(capacity)),
        }
    }

    /// The element type.
    pub const fn data_type(&self) -> DataType {
        match self {
            Self::Bool(_) => DataType::Bool,
            Self::Uint8(_) => DataType::Uint8,
            Self::Uint16(_) => DataType::Uint16,
            Self::Uint32(_) => DataType::Uint32,
            Self::Uint64(_) => DataType::Uint64,
            Self::Int8(_) => DataType::Int8,
            Self::Int16(_) => DataType::Int16,
            Self::Int32(_) => DataType::Int32,
            Self::Int64(_) => DataType::Int64,
            Self::Fp16(_) => DataType::Fp16,
            Self::Bf16(_) => DataType::Bf16,
            Self::Fp32(_) => DataType::Fp32,
            Self::Fp64(_) => DataType::Fp64,
            Self::Bytes(_) => DataType::Bytes,
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the elements of `other`, which must have the same type.
    fn append(&mut self, other: &Self) -> Result<(), TensorError> {
        /// One arm for each type: both sides must be of the same variant.
        macro_rules! append_same {
            ($($variant:ident),*) => {
                match (self, other) {
                    $((Self::$variant(into), Self::$variant(from)) => into.extend_from_slice(from),)*
                    _ => return Err(TensorError::Rows("their data types differ")),
                }
            };
        }
        append_same!(
            Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Bf16, Fp32, Fp64, Bytes
        );
        Ok(())
    }

    fn range(&self, range: std::ops::Range<usize>) -> Self {
        map_type!(self, values => values[range].to_vec())
    }
}

// === impl Tensor ===

impl Tensor {
    /// Joins a shape and its elements, which must agree.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Self, TensorError> {
        let expected = Self::element_count(&shape)?;
        let got = data.len();
        if expected != got {
            return Err(TensorError::ElementCount { shape, expected, got });
        }
        Ok(Self { shape, data })
    }

    /// How many elements a shape asks for; an error when the product passes `isize::MAX`.
    pub fn element_count(shape: &[usize]) -> Result<usize, TensorError> {
        // A zero anywhere makes the tensor empty, however large the other dimensions are; they must still be sane.
        let product = shape.iter().try_fold(1_usize, |product, dim| product.checked_mul((*dim).max(1)));
        match product {
            Some(product) if isize::try_from(product).is_ok() => {
                Ok(if shape.contains(&0) { 0 } else { product })
            }
            _ => Err(TensorError::TooLarge(shape.to_vec())),
        }
    }

    /// The dimensions; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The element type.
    pub const fn data_type(&self) -> DataType {
        self.data.data_type()
    }

    /// The elements.
    pub const fn data(&self) -> &TensorData {
        &self.data
    }

    /// Gives up the shape and the elements.
    pub fn into_parts(self) -> (Vec<usize>, TensorData) {
        (self.shape, self.data)
    }

    /// The first dimension; `None` for a scalar.
    pub fn rows(&self) -> Option<usize> {
        self.shape.first().copied()
    }

    /// Bytes that the elements take.
    pub fn byte_size(&self) -> usize {
        match (&self.data, self.data_type().size()) {
            (TensorData::Bytes(values), _) => values.iter().map(Bytes::len).sum(),
            (data, Some(size)) => data.len() * size,
            (_, None) => 0,
        }
    }

    /// Puts tensors of the same type and row shape under one another.
    pub fn concat_rows(tensors: &[&Self]) -> Result<Self, TensorError> {
        let Some((first, others)) = tensors.split_first() else {
            return Err(TensorError::Rows("there are none"));
        };
        let Some((first_rows, row_shape)) = first.shape.split_first() else {
            return Err(TensorError::Rows("a scalar has no rows"));
        };
        let elements = tensors.iter().map(|tensor| tensor.data.len()).sum();
        let mut rows = *first_rows;
        let mut data = TensorData::with_capacity(first.data_type(), elements);
        data.append(&first.data)?;
        for tensor in others {
            match tensor.shape.split_first() {
                Some((more, shape)) if shape == row_shape => rows += more,
                _ => return Err(TensorError::Rows("their row shapes differ")),
            }
            data.append(&tensor.data)?;
        }
        let mut shape = first.shape.clone();
        shape[0] = rows;
        Self::new(shape, data)
    }

    /// Cuts the tensor into pieces of these many rows, which must add up to all rows.
    pub fn split_rows(&self, counts: &[usize]) -> Result<Vec<Self>, TensorError> {
        let Some((rows, row_shape)) = self.shape.split_first() else {
            return Err(TensorError::Rows("a scalar has no rows"));
        };
        if counts.iter().sum::<usize>() != *rows {
            return Err(TensorError::Rows("the pieces do not add up to all rows"));
        }
        let row_size: usize = row_shape.iter().product();
        let mut start = 0;
        let mut pieces = Vec::with_capacity(counts.len());
        for count in counts {
            let end = start + count * row_size;
            let mut shape = self.shape.clone();
            shape[0] = *count;
            pieces.push(Self::new(shape, self.data.range(start..end))?);
            start = end;
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).unwrap()
    }

    #[test]
    fn shape_and_elements_must_agree() {
        let data = TensorData::Fp32(vec![1.0; 5]);
        let error = Tensor::new(vec![2, 3], data).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] asks for 6 elements, got 5");
    }

    #[test]
    fn overflowing_shapes_are_refused_even_with_a_zero() {
        for shape in [vec![usize::MAX, 2], vec![usize::MAX, 2, 0], vec![usize::MAX]] {
            assert!(matches!(Tensor::element_count(&shape), Err(TensorError::TooLarge(_))), "{shape:?}");
        }
        assert_eq!(Tensor::element_count(&[3, 0, 4]), Ok(0));
        assert_eq!(Tensor::element_count(&[]), Ok(1));
    }

    #[test]
    fn rows_joined_and_cut_again_are_the_same() {
        let one = floats(&[1, 2], &[1.0, 2.0]);
        let two = floats(&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
        let joined = Tensor::concat_rows(&[&one, &two]).unwrap();
        assert_eq!(joined.shape(), [3, 2]);
        assert_eq!(joined.split_rows(&[1, 2]).unwrap(), [one, two]);
    }

    #[test]
    fn rows_of_other_shapes_or_types_do_not_join() {
        let one = floats(&[1, 2], &[1.0, 2.0]);
        let wide = floats(&[1, 3], &[1.0, 2.0, 3.0]);
        let whole = Tensor::new(vec![1, 2], TensorData::Int64(vec![1, 2])).unwrap();
        let scalar = floats(&[], &[1.0]);
        for other in [&wide, &whole, &scalar] {
            assert!(Tensor::concat_rows(&[&one, other]).is_err());
        }
        assert!(Tensor::concat_rows(&[]).is_err());
        assert!(one.split_rows(&[2]).is_err());
    }

    #[test]
    fn data_types_have_one_spelling() {
        for data_type in DataType::ALL {
            assert_eq!(data_type.as_str().parse(), Ok(data_type));
            assert_eq!(TensorData::with_capacity(data_type, 0).data_type(), data_type);
        }
        assert!("fp32".parse::<DataType>().is_err());
    }
}
