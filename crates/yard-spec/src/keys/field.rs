//! What every type of a key can do: be read, written and described.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use yard_types::ModelName;

use super::{Allowed, TableReader};
use crate::error::{KeyPath, SpecError, quoted};

/// The longest text that is a value.
const MAX_TEXT: usize = 4096;

/// What a key or an element of a list can hold.
pub(crate) trait Field: Sized {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError>;

    /// The value as it is written; `None` where nothing is set.
    fn write(&self) -> Option<Value>;

    /// The type in words, for the reference.
    fn type_text() -> String;

    /// The sections of the reference for what stands below this key.
    fn sections(_path: &str, _sections: &mut Vec<Section>) {}

    /// Where an element of a list of these stands.
    fn element_path(list: &KeyPath, index: usize, _value: &Value) -> KeyPath {
        list.element(index)
    }
}

/// A table of keys.
pub(crate) trait Table: Sized {
    const NAMES: &'static [&'static str];

    fn read_keys(reader: &TableReader<'_>) -> Result<Self, SpecError>;
    fn write_keys(&self, table: &mut Map<String, Value>);
    fn doc() -> Vec<&'static str>;
    fn keys() -> Vec<KeyDoc>;
    fn sections_below(path: &str, sections: &mut Vec<Section>);
}

/// One key, for the reference.
pub(crate) struct KeyDoc {
    pub(crate) name: &'static str,
    pub(crate) doc: Vec<&'static str>,
    pub(crate) type_text: String,
    pub(crate) default: String,
    pub(crate) unit: &'static str,
    pub(crate) allowed: Allowed,
}

/// One word of a closed list, for the reference.
pub(crate) struct ChoiceDoc {
    pub(crate) name: &'static str,
    pub(crate) doc: Vec<&'static str>,
}

/// One section of the reference: a table, a list of words, or a table for one of them.
pub(crate) struct Section {
    pub(crate) path: String,
    pub(crate) doc: Vec<&'static str>,
    pub(crate) choices: Vec<ChoiceDoc>,
    pub(crate) keys: Vec<KeyDoc>,
}

/// A value in words, for a message.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text '{}'", quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

fn wrong_type<T: Field>(value: &Value, path: &KeyPath) -> SpecError {
    let name = T::type_text();
    SpecError::WrongType { path: path.clone(), expected: format!("a {name}"), found: found(value) }
}

fn in_range(number: f64, value: &Value, path: &KeyPath, allowed: Allowed) -> Result<(), SpecError> {
    if allowed.takes(number) {
        return Ok(());
    }
    Err(SpecError::NotAllowed { path: path.clone(), allowed: allowed.to_string(), found: value.to_string() })
}

// === impl Field for plain values ===

impl Field for bool {
    fn read(value: &Value, path: &KeyPath, _allowed: Allowed) -> Result<Self, SpecError> {
        value.as_bool().ok_or_else(|| SpecError::WrongType {
            path: path.clone(),
            expected: "true or false".to_owned(),
            found: found(value),
        })
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Bool(*self))
    }

    fn type_text() -> String {
        "true or false".to_owned()
    }
}

impl Field for f64 {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let number = value.as_f64().ok_or_else(|| wrong_type::<Self>(value, path))?;
        in_range(number, value, path, allowed)?;
        Ok(number)
    }

    fn write(&self) -> Option<Value> {
        // A number that JSON cannot hold becomes null, which no key takes: `check` then refuses it.
        Some(serde_json::Number::from_f64(*self).map_or(Value::Null, Value::Number))
    }

    fn type_text() -> String {
        "number".to_owned()
    }
}

impl Field for u64 {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let Some(number) = value.as_u64() else {
            return Err(match value.as_f64() {
                Some(number) if number < 0.0 || !allowed.takes(number) => {
                    let allowed = if allowed == Allowed::Any { Allowed::NotNegative } else { allowed };
                    SpecError::NotAllowed {
                        path: path.clone(),
                        allowed: allowed.to_string(),
                        found: value.to_string(),
                    }
                }
                _ => wrong_type::<Self>(value, path),
            });
        };
        // The bounds are far below 2^53, up to which this conversion is exact.
        in_range(number as f64, value, path, allowed)?;
        Ok(number)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::from(*self))
    }

    fn type_text() -> String {
        "whole number".to_owned()
    }
}

