//! Whole columns from the type of a file into the type of a schema. `None` says that there is no such conversion.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field};

use super::cell::{self, NumberCell};
use crate::error::DataError;
use crate::schema::{ColumnSpec, ColumnType};

const SHAPE: &str = "shape";

/// A value that does not fit.
pub(super) enum Misfit {
    Infinite,
    Value { value: String, expected: String },
}

type Hear<'a> = &'a mut dyn FnMut(usize, Misfit) -> Result<(), DataError>;

/// The Arrow field of a typed column.
pub(super) fn field(spec: &ColumnSpec) -> Field {
    match spec.kind {
        ColumnType::Number => Field::new(&spec.name, DataType::Float64, true),
        ColumnType::Category | ColumnType::Text => Field::new(&spec.name, DataType::Utf8, true),
        ColumnType::Image => image_field(&spec.name, &spec.shape),
    }
}

/// The Arrow field of images; the shape of one stands in its metadata.
pub(crate) fn image_field(name: &str, shape: &[usize]) -> Field {
    let text = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let length = i32::try_from(shape.iter().product::<usize>()).unwrap_or(i32::MAX);
    Field::new(name, DataType::FixedSizeList(item(), length), false)
        .with_metadata(HashMap::from([(SHAPE.to_owned(), text)]))
}

/// The shape that [`image_field`] wrote; one dimension for other lists of fixed length.
pub(crate) fn shape_of(field: &Field) -> Option<Vec<usize>> {
    let DataType::FixedSizeList(_, length) = field.data_type() else {
        return None;
    };
    let length = usize::try_from(*length).ok()?;
    let told = field
        .metadata()
        .get(SHAPE)
        .and_then(|text| text.split(',').map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>());
    match told {
        Some(shape) if shape.iter().product::<usize>() == length => Some(shape),
        _ => Some(vec![length]),
    }
}

/// Images from their values, row after row. The values must be a multiple of the shape's product.
pub(crate) fn image_array(values: Vec<f32>, length: usize) -> Option<ArrayRef> {
    let values = Arc::new(Float32Array::from(values));
    let array = FixedSizeListArray::try_new(item(), i32::try_from(length).ok()?, values, None).ok()?;
    Some(Arc::new(array))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

pub(super) fn numbers(raw: &ArrayRef, hear: Hear<'_>) -> Result<Option<ArrayRef>, DataError> {
    if let Some(texts) = text_array(raw) {
        let texts = texts.as_string::<i32>();
        let mut builder = Float64Builder::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            match text.map_or(NumberCell::Missing, cell::number) {
                NumberCell::Missing => builder.append_null(),
                NumberCell::Number(number) => {
                    if number.is_infinite() {
                        hear(at, Misfit::Infinite)?;
                    }
                    builder.append_value(number);
                }
                NumberCell::Other => {
                    let value = text.unwrap_or_default().to_owned();
                    hear(at, Misfit::Value { value, expected: "a number".to_owned() })?;
                    builder.append_null();
                }
            }
        }
        return Ok(Some(Arc::new(builder.finish())));
    }
    let Some(numbers) = number_array(raw) else {
        return Ok(None);
    };
    let numbers = numbers.as_primitive::<Float64Type>();
    if numbers.null_count() == 0 && numbers.values().iter().all(|number| number.is_finite()) {
        return Ok(Some(Arc::new(numbers.clone())));
    }
    let mut builder = Float64Builder::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        if number.is_some_and(f64::is_infinite) {
            hear(at, Misfit::Infinite)?;
        }
        builder.append_option(number.filter(|number| !number.is_nan()));
    }
    Ok(Some(Arc::new(builder.finish())))
}

