//! TOML and JSON to one tree.
//!
//! JSON is not read straight into `serde_json::Value`: that rounds some numbers by one unit in the last place and
//! lets the last of two equal keys win. A specification is the record of a run, so neither may happen.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, value::RawValue};

use crate::error::{KeyPath, SpecError, quoted};

/// The longest text that is read.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting; a specification needs eight levels.
const MAX_DEPTH: usize = 32;

pub(crate) fn read_toml(text: &str) -> Result<Value, SpecError> {
    check_length(text)?;
    let table: toml::Table =
        toml::from_str(text).map_err(|error| SpecError::NotToml(error.to_string().trim_end().to_owned()))?;
    let mut object = Map::new();
    for (key, value) in table {
        let path = KeyPath::root().key(&key);
        object.insert(key, of_toml(value, &path)?);
    }
    Ok(Value::Object(object))
}

pub(crate) fn read_json(text: &str) -> Result<Value, SpecError> {
    check_length(text)?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| SpecError::NotJson(error.to_string()))?;
    of_json(raw, &KeyPath::root(), 0)
}

fn check_length(text: &str) -> Result<(), SpecError> {
    if text.len() > MAX_BYTES {
        return Err(SpecError::TooLong { bytes: text.len(), limit: MAX_BYTES });
    }
    Ok(())
}

fn of_toml(value: toml::Value, path: &KeyPath) -> Result<Value, SpecError> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::Number(finite(number, path, &number.to_string())?),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(date) => {
            return Err(SpecError::WrongType {
                path: path.clone(),
                expected: "a number, a text, true or false, a list or a table".to_owned(),
                found: format!("the date {date} (put quotes around a text)"),
            });
        }
        toml::Value::Array(elements) => {
            let mut list = Vec::with_capacity(elements.len());
            for (index, element) in elements.into_iter().enumerate() {
                list.push(of_toml(element, &path.element(index))?);
            }
            Value::Array(list)
        }
        toml::Value::Table(table) => {
            let mut object = Map::new();
            for (key, value) in table {
                let path = path.key(&key);
                object.insert(key, of_toml(value, &path)?);
            }
            Value::Object(object)
        }
    })
}

fn finite(number: f64, path: &KeyPath, text: &str) -> Result<Number, SpecError> {
    Number::from_f64(number).ok_or_else(|| SpecError::NotAllowed {
        path: path.clone(),
        allowed: "a finite number".to_owned(),
        found: quoted(text),
    })
}

fn of_json(raw: &RawValue, path: &KeyPath, depth: usize) -> Result<Value, SpecError> {
    if depth > MAX_DEPTH {
        return Err(SpecError::NotJson(format!("it is nested deeper than {MAX_DEPTH} levels")));
    }
    let not_json = |error: serde_json::Error| SpecError::NotJson(error.to_string());
    let text = raw.get().trim();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(text).map_err(not_json)?;
            let mut object = Map::new();
            for (key, value) in members.0 {
                let path = path.key(&key);
                let value = of_json(value, &path, depth + 1)?;
                if object.insert(key, value).is_some() {
                    return Err(SpecError::NotJson(format!("{path} is given twice")));
                }
            }
            Ok(Value::Object(object))
        }
        Some(b'[') => {
            let elements: Elements<'_> = serde_json::from_str(text).map_err(not_json)?;
            let mut list = Vec::with_capacity(elements.0.len());
            for (index, element) in elements.0.into_iter().enumerate() {
                list.push(of_json(element, &path.element(index), depth + 1)?);
            }
            Ok(Value::Array(list))
        }
        Some(b'-' | b'0'..=b'9') => {
            if let Ok(number) = text.parse::<u64>() {
                return Ok(Value::from(number));
            }
            if let Ok(number) = text.parse::<i64>() {
                return Ok(Value::from(number));
            }
            let number: f64 = text.parse().map_err(|_| SpecError::NotJson(format!("'{}'", quoted(text))))?;
            Ok(Value::Number(finite(number, path, text)?))
        }
        _ => serde_json::from_str(text).map_err(not_json),
    }
}

/// The members of an object in their order, not yet read.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// The elements of a list, not yet read.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members2;
        impl<'de> Visitor<'de> for Members2 {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Members2)
    }
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements2;
        impl<'de> Visitor<'de> for Elements2 {
            type Value = Elements<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Elements2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_give_one_tree() {
        let toml = read_toml("a = 1\nb = [0.1, 'x']\n[c]\nd = true\n").unwrap();
        let json = read_json(r#"{"a": 1, "b": [0.1, "x"], "c": {"d": true}}"#).unwrap();
        assert_eq!(toml, json);
    }

    #[test]
    fn what_is_not_one_clear_value_is_refused_with_its_place() {
        let cases = [
            (read_toml("a = inf"), "a must be a finite number, not inf"),
            (read_toml("a = [1.0, nan]"), "a[1] must be a finite number"),
            (read_toml("a.b = 2020-01-01"), "a.b must be a number"),
            (read_toml("a = "), "not valid TOML"),
            (read_json(r#"{"a": {"b": 1, "b": 2}}"#), "a.b is given twice"),
            (read_json(r#"{"a": 1e999}"#), "a must be a finite number"),
            (read_json("{"), "not valid JSON"),
            (read_json("{} {}"), "not valid JSON"),
            (read_json(r#"{"a": 1,}"#), "not valid JSON"),
            (read_json(&"x".repeat(MAX_BYTES + 1)), "at most 1048576 are read"),
            (read_json(&format!("{}{}", "[".repeat(40), "]".repeat(40))), "nested deeper than 32"),
        ];
        for (outcome, expected) in cases {
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains(expected), "{message} does not contain {expected}");
        }
    }

    #[test]
    fn numbers_keep_their_last_bit() {
        // serde_json's own quick parser reads some of these one unit off.
        for number in [0.1, 1e-4, 5e-324, 1.797_693_134_862_315_7e308, 0.000_123_456_789_012_345_67] {
            let read = read_json(&format!("[{number:e}]")).unwrap();
            assert_eq!(read[0].as_f64(), Some(number));
        }
        assert_eq!(read_json("[18446744073709551615]").unwrap()[0].as_u64(), Some(u64::MAX));
        assert_eq!(read_json("[-3]").unwrap()[0].as_i64(), Some(-3));
    }
}
