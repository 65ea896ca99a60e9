//! Operators that work along an axis, which must not be that of the rows.

use super::{
    operator::{Call, Outcome, axis_of},
    value::{Size, Value},
};

/// The input with its rank and the axis that an attribute names, which must not be that of the rows.
fn along<'a>(call: &Call<'a>, place: usize, axis: i64) -> Result<(&'a Value, usize, usize), String> {
    let input = call.required(place)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let rank = call.rank(input)?;
    let axis = axis_of(axis, rank)?;
    if input.row_axis() == Some(axis) {
        return Err("works along the axis of the rows".to_owned());
    }
    Ok((input, rank, axis))
}

/// The input's shape with one size replaced.
fn with_size(input: &Value, axis: usize, size: Size) -> Value {
    let mut shape = input.shape().unwrap_or_default().to_vec();
    shape[axis] = size;
    input.reshaped(shape)
}

/// The input without an axis.
fn without_axis(input: &Value, axis: usize) -> Value {
    let mut shape = input.shape().unwrap_or_default().to_vec();
    shape.remove(axis);
    match input.row_axis() {
        Some(row_axis) => Value::rows(row_axis - usize::from(axis < row_axis), shape),
        None => Value::shared(shape),
    }
}

pub(super) fn gather(call: &Call<'_>) -> Outcome {
    let (data, indices) = (call.required(0)?, call.required(1)?);
    if let (Some(elements), Some(numbers)) = (data.elements(), indices.numbers()) {
        let length = elements.len();
        let mut picked = Vec::with_capacity(numbers.len());
        for number in numbers {
            picked.push(elements[axis_of(number, length)?]);
        }
        return Ok(vec![Value::sizes(picked, indices.rank() == Some(0))]);
    }
    if indices.is_count() {
        return Err("picks by the number of rows".to_owned());
    }
    let axis = call.int("axis", 0);
    let (data_shape, index_shape) = (data.shape(), indices.shape());
    match (data.row_axis(), indices.row_axis()) {
        (Some(_), Some(_)) => Err("picks rows by number".to_owned()),
        (Some(row_axis), None) => {
            let (data, _, axis) = along(call, 0, axis)?;
            let index_shape = index_shape.ok_or("has an input of unknown shape")?;
            let old = data.shape().unwrap_or_default();
            let shape = [&old[..axis], index_shape, &old[axis + 1..]].concat();
            let moved = if axis < row_axis { row_axis + index_shape.len() - 1 } else { row_axis };
            Ok(vec![Value::rows(moved, shape)])
        }
        (None, Some(row_axis)) if data.is_shared() => {
            let old = data_shape.ok_or("has an input of unknown shape")?;
            let axis = axis_of(axis, old.len())?;
            let shape = [&old[..axis], index_shape.unwrap_or_default(), &old[axis + 1..]].concat();
            Ok(vec![Value::rows(axis + row_axis, shape)])
        }
        (None, None) if data.is_shared() => {
            let old = data_shape.ok_or("has an input of unknown shape")?;
            let axis = axis_of(axis, old.len())?;
            let picked = index_shape.ok_or("has an input of unknown shape")?;
            Ok(vec![Value::shared([&old[..axis], picked, &old[axis + 1..]].concat())])
        }
        _ => Err("picks from what depends on the number of rows".to_owned()),
    }
}

pub(super) fn gather_elements(call: &Call<'_>) -> Outcome {
    let (data, _, _) = along(call, 0, call.int("axis", 0))?;
    let indices = call.rows(1)?;
    if data.row_axis().is_none() || data.row_axis() != indices.row_axis() || data.rank() != indices.rank() {
        return Err("picks from rows by indices that are not along the same axis".to_owned());
    }
    Ok(vec![indices.clone()])
}

