//! Elements of one data type as another, where nothing but the last bits of a float is lost.

use half::{bf16, f16};
use yard_types::{DataType, TensorData};

/// One number, whatever its type was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Real(f64),
}

/// The elements as `wanted`. Floats are rounded to shorter floats; whole numbers must be kept exactly, and a float
/// becomes a whole number only when it is one.
pub(super) fn to_type(data: TensorData, wanted: DataType) -> Result<TensorData, String> {
    if data.data_type() == wanted {
        return Ok(data);
    }
    let given = data.data_type();
    let Some(numbers) = numbers(&data) else {
        return Err(format!("its elements are {given}, but the model takes {wanted}"));
    };
    let mut result = TensorData::with_capacity(wanted, numbers.len());
    for (index, number) in numbers.into_iter().enumerate() {
        push(&mut result, number).map_err(|reason| {
            let shown = match number {
                Number::Whole(value) => value.to_string(),
                Number::Real(value) => value.to_string(),
            };
            format!("element {index} is {shown} ({given}), which {reason} {wanted}")
        })?;
    }
    Ok(result)
}

fn numbers(data: &TensorData) -> Option<Vec<Number>> {
    fn whole<T: Copy + Into<i128>>(values: &[T]) -> Vec<Number> {
        values.iter().map(|value| Number::Whole((*value).into())).collect()
    }
    Some(match data {
        TensorData::Bool(values) => values.iter().map(|value| Number::Whole(i128::from(*value))).collect(),
        TensorData::Uint8(values) => whole(values),
        TensorData::Uint16(values) => whole(values),
        TensorData::Uint32(values) => whole(values),
        TensorData::Uint64(values) => whole(values),
        TensorData::Int8(values) => whole(values),
        TensorData::Int16(values) => whole(values),
        TensorData::Int32(values) => whole(values),
        TensorData::Int64(values) => whole(values),
        TensorData::Fp16(values) => values.iter().map(|value| Number::Real(value.to_f64())).collect(),
        TensorData::Bf16(values) => values.iter().map(|value| Number::Real(value.to_f64())).collect(),
        TensorData::Fp32(values) => values.iter().map(|value| Number::Real(f64::from(*value))).collect(),
        TensorData::Fp64(values) => values.iter().map(|value| Number::Real(*value)).collect(),
        TensorData::Bytes(_) => return None,
    })
}

/// Appends a number to elements of any type but strings.
pub(super) fn push(data: &mut TensorData, number: Number) -> Result<(), &'static str> {
    const NOT_KEPT: &str = "cannot be kept exactly as";
    macro_rules! whole {
        ($values:expr) => {
            $values.push(as_whole(number).and_then(|value| value.try_into().ok()).ok_or(NOT_KEPT)?)
        };
    }
    match data {
        TensorData::Bool(values) => match as_whole(number) {
            Some(0) => values.push(false),
            Some(1) => values.push(true),
            _ => return Err(NOT_KEPT),
        },
        TensorData::Uint8(values) => whole!(values),
        TensorData::Uint16(values) => whole!(values),
        TensorData::Uint32(values) => whole!(values),
        TensorData::Uint64(values) => whole!(values),
        TensorData::Int8(values) => whole!(values),
        TensorData::Int16(values) => whole!(values),
        TensorData::Int32(values) => whole!(values),
        TensorData::Int64(values) => whole!(values),
        TensorData::Fp16(values) => values.push(as_real(number, f16::from_f64, f16::to_f64)?),
        TensorData::Bf16(values) => values.push(as_real(number, bf16::from_f64, bf16::to_f64)?),
        TensorData::Fp32(values) => values.push(as_real(number, narrow, f64::from)?),
        TensorData::Fp64(values) => values.push(as_real(number, |value| value, |value| value)?),
        TensorData::Bytes(_) => return Err("is no"),
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is wanted")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the comparison afterwards sees whether anything was lost"
)]
#[expect(clippy::cast_precision_loss, reason = "the comparison afterwards sees whether anything was lost")]
fn as_whole(number: Number) -> Option<i128> {
    match number {
        Number::Whole(value) => Some(value),
        Number::Real(value) => {
            let whole = value as i128;
            (whole as f64 == value).then_some(whole)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the comparison afterwards sees whether anything was lost"
)]
#[expect(clippy::cast_precision_loss, reason = "the comparison afterwards sees whether anything was lost")]
fn as_real<T: Copy>(
    number: Number,
    round: impl Fn(f64) -> T,
    widen: impl Fn(T) -> f64,
) -> Result<T, &'static str> {
    match number {
        Number::Whole(value) => {
            let rounded = round(value as f64);
            let kept = widen(rounded).is_finite() && widen(rounded) as i128 == value;
            if kept { Ok(rounded) } else { Err("cannot be kept exactly as") }
        }
        Number::Real(value) => {
            let rounded = round(value);
            if value.is_finite() && !widen(rounded).is_finite() {
                Err("is too large for")
            } else {
                Ok(rounded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: TensorData, wanted: TensorData) {
        assert_eq!(to_type(data, wanted.data_type()), Ok(wanted));
    }

    #[track_caller]
    fn refused(data: TensorData, wanted: DataType, part_of_message: &str) {
        let message = to_type(data, wanted).unwrap_err();
        assert!(message.contains(part_of_message), "{message}");
    }

    #[test]
    fn floats_are_rounded_and_whole_numbers_kept() {
        check(TensorData::Fp64(vec![0.1, f64::NEG_INFINITY]), TensorData::Fp32(vec![0.1, f32::NEG_INFINITY]));
        check(TensorData::Fp64(vec![0.5]), TensorData::Fp16(vec![f16::from_f32(0.5)]));
        check(TensorData::Uint8(vec![255]), TensorData::Fp32(vec![255.0]));
        check(TensorData::Int64(vec![-3]), TensorData::Int8(vec![-3]));
        check(TensorData::Fp64(vec![3.0]), TensorData::Int64(vec![3]));
        check(TensorData::Int64(vec![1, 0]), TensorData::Bool(vec![true, false]));
        let nan = to_type(TensorData::Fp64(vec![f64::NAN]), DataType::Fp32).unwrap();
        assert!(matches!(nan, TensorData::Fp32(values) if values[0].is_nan()));
    }

    #[test]
    fn what_would_change_a_value_is_refused_with_its_place() {
        refused(TensorData::Int64(vec![1, (1 << 24) + 1]), DataType::Fp32, "element 1 is 16777217");
        refused(TensorData::Int64(vec![i64::MAX]), DataType::Fp64, "cannot be kept exactly");
        refused(TensorData::Int64(vec![-1]), DataType::Uint8, "cannot be kept exactly");
        refused(TensorData::Fp64(vec![1.5]), DataType::Int64, "cannot be kept exactly");
        refused(TensorData::Fp64(vec![f64::NAN]), DataType::Int64, "cannot be kept exactly");
        refused(TensorData::Fp64(vec![1e300]), DataType::Fp32, "too large");
        refused(TensorData::Int64(vec![2]), DataType::Bool, "cannot be kept exactly");
        refused(TensorData::Int64(vec![70_000]), DataType::Fp16, "cannot be kept exactly");
        refused(TensorData::Bytes(vec![]), DataType::Fp32, "the model takes FP32");
        refused(TensorData::Int64(vec![1]), DataType::Bytes, "is no BYTES");
    }
}
