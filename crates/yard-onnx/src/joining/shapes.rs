//! Operators that change shapes, and products.

use super::{
    elementwise::stretched,
    operator::{Call, Outcome, axis_of},
    value::{Size, Value},
};

pub(super) fn shape(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let sizes = input.shape().ok_or("asks for an unknown shape")?;
    let bound = |name: &str, default: usize| -> usize {
        if !call.has(name) {
            return default;
        }
        let rank = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
        let wanted = call.int(name, 0);
        let from_front = if wanted < 0 { wanted + rank } else { wanted };
        usize::try_from(from_front.clamp(0, rank)).unwrap_or_default()
    };
    let (start, end) = (bound("start", 0), bound("end", sizes.len()));
    let part = sizes.get(start..end.max(start)).unwrap_or_default();
    Ok(vec![Value::sizes(part.to_vec(), false)])
}

/// The new shape must keep the rows whole: as much before them as was before, and the rows themselves.
pub(super) fn reshape(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let target = match call.ints("shape") {
        Some(shape) => shape.into_iter().map(Size::Known).collect(),
        None => {
            let shape = call.required(1)?;
            shape.elements().ok_or("computes its shape at run time")?.to_vec()
        }
    };
    if input.elements().is_some() {
        // A list of sizes that becomes a scalar or a list again.
        let elements = input.elements().unwrap_or_default().to_vec();
        let is_scalar = target.is_empty() && elements.len() == 1;
        let is_list = target.len() == 1;
        if is_scalar || is_list {
            return Ok(vec![Value::sizes(elements, is_scalar)]);
        }
    }
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let copies_zeros = call.int("allowzero", 0) == 0;
    let source = input.shape();
    let mut shape: Vec<Size> = target
        .iter()
        .enumerate()
        .map(|(place, size)| match size {
            Size::Known(0) if copies_zeros => {
                source.and_then(|source| source.get(place).copied()).unwrap_or(Size::Other)
            }
            size => *size,
        })
        .collect();
    let Some(row_axis) = input.row_axis() else {
        let is_open = |size: &Size| *size == Size::Known(-1);
        if shape.contains(&Size::Rows) {
            return Err("gives what is the same for all rows the number of rows".to_owned());
        }
        shape.iter_mut().filter(|size| is_open(size)).for_each(|size| *size = Size::Other);
        return Ok(vec![Value::shared(shape)]);
    };
    let source = source.ok_or("has an input of unknown shape")?;
    fill_open(&mut shape, source);
    let before = product(&source[..row_axis]).ok_or("has sizes before the rows that are not known")?;
    for axis in 0..shape.len() {
        if product(&shape[..axis]) == Some(before) && shape[axis] == Size::Rows {
            return Ok(vec![Value::rows(axis, shape)]);
        }
    }
    Err(format!("may move elements from row to row: from {} to {}", shown(source), shown(&shape)))
}

/// Finds out what a -1 stands for, where the other sizes say it.
fn fill_open(shape: &mut [Size], source: &[Size]) {
    let Some(open) = shape.iter().position(|size| *size == Size::Known(-1)) else { return };
    let others: Vec<Size> =
        shape.iter().enumerate().filter(|(place, _)| *place != open).map(|(_, size)| *size).collect();
    let count = |sizes: &[Size], wanted: Size| sizes.iter().filter(|size| **size == wanted).count();
    let known = |sizes: &[Size]| {
        sizes.iter().try_fold(1_i64, |product, size| match size {
            Size::Known(number) => product.checked_mul(*number),
            Size::Rows | Size::Other => Some(product),
        })
    };
    let rows_left = count(source, Size::Rows).checked_sub(count(&others, Size::Rows));
    let has_unknown = count(source, Size::Other) + count(&others, Size::Other) > 0;
    let (Some(total), Some(given)) = (known(source), known(&others)) else { return };
    shape[open] = match rows_left {
        Some(0) if has_unknown || given == 0 || total % given != 0 => Size::Other,
        Some(0) => Size::Known(total / given),
        Some(1) if !has_unknown && total == given => Size::Rows,
        // The rows times something, or divided by it; left open, so that no axis of rows is found.
        _ => Size::Known(-1),
    };
}

fn product(sizes: &[Size]) -> Option<i64> {
    sizes.iter().try_fold(1_i64, |product, size| match size {
        Size::Known(number) if *number >= 0 => product.checked_mul(*number),
        _ => None,
    })
}

fn shown(sizes: &[Size]) -> String {
    let size = |size: &Size| match size {
        Size::Known(number) => number.to_string(),
        Size::Rows => "rows".to_owned(),
        Size::Other => "?".to_owned(),
    };
    format!("[{}]", sizes.iter().map(size).collect::<Vec<_>>().join(","))
}

