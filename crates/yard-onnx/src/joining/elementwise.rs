//! Operators that work on each element, or on elements that stand at the same place.

use super::{
    operator::{Call, Outcome, axis_of},
    value::{Size, Value},
};
use crate::proto::tensor_proto::DataType;

/// One input, the same shape out; parameters the same for all rows.
pub(super) fn unary(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    call.rest_shared(1)?;
    match input.shape() {
        Some(shape) => Ok(vec![input.reshaped(shape.to_vec())]),
        None => Ok(vec![input.clone()]),
    }
}

/// The input as it is; sizes stay sizes.
pub(super) fn passing(call: &Call<'_>) -> Outcome {
    Ok(vec![call.required(0)?.clone()])
}

/// Sizes stay sizes as long as they stay whole numbers.
pub(super) fn cast(call: &Call<'_>) -> Outcome {
    let is_whole = [DataType::Int64 as i64, DataType::Int32 as i64].contains(&call.int("to", 0));
    if is_whole { passing(call) } else { unary(call) }
}

/// The second input gives a type alone.
pub(super) fn cast_like(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    Ok(vec![match input.shape() {
        Some(shape) => input.reshaped(shape.to_vec()),
        None => input.clone(),
    }])
}

pub(super) fn dropout(call: &Call<'_>) -> Outcome {
    // A flag of type BOOL is no number here; only its absence is certain.
    let is_training = match call.input(2) {
        None => false,
        Some(flag) => flag.numbers().is_none_or(|numbers| numbers != [0]),
    };
    if is_training {
        return Err("may drop elements at random".to_owned());
    }
    let input = call.required(0)?;
    Ok(vec![input.clone(), input.clone()])
}

/// Several inputs that are stretched to a common shape.
pub(super) fn broadcast(call: &Call<'_>) -> Outcome {
    let inputs: Vec<&Value> = call.inputs.iter().flatten().copied().collect();
    if inputs.iter().any(|input| input.is_count()) || inputs.iter().all(|input| input.elements().is_some()) {
        return sizes(call, &inputs).map(|value| vec![value]);
    }
    let mut rank = 0;
    for input in &inputs {
        rank = rank.max(call.rank(input)?);
    }
    let mut row_axis = None;
    for input in &inputs {
        let Some(axis) = input.row_axis() else { continue };
        let axis = axis + rank - call.rank(input)?;
        if row_axis.is_some_and(|known| known != axis) {
            return Err("combines values that have their rows along different axes".to_owned());
        }
        row_axis = Some(axis);
    }
    let mut shape = vec![Size::Known(1); rank];
    for input in &inputs {
        let input_shape = input.shape().unwrap_or_default();
        let offset = rank - input_shape.len();
        for (place, size) in input_shape.iter().enumerate() {
            let place = place + offset;
            if Some(place) == row_axis && *size != Size::Rows && *size != Size::Known(1) {
                return Err(
                    "combines rows with a value that has a size of its own along their axis".to_owned()
                );
            }
            shape[place] = stretched(shape[place], *size);
        }
    }
    Ok(vec![match row_axis {
        Some(axis) => Value::rows(axis, shape),
        None => Value::shared(shape),
    }])
}

/// The common size of two that are stretched to each other.
pub(super) fn stretched(one: Size, other: Size) -> Size {
    match (one, other) {
        (Size::Known(1), size) | (size, Size::Known(1)) => size,
        (Size::Rows, _) | (_, Size::Rows) => Size::Rows,
        (Size::Known(one), Size::Known(_)) => Size::Known(one),
        _ => Size::Other,
    }
}

/// Arithmetic on lists of sizes, as exporters write it to compute shapes.
fn sizes(call: &Call<'_>, inputs: &[&Value]) -> Result<Value, String> {
    let unknown = || "computes with the number of rows".to_owned();
    let lists: Vec<&[Size]> =
        inputs.iter().map(|input| input.elements()).collect::<Option<_>>().ok_or_else(unknown)?;
    let length = lists.iter().map(|list| list.len()).max().unwrap_or_default();
    let is_scalar = inputs.iter().all(|input| input.rank() == Some(0));
    let mut elements = Vec::with_capacity(length);
    for place in 0..length {
        let mut operands = Vec::with_capacity(lists.len());
        for list in &lists {
            let operand = if list.len() == 1 { list.first() } else { list.get(place) };
            operands.push(*operand.ok_or_else(unknown)?);
        }
        elements.push(size_of(call.node.op_type.as_str(), &operands).ok_or_else(unknown)?);
    }
    Ok(Value::sizes(elements, is_scalar))
}

/// The result for one place; `None` where it would depend on the number of rows in a way that is not followed.
fn size_of(operator: &str, operands: &[Size]) -> Option<Size> {
    use Size::{Known, Rows};
    if !operands.contains(&Rows) && !operands.iter().all(|operand| matches!(operand, Known(_))) {
        return match operator {
            // Both ways lead to numbers that the rows do not change.
            "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Max" | "Min" | "Equal" | "Where" => Some(Size::Other),
            _ => None,
        };
    }
    match (operator, operands) {
        ("Add", [Known(one), Known(other)]) => one.checked_add(*other).map(Known),
        ("Sub", [Known(one), Known(other)]) => one.checked_sub(*other).map(Known),
        ("Mul", [Known(one), Known(other)]) => one.checked_mul(*other).map(Known),
        ("Div", [Known(one), Known(other)]) => one.checked_div(*other).map(Known),
        ("Equal", [Known(one), Known(other)]) => Some(Known(i64::from(one == other))),
        ("Mul" | "Div", [Rows, Known(1)]) | ("Mul", [Known(1), Rows]) => Some(Rows),
        ("Add" | "Sub", [Rows, Known(0)]) | ("Add", [Known(0), Rows]) => Some(Rows),
        // There is always at least one row.
        ("Equal", [Rows, Known(number)] | [Known(number), Rows]) if *number < 1 => Some(Known(0)),
        ("Max", [Rows, Known(number)] | [Known(number), Rows]) if *number <= 1 => Some(Rows),
        ("Where", [Known(condition), yes, no]) => Some(if *condition == 0 { *no } else { *yes }),
        _ => None,
    }
}

/// Scale and zero point must be the same for all rows, and single or along another axis.
pub(super) fn linear_quantization(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    call.rest_shared(1)?;
    if let Some(row_axis) = input.row_axis() {
        let scale = call.required(1)?;
        let axis = axis_of(call.int("axis", 1), call.rank(input)?);
        let is_along_another = scale.rank() == Some(1) && axis.is_ok_and(|axis| axis != row_axis);
        if !scale.is_single() && !is_along_another {
            return Err("may have a scale for each row".to_owned());
        }
    }
    Ok(vec![input.clone()])
}
