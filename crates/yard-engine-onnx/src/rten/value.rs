//! Tensors as RTen's values and back.

use rten::{Value, ValueOrView, ValueView};
use yard_engine::PredictError;
use yard_types::{DataType, Tensor, TensorData, TensorSpec};

/// A value that lends the tensor's elements, or holds them as 32-bit integers where RTen has no other type for them.
pub(super) fn lend<'a>(tensor: &'a Tensor, input: &str) -> Result<ValueOrView<'a>, PredictError> {
    let refusal = |reason: String| PredictError::BadInput(format!("input '{input}' {reason}"));
    let shape = tensor.shape();
    /// A view of these elements.
    macro_rules! view {
        ($values:expr) => {
            ValueView::from_shape(shape, $values)
                .map(ValueOrView::from)
                .map_err(|error| refusal(error.to_string()))
        };
    }
    let owned = |values: Vec<i32>| {
        Value::from_shape(shape, values).map(ValueOrView::from).map_err(|error| refusal(error.to_string()))
    };
    match tensor.data() {
        TensorData::Fp32(values) => view!(values.as_slice()),
        TensorData::Int32(values) => view!(values.as_slice()),
        TensorData::Int8(values) => view!(values.as_slice()),
        TensorData::Uint8(values) => view!(values.as_slice()),
        TensorData::Bool(values) => owned(values.iter().map(|value| i32::from(*value)).collect()),
        TensorData::Int64(values) => {
            let mut narrow = Vec::with_capacity(values.len());
            for value in values {
                narrow.push(i32::try_from(*value).map_err(|_| {
                    refusal(format!(
                        "holds {value}; this model runs in RTen, which takes integers of 32 bits"
                    ))
                })?);
            }
            owned(narrow)
        }
        other => Err(refusal(format!("has type {}, which RTen does not take", other.data_type()))),
    }
}

/// The value as a tensor of the type that the model declares.
pub(super) fn to_tensor(value: Value, spec: &TensorSpec) -> Result<Tensor, PredictError> {
    let refusal = |reason: String| PredictError::BadOutput { output: spec.name.clone(), reason };
    let shape;
    /// Shape and elements of a tensor.
    macro_rules! elements {
        ($tensor:expr) => {{
            shape = $tensor.shape().to_vec();
            $tensor.into_data()
        }};
    }
    use rten_tensor::Layout as _;
    let data = match (value, spec.data_type) {
        (Value::FloatTensor(tensor), DataType::Fp32) => TensorData::Fp32(elements!(tensor)),
        (Value::Int32Tensor(tensor), DataType::Int32) => TensorData::Int32(elements!(tensor)),
        (Value::Int32Tensor(tensor), DataType::Int64) => {
            TensorData::Int64(elements!(tensor).into_iter().map(i64::from).collect())
        }
        (Value::Int32Tensor(tensor), DataType::Bool) => {
            TensorData::Bool(elements!(tensor).into_iter().map(|value| value != 0).collect())
        }
        (Value::Int8Tensor(tensor), DataType::Int8) => TensorData::Int8(elements!(tensor)),
        (Value::UInt8Tensor(tensor), DataType::Uint8) => TensorData::Uint8(elements!(tensor)),
        (other, expected) => {
            return Err(refusal(format!("it is {}, but the model declares {expected}", other.dtype())));
        }
    };
    Tensor::new(shape, data).map_err(|error| refusal(error.to_string()))
}