pub(super) fn flatten(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    let rank = call.rank(input)?;
    let axis = call.int("axis", 1);
    let axis = if axis == i64::try_from(rank).unwrap_or(i64::MAX) { rank } else { axis_of(axis, rank)? };
    let shape = input.shape().unwrap_or_default();
    let before = &shape[..axis];
    let is_rows_alone = before.iter().filter(|size| **size != Size::Known(1)).eq([&Size::Rows]);
    if !is_rows_alone {
        return Err("puts rows and other axes together".to_owned());
    }
    let inner = product(&shape[axis..]).map_or(Size::Other, Size::Known);
    Ok(vec![Value::rows(0, vec![Size::Rows, inner])])
}

pub(super) fn squeeze(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let axes = call.list("axes", 1)?;
    if let Some(elements) = input.elements() {
        let is_scalar = elements.len() == 1;
        return Ok(vec![Value::sizes(elements.to_vec(), is_scalar)]);
    }
    let axes = axes.ok_or("removes every axis of size one, which a lone row is as well")?;
    let rank = call.rank(input)?;
    let axes = axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    if input.row_axis().is_some_and(|row_axis| axes.contains(&row_axis)) {
        return Err("removes the axis of the rows".to_owned());
    }
    let shape = input.shape().unwrap_or_default().iter().enumerate();
    let shape: Vec<Size> = shape.filter(|(place, _)| !axes.contains(place)).map(|(_, size)| *size).collect();
    Ok(vec![match input.row_axis() {
        Some(row_axis) => Value::rows(row_axis - axes.iter().filter(|axis| **axis < row_axis).count(), shape),
        None => Value::shared(shape),
    }])
}

pub(super) fn unsqueeze(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let axes = call.list("axes", 1)?.ok_or("does not say where it adds axes")?;
    if let Some(elements) = input.elements()
        && input.rank() == Some(0)
        && axes.len() == 1
    {
        return Ok(vec![Value::sizes(elements.to_vec(), false)]);
    }
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let rank = call.rank(input)? + axes.len();
    let axes = axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = input.shape().unwrap_or_default().iter().enumerate();
    let mut shape = Vec::with_capacity(rank);
    let mut row_axis = None;
    for place in 0..rank {
        if axes.contains(&place) {
            shape.push(Size::Known(1));
            continue;
        }
        let (old_place, size) = old.next().ok_or("adds an axis twice")?;
        if input.row_axis() == Some(old_place) {
            row_axis = Some(place);
        }
        shape.push(*size);
    }
    Ok(vec![match row_axis {
        Some(axis) => Value::rows(axis, shape),
        None => Value::shared(shape),
    }])
}

pub(super) fn transpose(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    let rank = call.rank(input)?;
    let order = match call.ints("perm") {
        Some(order) => order.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        return Err("names another number of axes than there are".to_owned());
    }
    let old = input.shape().unwrap_or_default();
    let shape: Vec<Size> = order.iter().map(|axis| old[*axis]).collect();
    match input.row_axis() {
        None if input.is_count() => Ok(vec![input.clone()]),
        None => Ok(vec![Value::shared(shape)]),
        Some(row_axis) => {
            let moved =
                order.iter().position(|axis| *axis == row_axis).ok_or("loses the axis of the rows")?;
            Ok(vec![Value::rows(moved, shape)])
        }
    }
}

pub(super) fn expand(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let target = call.required(1)?.elements().ok_or("computes its shape at run time")?;
    let source = input.shape().ok_or("has an input of unknown shape")?;
    let rank = source.len().max(target.len());
    let mut shape = vec![Size::Known(1); rank];
    for (sizes, offset) in [(source, rank - source.len()), (target, rank - target.len())] {
        for (place, size) in sizes.iter().enumerate() {
            let known = shape[place + offset];
            let mixes =
                |one: Size, other: Size| one == Size::Rows && other != Size::Rows && other != Size::Known(1);
            if mixes(known, *size) || mixes(*size, known) {
                return Err("stretches the axis of the rows".to_owned());
            }
            shape[place + offset] = stretched(known, *size);
        }
    }
    with_rows(shape)
}

/// A value that has the rows where its shape says so.
fn with_rows(shape: Vec<Size>) -> Outcome {
    let mut rows = shape.iter().enumerate().filter(|(_, size)| **size == Size::Rows).map(|(place, _)| place);
    match (rows.next(), rows.next()) {
        (None, _) => Ok(vec![Value::shared(shape)]),
        (Some(axis), None) => Ok(vec![Value::rows(axis, shape)]),
        (Some(_), Some(_)) => Err("makes a value that has the rows along two axes".to_owned()),
    }
}

pub(super) fn tile(call: &Call<'_>) -> Outcome {
    let input = call.required(0)?;
    if input.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    let repeats = call.required(1)?.elements().ok_or("computes its repeats at run time")?;
    let source = input.shape().ok_or("has an input of unknown shape")?;
    if repeats.len() != source.len() {
        return Err("has another number of repeats than axes".to_owned());
    }
    let mut shape = Vec::with_capacity(source.len());
    for (size, repeat) in source.iter().zip(repeats) {
        shape.push(match (size, repeat) {
            (size, Size::Known(1)) => *size,
            (Size::Known(1), repeat) => *repeat,
            (Size::Rows, _) | (_, Size::Rows) => return Err("repeats along the axis of the rows".to_owned()),
            (Size::Known(size), Size::Known(repeat)) => {
                size.checked_mul(*repeat).map_or(Size::Other, Size::Known)
            }
            _ => Size::Other,
        });
    }
    with_rows(shape)
}