impl Field for usize {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let number = u64::read(value, path, allowed)?;
        Self::try_from(number).map_err(|_| wrong_type::<Self>(value, path))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::from(*self))
    }

    fn type_text() -> String {
        u64::type_text()
    }
}

impl Field for String {
    fn read(value: &Value, path: &KeyPath, _allowed: Allowed) -> Result<Self, SpecError> {
        let text = value.as_str().ok_or_else(|| wrong_type::<Self>(value, path))?;
        if text.is_empty() || text.len() > MAX_TEXT || text.contains('\0') {
            return Err(SpecError::NotAllowed {
                path: path.clone(),
                allowed: format!("a text of 1 to {MAX_TEXT} bytes without a zero byte"),
                found: found(value),
            });
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }

    fn type_text() -> String {
        "text".to_owned()
    }
}

impl Field for ModelName {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let text = String::read(value, path, allowed)?;
        text.parse().map_err(|_| SpecError::NotAllowed {
            path: path.clone(),
            allowed: "1 to 128 of the characters A-Z a-z 0-9 . _ - that start with a letter or digit"
                .to_owned(),
            found: found(value),
        })
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }

    fn type_text() -> String {
        "name".to_owned()
    }
}

/// Any value at all: what a search may put in the place of a key.
impl Field for Value {
    fn read(value: &Value, _path: &KeyPath, _allowed: Allowed) -> Result<Self, SpecError> {
        Ok(value.clone())
    }

    fn write(&self) -> Option<Value> {
        Some(self.clone())
    }

    fn type_text() -> String {
        "value".to_owned()
    }
}

// === impl Field for what holds others ===

impl<T: Field> Field for Option<T> {
    /// `null` is what programs write for a key that is not set.
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        if value.is_null() { Ok(None) } else { T::read(value, path, allowed).map(Some) }
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }

    fn type_text() -> String {
        T::type_text()
    }

    fn sections(path: &str, sections: &mut Vec<Section>) {
        T::sections(path, sections);
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let elements = value.as_array().ok_or_else(|| wrong_type::<Self>(value, path))?;
        let mut list = Self::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            list.push(T::read(element, &T::element_path(path, index, element), allowed)?);
        }
        Ok(list)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(T::write).collect()))
    }

    fn type_text() -> String {
        format!("list of {}s", T::type_text())
    }

    fn sections(path: &str, sections: &mut Vec<Section>) {
        T::sections(&format!("{path}[]"), sections);
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn read(value: &Value, path: &KeyPath, allowed: Allowed) -> Result<Self, SpecError> {
        let object = value.as_object().ok_or_else(|| wrong_type::<Self>(value, path))?;
        let mut map = Self::new();
        for (key, value) in object {
            map.insert(key.clone(), T::read(value, &path.key(key), allowed)?);
        }
        Ok(map)
    }

    fn write(&self) -> Option<Value> {
        let entries = self.iter().filter_map(|(key, value)| Some((key.clone(), value.write()?)));
        Some(Value::Object(entries.collect()))
    }

    fn type_text() -> String {
        format!("table of {}s", T::type_text())
    }

    fn sections(path: &str, sections: &mut Vec<Section>) {
        T::sections(&format!("{path}.NAME"), sections);
    }
}

impl<T: Table> Field for T {
    fn read(value: &Value, path: &KeyPath, _allowed: Allowed) -> Result<Self, SpecError> {
        T::read_keys(&TableReader::new(value, path, None, T::NAMES)?)
    }

    fn write(&self) -> Option<Value> {
        let mut table = Map::new();
        self.write_keys(&mut table);
        Some(Value::Object(table))
    }

    fn type_text() -> String {
        "table".to_owned()
    }

    fn sections(path: &str, sections: &mut Vec<Section>) {
        sections.push(Section { path: path.to_owned(), doc: T::doc(), choices: Vec::new(), keys: T::keys() });
        T::sections_below(path, sections);
    }
}
