//! What is known of a value while the graph is followed.

use yard_types::Dim;

use crate::{
    proto::{TensorProto, tensor_proto::DataType},
    tensors::{element_count, integers, is_external},
};

/// Longer lists are data, not shapes.
const MAX_LIST: usize = 64;

/// One dimension of a value, or one number that was computed from dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// This number.
    Known(i64),
    /// The number of rows.
    Rows,
    /// A number that does not depend on how many rows there are.
    Other,
}

/// How a value depends on the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dependence {
    /// It is the same whatever the rows hold and however many there are.
    None,
    /// It has the rows along this axis, each from the same row of the inputs.
    Rows(usize),
    /// It is a list of sizes among which is the number of rows.
    Count,
}

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) struct Value {
    dependence: Dependence,
    shape: Option<Vec<Size>>,
    /// The elements, where the value is a short list of whole numbers.
    elements: Option<Vec<Size>>,
    /// The first element, where the value is a constant of FP32.
    first_float: Option<f32>,
}

impl Value {
    /// An input with the rows first.
    pub(super) fn rows_first(dims: &[Dim]) -> Self {
        let inner = dims.iter().skip(1).map(|dim| match dim {
            Dim::Fixed(size) => Size::Known(i64::try_from(*size).unwrap_or(i64::MAX)),
            Dim::Symbol(_) | Dim::Any => Size::Other,
        });
        Self::rows(0, std::iter::once(Size::Rows).chain(inner).collect())
    }

    /// A value with the rows along this axis.
    pub(super) const fn rows(axis: usize, shape: Vec<Size>) -> Self {
        Self { dependence: Dependence::Rows(axis), shape: Some(shape), elements: None, first_float: None }
    }

    /// A value that the rows do not change, of unknown shape.
    pub(super) const fn same_for_all() -> Self {
        Self { dependence: Dependence::None, shape: None, elements: None, first_float: None }
    }

    /// A value that the rows do not change.
    pub(super) fn shared(shape: Vec<Size>) -> Self {
        // Whatever the elements of a short list are, they do not depend on the rows either.
        let length = match shape.as_slice() {
            [] => Some(1),
            [Size::Known(length)] => usize::try_from(*length).ok().filter(|length| *length <= MAX_LIST),
            _ => None,
        };
        let elements = length.map(|length| vec![Size::Other; length]);
        Self { dependence: Dependence::None, shape: Some(shape), elements, first_float: None }
    }

    /// A list of sizes, or a single one where `is_scalar` holds.
    pub(super) fn sizes(elements: Vec<Size>, is_scalar: bool) -> Self {
        let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        let dependence = if elements.contains(&Size::Rows) { Dependence::Count } else { Dependence::None };
        let shape = if is_scalar { Vec::new() } else { vec![Size::Known(length)] };
        Self { dependence, shape: Some(shape), elements: Some(elements), first_float: None }
    }

    /// A constant.
    pub(super) fn constant(tensor: &TensorProto) -> Self {
        let shape: Vec<Size> = tensor.dims.iter().map(|dim| Size::Known(*dim)).collect();
        let is_list = shape.len() <= 1 && element_count(&tensor.dims, &String::new).is_ok();
        let numbers = if is_list { integers(tensor) } else { None };
        let mut value = Self::shared(shape);
        if let Some(numbers) = numbers {
            value.elements = Some(numbers.into_iter().map(Size::Known).collect());
        }
        value.first_float = first_float(tensor);
        value
    }

    /// The axis that the rows are along.
    pub(super) const fn row_axis(&self) -> Option<usize> {
        match self.dependence {
            Dependence::Rows(axis) => Some(axis),
            Dependence::None | Dependence::Count => None,
        }
    }

    /// Whether the rows change nothing about it.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self.dependence, Dependence::None)
    }

    /// Whether the number of rows stands in it.
    pub(super) const fn is_count(&self) -> bool {
        matches!(self.dependence, Dependence::Count)
    }

    pub(super) fn shape(&self) -> Option<&[Size]> {
        self.shape.as_deref()
    }

    pub(super) fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    pub(super) fn elements(&self) -> Option<&[Size]> {
        self.elements.as_deref()
    }

    /// The first element of a constant of FP32.
    pub(super) const fn first_float(&self) -> Option<f32> {
        self.first_float
    }

    /// The elements where all of them are plain numbers.
    pub(super) fn numbers(&self) -> Option<Vec<i64>> {
        let number = |size: &Size| match size {
            Size::Known(number) => Some(*number),
            Size::Rows | Size::Other => None,
        };
        self.elements.as_ref()?.iter().map(number).collect()
    }

    /// Whether it is a single element.
    pub(super) fn is_single(&self) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.iter().all(|size| *size == Size::Known(1)))
    }

    /// The same dependence with another shape and unknown elements.
    pub(super) fn reshaped(&self, shape: Vec<Size>) -> Self {
        if self.is_shared() {
            return Self::shared(shape);
        }
        Self { dependence: self.dependence, shape: Some(shape), elements: None, first_float: None }
    }
}

fn first_float(tensor: &TensorProto) -> Option<f32> {
    if tensor.data_type != DataType::Float as i32 || is_external(tensor) {
        return None;
    }
    let raw = tensor.raw_data.first_chunk().map(|bytes| f32::from_le_bytes(*bytes));
    raw.or_else(|| tensor.float_data.first().copied())
}