pub(super) fn constant_of_shape(call: &Call<'_>) -> Outcome {
    let target = call.required(0)?.elements().ok_or("computes its shape at run time")?.to_vec();
    // A list of equal numbers, as exporters make to compute shapes with.
    if let ([Size::Known(length)], Some([value])) = (target.as_slice(), call.tensor_ints("value").as_deref())
        && let Ok(length @ 0..=64) = usize::try_from(*length)
    {
        return Ok(vec![Value::sizes(vec![Size::Known(*value); length], false)]);
    }
    with_rows(target)
}

/// Numbers up to a limit, such as the positions of a sequence.
pub(super) fn range(call: &Call<'_>) -> Outcome {
    if call.inputs.iter().flatten().any(|input| !input.is_shared()) {
        return Err("counts the rows".to_owned());
    }
    Ok(vec![Value::shared(vec![Size::Other])])
}

/// A product of matrices; `second` is the input that is the second factor, `of_first` those that scale the first one.
pub(super) fn mat_mul(call: &Call<'_>, second: usize, of_first: &[usize]) -> Outcome {
    let (left, right) = (call.required(0)?, call.required(second)?);
    if left.is_count() || right.is_count() {
        return Err("computes with the number of rows".to_owned());
    }
    for (place, input) in call.inputs.iter().enumerate() {
        let Some(input) = input else { continue };
        let is_factor = place == 0 || place == second;
        if !is_factor && (!input.is_shared() || of_first.contains(&place) && !input.is_single()) {
            return Err("may have a scale for each row".to_owned());
        }
    }
    let (left_rank, right_rank) = (call.rank(left)?, call.rank(right)?);
    if left_rank < 2 || right_rank < 1 {
        return Err("multiplies a vector".to_owned());
    }
    let (left_shape, right_shape) = (left.shape().unwrap_or_default(), right.shape().unwrap_or_default());
    if right_rank == 1 {
        if right.row_axis().is_some() || left.row_axis() == Some(left_rank - 1) {
            return Err("adds up over the rows".to_owned());
        }
        let shape = left_shape[..left_rank - 1].to_vec();
        return Ok(vec![match left.row_axis() {
            Some(axis) => Value::rows(axis, shape),
            None => Value::shared(shape),
        }]);
    }
    let rank = left_rank.max(right_rank);
    let shifted = |value: &Value, own: usize| value.row_axis().map(|axis| axis + rank - own);
    let (left_axis, right_axis) = (shifted(left, left_rank), shifted(right, right_rank));
    if left_axis == Some(rank - 1) || right_axis == Some(rank - 2) {
        return Err("adds up over the rows".to_owned());
    }
    let row_axis = match (left_axis, right_axis) {
        (Some(one), Some(other)) if one == other && one < rank - 2 => Some(one),
        (Some(_), Some(_)) => return Err("multiplies every row with every other".to_owned()),
        (one, other) => one.or(other),
    };
    let at = |shape: &[Size], place: usize| {
        (place + shape.len()).checked_sub(rank).map_or(Size::Known(1), |place| shape[place])
    };
    let mut shape: Vec<Size> =
        (0..rank - 2).map(|place| stretched(at(left_shape, place), at(right_shape, place))).collect();
    shape.push(left_shape[left_rank - 2]);
    shape.push(right_shape[right_rank - 1]);
    if let Some(axis) = row_axis
        && axis < rank - 2
    {
        let sizes = [at(left_shape, axis), at(right_shape, axis)];
        if sizes.iter().any(|size| *size != Size::Rows && *size != Size::Known(1)) {
            return Err("combines rows with a factor that has a size of its own along their axis".to_owned());
        }
    }
    Ok(vec![match row_axis {
        Some(axis) => Value::rows(axis, shape),
        None => Value::shared(shape),
    }])
}

pub(super) fn gemm(call: &Call<'_>) -> Outcome {
    let input = call.rows(0)?;
    call.rest_shared(1)?;
    let wanted = if call.int("transA", 0) == 0 { 0 } else { 1 };
    if input.row_axis() != Some(wanted) || call.rank(input)? != 2 {
        return Err("adds up over the rows".to_owned());
    }
    if let Some(bias) = call.input(2) {
        let shape = bias.shape().ok_or("has an input of unknown shape")?;
        if shape.len() > 1 && shape[0] != Size::Known(1) {
            return Err("adds a value that has a size of its own along the axis of the rows".to_owned());
        }
    }
    let columns = if call.int("transB", 0) == 0 { 1 } else { 0 };
    let weights = call.required(1)?.shape().and_then(|shape| shape.get(columns).copied());
    Ok(vec![Value::rows(0, vec![Size::Rows, weights.unwrap_or(Size::Other)])])
}
