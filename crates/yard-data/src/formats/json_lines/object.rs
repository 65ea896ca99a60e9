//! One object, and columns made of the values of one key.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Float64Builder, StringBuilder};
use arrow_schema::{DataType, Field};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::typed::arrays::{image_array, image_field};

/// Keys in the order of the line, each there once.
pub(super) struct Object(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object on each line")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries: Vec<(String, Value)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key `{key}` is there twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// What the values of a key have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only `null` so far.
    Null,
    Bool,
    Number,
    Text,
    /// Numbers in lists, all of this shape.
    Block(Vec<usize>),
}

impl Kind {
    pub(super) fn of(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Bool(_) => Ok(Self::Bool),
            Value::Number(_) => Ok(Self::Number),
            Value::String(_) => Ok(Self::Text),
            Value::Array(_) => {
                let mut shape = Vec::new();
                let mut inner = value;
                while let Value::Array(items) = inner {
                    shape.push(items.len());
                    match items.first() {
                        Some(first) => inner = first,
                        None => return Err("a list is empty; lists must be numbers of one shape".to_owned()),
                    }
                }
                let mut flat = Vec::new();
                flatten(value, &shape, &mut flat).ok_or(
                    "a list is ragged or holds more than numbers; lists must be numbers of one shape",
                )?;
                Ok(Self::Block(shape))
            }
            Value::Object(_) => {
                Err("an object is inside; make each of its values a key of the line".to_owned())
            }
        }
    }

    /// The kind that fits both.
    pub(super) fn join(&self, other: Self) -> Result<Self, String> {
        match (self, other) {
            (Self::Null, other) => Ok(other),
            (kind, Self::Null) => Ok(kind.clone()),
            (Self::Block(one), Self::Block(other)) if *one != other => {
                Err(format!("a list has the shape {other:?}, those before have {one:?}"))
            }
            (kind, other) if *kind == other => Ok(other),
            (Self::Block(_), _) | (_, Self::Block(_)) => {
                Err("some values are lists and some are not".to_owned())
            }
            _ => Ok(Self::Text),
        }
    }

    pub(super) fn field(&self, name: &str) -> Field {
        match self {
            Self::Null | Self::Text => Field::new(name, DataType::Utf8, true),
            Self::Bool => Field::new(name, DataType::Boolean, true),
            Self::Number => Field::new(name, DataType::Float64, true),
            // A missing list comes as NaN, which is refused where rows are read.
            Self::Block(shape) => image_field(name, shape),
        }
    }

    pub(super) fn builder(&self) -> Builder {
        match self {
            Self::Null | Self::Text => Builder::Text(StringBuilder::new()),
            Self::Bool => Builder::Bool(BooleanBuilder::new()),
            Self::Number => Builder::Number(Float64Builder::new()),
            Self::Block(shape) => Builder::Block { shape: shape.clone(), values: Vec::new() },
        }
    }
}

/// A column in the making.
pub(super) enum Builder {
    Bool(BooleanBuilder),
    Number(Float64Builder),
    Text(StringBuilder),
    Block { shape: Vec<usize>, values: Vec<f32> },
}

impl Builder {
    /// `None` where the value is not of the column's kind.
    pub(super) fn append(&mut self, value: &Value) -> Option<()> {
        match (self, value) {
            (Self::Bool(builder), Value::Bool(truth)) => builder.append_value(*truth),
            (Self::Bool(builder), Value::Null) => builder.append_null(),
            (Self::Number(builder), Value::Number(number)) => builder.append_option(number.as_f64()),
            (Self::Number(builder), Value::Null) => builder.append_null(),
            (Self::Text(builder), Value::String(text)) => builder.append_value(text),
            (Self::Text(builder), Value::Null) => builder.append_null(),
            (Self::Text(builder), Value::Bool(_) | Value::Number(_)) => {
                builder.append_value(value.to_string())
            }
            (Self::Block { shape, values }, Value::Array(_)) => flatten(value, shape, values)?,
            (Self::Block { shape, values }, Value::Null) => {
                values.resize(values.len() + shape.iter().product::<usize>(), f32::NAN);
            }
            _ => return None,
        }
        Some(())
    }

    /// Keys that were not in the line are missing.
    pub(super) fn fill_up_to(&mut self, rows: usize) {
        let there = match self {
            Self::Bool(builder) => builder.len(),
            Self::Number(builder) => builder.len(),
            Self::Text(builder) => builder.len(),
            Self::Block { shape, values } => values.len() / shape.iter().product::<usize>().max(1),
        };
        if there < rows {
            // `null` fits every column.
            self.append(&Value::Null);
        }
    }

    pub(super) fn finish(self) -> Option<ArrayRef> {
        match self {
            Self::Bool(mut builder) => Some(Arc::new(builder.finish())),
            Self::Number(mut builder) => Some(Arc::new(builder.finish())),
            Self::Text(mut builder) => Some(Arc::new(builder.finish())),
            Self::Block { shape, values } => image_array(values, shape.iter().product()),
        }
    }
}

/// Puts the numbers of nested lists behind each other; `None` unless they have that shape.
fn flatten(value: &Value, shape: &[usize], into: &mut Vec<f32>) -> Option<()> {
    match (value, shape.split_first()) {
        (Value::Number(number), None) => into.push(number.as_f64()? as f32),
        (Value::Array(items), Some((length, inner))) if items.len() == *length => {
            for item in items {
                flatten(item, inner, into)?;
            }
        }
        _ => return None,
    }
    Some(())
}