pub(super) fn concat(call: &Call<'_>) -> Outcome {
    let inputs: Vec<&Value> = call.inputs.iter().flatten().copied().collect();
    if inputs.iter().all(|input| input.elements().is_some()) {
        let elements = inputs.iter().flat_map(|input| input.elements().unwrap_or_default()).copied();
        return Ok(vec![Value::sizes(elements.collect(), false)]);
    }
    let mut joined: Option<(Value, usize)> = None;
    for place in 0..inputs.len() {
        let (input, _, axis) = along(call, place, call.int("axis", 0))?;
        let Some((known, _)) = &joined else {
            joined = Some((input.clone(), axis));
            continue;
        };
        if known.row_axis() != input.row_axis() || known.rank() != input.rank() {
            return Err("puts values together that have their rows along different axes".to_owned());
        }
    }
    let (first, axis) = joined.ok_or("has no inputs")?;
    let total = inputs.iter().try_fold(0_i64, |total, input| match input.shape().map(|shape| shape[axis]) {
        Some(Size::Known(size)) => total.checked_add(size),
        _ => None,
    });
    Ok(vec![with_size(&first, axis, total.map_or(Size::Other, Size::Known))])
}

pub(super) fn slice(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let starts = bounds(call, "starts", 1)?;
    let ends = bounds(call, "ends", 2)?;
    let axes = call.list("axes", 3)?;
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if let (Some(elements), [Size::Known(start)], [Size::Known(end)], [1]) =
        (input.elements(), starts.as_slice(), ends.as_slice(), steps.as_slice())
    {
        let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
        let place = |bound: i64| {
            let from_front = if bound < 0 { bound.saturating_add(length) } else { bound };
            usize::try_from(from_front.clamp(0, length)).unwrap_or_default()
        };
        let part = elements.get(place(*start)..place(*end).max(place(*start))).unwrap_or_default();
        return Ok(vec![Value::sizes(part.to_vec(), false)]);
    }
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let rank = call.rank(input)?;
    let axes = axes.unwrap_or_else(|| (0..i64::try_from(starts.len()).unwrap_or_default()).collect());
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has bounds that do not fit together".to_owned());
    }
    let mut result = input.clone();
    for (place, axis) in axes.into_iter().enumerate() {
        let axis = axis_of(axis, rank)?;
        // Exporters write a slice that takes all as one up to the largest number of 32 or 64 bits.
        let is_open_end = matches!(ends[place], Size::Known(end) if end >= i64::from(i32::MAX));
        if starts[place] == Size::Known(0) && is_open_end && steps[place] == 1 {
            continue;
        }
        if input.row_axis() == Some(axis) {
            return Err("takes some of the rows".to_owned());
        }
        result = with_size(&result, axis, Size::Other);
    }
    Ok(vec![result])
}

/// The bounds of a slice: known, or computed from what the rows do not change.
fn bounds(call: &Call<'_>, name: &str, input: usize) -> Result<Vec<Size>, String> {
    if let Some(values) = call.ints(name) {
        return Ok(values.into_iter().map(Size::Known).collect());
    }
    let value = call.required(input)?;
    if !value.is_shared() {
        return Err(format!("has {name} that depend on the rows"));
    }
    value.elements().map(<[Size]>::to_vec).ok_or_else(|| format!("has {name} of unknown number"))
}

pub(super) fn split(call: &Call<'_>) -> Outcome {
    let (input, _, axis) = along(call, 0, call.int("axis", 0))?;
    let parts = call.node.output.len();
    let sizes = call.list("split", 1)?;
    let part = |place: usize| match &sizes {
        Some(sizes) => sizes.get(place).map_or(Size::Other, |size| Size::Known(*size)),
        None => Size::Other,
    };
    Ok((0..parts).map(|place| with_size(input, axis, part(place))).collect())
}

pub(super) fn pad(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    let rank = call.rank(input)?;
    call.rest_shared(1)?;
    let pads = call.list("pads", 1)?.ok_or("does not say how much it adds")?;
    let axes = match call.input(3) {
        None => (0..rank).collect(),
        Some(axes) => {
            let axes = axes.numbers().ok_or("computes its axes at run time")?;
            axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?
        }
    };
    if pads.len() != axes.len() * 2 {
        return Err("adds to another number of axes than there are".to_owned());
    }
    let mut result = input.clone();
    for (place, axis) in axes.iter().enumerate() {
        if pads[place] == 0 && pads[place + axes.len()] == 0 {
            continue;
        }
        if input.row_axis() == Some(*axis) {
            return Err("adds rows".to_owned());
        }
        result = with_size(&result, *axis, Size::Other);
    }
    Ok(vec![result])
}