pub(super) fn categories(raw: &ArrayRef) -> Option<ArrayRef> {
    let mut builder = StringBuilder::new();
    if let Some(texts) = text_array(raw) {
        for text in texts.as_string::<i32>() {
            builder.append_option(text.and_then(cell::category));
        }
    } else if let DataType::Boolean = raw.data_type() {
        for truth in raw.as_boolean() {
            builder.append_option(truth.map(|truth| if truth { "true" } else { "false" }));
        }
    } else if raw.data_type().is_integer() {
        return cast(raw, &DataType::Utf8);
    } else {
        for number in number_array(raw)?.as_primitive::<Float64Type>() {
            builder.append_option(number.and_then(cell::category_of_number));
        }
    }
    Some(Arc::new(builder.finish()))
}

pub(super) fn texts(raw: &ArrayRef) -> Option<ArrayRef> {
    let Some(texts) = text_array(raw) else {
        return cast(raw, &DataType::Utf8);
    };
    let mut builder = StringBuilder::new();
    for text in texts.as_string::<i32>() {
        builder.append_option(text.filter(|text| !text.trim().is_empty()));
    }
    Some(Arc::new(builder.finish()))
}

pub(super) fn images(raw: &ArrayRef, shape: &[usize], hear: Hear<'_>) -> Result<Option<ArrayRef>, DataError> {
    let length = shape.iter().product::<usize>();
    let mut gathered = Vec::new();
    for at in 0..raw.len() {
        let Some(values) = list_row(raw, at).and_then(|row| cast(&row, &DataType::Float32)) else {
            if raw.is_null(at) && is_list(raw.data_type()) {
                let value = "nothing".to_owned();
                hear(at, Misfit::Value { value, expected: format!("{length} numbers") })?;
                gathered.resize(gathered.len() + length, f32::NAN);
                continue;
            }
            return Ok(None);
        };
        let values = values.as_primitive::<Float32Type>();
        let whole = values.null_count() == 0 && !values.values().iter().any(|value| value.is_nan());
        if values.len() == length && whole {
            if values.values().iter().any(|value| value.is_infinite()) {
                hear(at, Misfit::Infinite)?;
            }
            gathered.extend_from_slice(values.values());
            continue;
        }
        let value = if whole {
            format!("a list of {}", values.len())
        } else {
            "a list with missing values".to_owned()
        };
        hear(at, Misfit::Value { value, expected: format!("{length} numbers") })?;
        gathered.resize(gathered.len() + length, f32::NAN);
    }
    Ok(image_array(gathered, length))
}

/// The numbers of one row.
pub(crate) fn list_row(raw: &ArrayRef, at: usize) -> Option<ArrayRef> {
    if raw.is_null(at) {
        return None;
    }
    match raw.data_type() {
        DataType::FixedSizeList(..) => Some(raw.as_fixed_size_list().value(at)),
        DataType::List(_) => Some(raw.as_list::<i32>().value(at)),
        DataType::LargeList(_) => Some(raw.as_list::<i64>().value(at)),
        _ => None,
    }
}

pub(crate) fn is_list(kind: &DataType) -> bool {
    match kind {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_numeric()
        }
        _ => false,
    }
}

/// The column as text, where the file has text.
pub(crate) fn text_array(raw: &ArrayRef) -> Option<ArrayRef> {
    match raw.data_type() {
        DataType::Utf8 => Some(Arc::clone(raw)),
        DataType::LargeUtf8 | DataType::Utf8View => cast(raw, &DataType::Utf8),
        DataType::Dictionary(_, values) if values.is_string() => cast(raw, &DataType::Utf8),
        _ => None,
    }
}

/// The column as numbers, where the file has numbers or truth values.
pub(crate) fn number_array(raw: &ArrayRef) -> Option<ArrayRef> {
    match raw.data_type() {
        DataType::Float64 => Some(Arc::clone(raw)),
        DataType::Boolean | DataType::Null => cast(raw, &DataType::Float64),
        kind if kind.is_numeric() => cast(raw, &DataType::Float64),
        DataType::Dictionary(_, values) if values.is_numeric() => cast(raw, &DataType::Float64),
        _ => None,
    }
}

fn cast(raw: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    if !can_cast_types(raw.data_type(), to) {
        return None;
    }
    cast_with_options(raw, to, &strict).ok()
}
