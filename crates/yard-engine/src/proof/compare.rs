//! Comparing outputs.

use half::{bf16, f16};
use yard_types::{Tensor, TensorData};

/// How far a floating-point number may be off: `absolute + relative * |expected|`. Whole numbers, booleans and strings
/// must be equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Independent of the number.
    pub absolute: f64,
    /// As a share of the expected number.
    pub relative: f64,
}

impl Default for Tolerance {
    /// 1e-5 both ways: single precision, summed in another order.
    fn default() -> Self {
        Self { absolute: 1e-5, relative: 1e-5 }
    }
}

/// Checks two tensors; gives the largest difference, or where and by how much it is too large.
pub(crate) fn within(expected: &Tensor, got: &Tensor, tolerance: Tolerance) -> Result<f64, String> {
    if expected.shape() != got.shape() {
        return Err(format!("expected shape {:?}, got {:?}", expected.shape(), got.shape()));
    }
    let (Some(wanted), Some(given)) = (as_floats(expected.data()), as_floats(got.data())) else {
        return if expected.data() == got.data() { Ok(0.0) } else { Err(first_difference(expected, got)) };
    };
    if expected.data_type() != got.data_type() {
        return Err(format!("expected {}, got {}", expected.data_type(), got.data_type()));
    }
    let mut largest = 0.0_f64;
    for (place, (wanted, given)) in wanted.into_iter().zip(given).enumerate() {
        // Equal covers infinities; two NaNs count as the same answer.
        if wanted == given || (wanted.is_nan() && given.is_nan()) {
            continue;
        }
        let difference = (wanted - given).abs();
        let allowed = tolerance.absolute + tolerance.relative * wanted.abs();
        if difference.is_nan() || difference > allowed {
            return Err(format!("element {place} is {given}, expected {wanted} within {allowed:.3e}"));
        }
        largest = largest.max(difference);
    }
    Ok(largest)
}

fn first_difference(expected: &Tensor, got: &Tensor) -> String {
    if expected.data_type() != got.data_type() {
        return format!("expected {}, got {}", expected.data_type(), got.data_type());
    }
    "elements differ".to_owned()
}

fn as_floats(data: &TensorData) -> Option<Vec<f64>> {
    match data {
        TensorData::Fp16(values) => Some(values.iter().copied().map(f16::to_f64).collect()),
        TensorData::Bf16(values) => Some(values.iter().copied().map(bf16::to_f64).collect()),
        TensorData::Fp32(values) => Some(values.iter().copied().map(f64::from).collect()),
        TensorData::Fp64(values) => Some(values.clone()),
        _ => None,
    }
}