pub(super) fn one_hot(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    call.rest_shared(1)?;
    let rank = call.rank(input)? + 1;
    let axis = axis_of(call.int("axis", -1), rank)?;
    let mut shape = input.shape().unwrap_or_default().to_vec();
    shape.insert(axis, Size::Other);
    let row_axis = input.row_axis().unwrap_or_default();
    Ok(vec![Value::rows(row_axis + usize::from(axis <= row_axis), shape)])
}

pub(super) fn cumulative(call: &Call<'_>) -> Outcome {
    let axis = call.required(1)?.numbers().ok_or("computes its axis at run time")?;
    let axis = axis.first().ok_or("does not say along which axis it works")?;
    let (input, _, _) = along(call, 0, *axis)?;
    Ok(vec![input.clone()])
}

pub(super) fn top_k(call: &Call<'_>) -> Outcome {
    call.rest_shared(1)?;
    let (input, _, axis) = along(call, 0, call.int("axis", -1))?;
    let result = with_size(input, axis, Size::Other);
    Ok(vec![result.clone(), result])
}

pub(super) fn arg(call: &Call<'_>) -> Outcome {
    let (input, _, axis) = along(call, 0, call.int("axis", 0))?;
    let keeps = call.int("keepdims", 1) != 0;
    Ok(vec![if keeps { with_size(input, axis, Size::Known(1)) } else { without_axis(input, axis) }])
}

pub(super) fn softmax(call: &Call<'_>) -> Outcome {
    if call.opset >= 13 {
        let (input, _, _) = along(call, 0, call.int("axis", -1))?;
        return Ok(vec![input.clone()]);
    }
    up_to_the_end(call, call.int("axis", 1))
}

/// Works over this axis and all after it.
fn up_to_the_end(call: &Call<'_>, axis: i64) -> Outcome {
    let (input, _, axis) = along(call, 0, axis)?;
    if input.row_axis().is_some_and(|row_axis| row_axis > axis) {
        return Err("works along the axis of the rows".to_owned());
    }
    Ok(vec![input.clone()])
}

pub(super) fn layer_norm(call: &Call<'_>) -> Outcome {
    call.rest_shared(1)?;
    let mut outputs = up_to_the_end(call, call.int("axis", -1))?;
    // Mean and deviation have the same rows; how large the other axes are does not matter further on.
    let shape = outputs[0].shape().unwrap_or_default();
    let mut statistics = vec![Size::Other; shape.len()];
    if let Some(row_axis) = outputs[0].row_axis() {
        statistics[row_axis] = Size::Rows;
    }
    let statistics = outputs[0].reshaped(statistics);
    outputs.resize(call.node.output.len().max(1), statistics);
    Ok(outputs)
}

pub(super) fn lp_normalization(call: &Call<'_>) -> Outcome {
    let (input, _, _) = along(call, 0, call.int("axis", -1))?;
    Ok(vec![input.clone()])
}

pub(super) fn reduce(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let axes = call.list("axes", 1)?.unwrap_or_default();
    if axes.is_empty() {
        if call.int("noop_with_empty_axes", 0) != 0 {
            return Ok(vec![input.clone()]);
        }
        return Err("reduces over all axes, all rows together".to_owned());
    }
    let keeps = call.int("keepdims", 1) != 0;
    let rank = call.rank(input)?;
    let mut axes = axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    let mut result = input.clone();
    for axis in axes.into_iter().rev() {
        if input.row_axis() == Some(axis) {
            return Err("reduces over the axis of the rows".to_owned());
        }
        result = if keeps { with_size(&result, axis, Size::Known(1)) } else { without_axis(&result, axis) };
    }
    Ok(vec![result])
}

/// Sizes or scales must leave the axis of the rows alone.
pub(super) fn resize(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    let rank = call.rank(input)?;
    if input.row_axis() != Some(0) {
        return Err("has the rows along another axis than that of the images".to_owned());
    }
    if call.text("coordinate_transformation_mode") == Some(b"tf_crop_and_resize") {
        return Err("crops by a region of its own".to_owned());
    }
    let axes_leave_rows = match call.ints("axes") {
        Some(axes) => {
            !axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?.contains(&0)
        }
        None => false,
    };
    let sizes_leave_rows = match call.input(3) {
        Some(sizes) => sizes.elements().is_some_and(|sizes| sizes.first() == Some(&Size::Rows)),
        None => false,
    };
    let scales_leave_rows = call.input(3).is_none() && {
        let scales = call.input(if call.opset >= 11 { 2 } else { 1 });
        let first = scales.and_then(Value::first_float);
        let attribute = call.floats("scales").and_then(|scales| scales.first().copied());
        first.or(attribute) == Some(1.0)
    };
    if !axes_leave_rows && !sizes_leave_rows && !scales_leave_rows {
        return Err("may resize the axis of the rows".to_owned());
    }
    let mut shape = vec![Size::Other; rank];
    shape[0] = Size::Rows;
    if let Some(channels) = input.shape().and_then(|shape| shape.get(1)) {
        shape[1] = *channels;
    }
    Ok(vec![Value::rows(0, shape)])
}

/// Works on the last two axes.
pub(super) fn trilu(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    call.rest_shared(1)?;
    match (input.row_axis(), input.rank()) {
        (Some(axis), Some(rank)) if axis + 2 < rank => Ok(vec![input.clone()]),
        _ => Err("works along the axis of the rows".to_owned()),
    }
}

/// Recurrent layers: sequences along axis 0, rows along axis 1.
pub(super) fn recurrent(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    if call.int("layout", 0) != 0 || input.row_axis() != Some(1) || input.rank() != Some(3) {
        return Err("has the rows along another axis than that of the sequences".to_owned());
    }
    for (place, wanted) in
        [(1, None), (2, None), (3, None), (4, Some(0)), (5, Some(1)), (6, Some(1)), (7, None)]
    {
        let Some(value) = call.input(place) else { continue };
        if value.is_count() || value.row_axis() != wanted {
            return Err("has parameters that depend on the rows in another way".to_owned());
        }
    }
    let steps = input.shape().map_or(Size::Other, |shape| shape[0]);
    let hidden = Size::Known(call.int("hidden_size", 0));
    let is_both = call.text("direction") == Some(b"bidirectional");
    let directions = Size::Known(if is_both { 2 } else { 1 });
    let last = Value::rows(1, vec![directions, Size::Rows, hidden]);
    Ok(vec![Value::rows(2, vec![steps, directions, Size::Rows, hidden]), last.clone(), last])
}

/// `ArrayFeatureExtractor(table, indices)`: what stands in a table of one row at the index of each row.
pub(super) fn array_feature(call: &Call<'_>) -> Outcome {
    let (table, indices) = (call.required(0)?, call.required(1)?);
    match (table.row_axis(), indices.row_axis()) {
        (Some(0), None) if indices.is_shared() && table.rank() == Some(2) => {
            Ok(vec![Value::rows(0, vec![Size::Rows, Size::Other])])
        }
        // The indices are read one after the other, so that the answer has the rows along its second axis.
        (None, Some(axis)) if table.is_shared() && table.rank() == Some(1) => {
            let shape = indices.shape().ok_or("has an input of unknown shape")?;
            let others = shape.iter().enumerate().filter(|(place, _)| *place != axis);
            if others.into_iter().all(|(_, size)| *size == Size::Known(1)) {
                return Ok(vec![Value::rows(1, vec![Size::Known(1), Size::Rows])]);
            }
            Err("picks several elements for each row".to_owned())
        }
        _ => Err("picks rows by number".to_owned()),
    }
}
