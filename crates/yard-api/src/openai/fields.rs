//! The fields of a JSON object, taken out one after the other.

use std::{fmt, ops::RangeInclusive};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    error::ApiError,
    parameters::{Parameter, Support},
};

/// Whole numbers above this are not exact when written with a fraction.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// An object of which each field is known by name; what is `null`, ignored or refused is not in it any more.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Where the object stands, with a dot at its end: `messages[2].`; nothing for the body itself.
    place: String,
    known: &'static [Parameter],
    values: Map<String, Value>,
}

/// The members of the body's object as they stand there, so that a name that comes twice is seen.
struct Members(Vec<(String, Value)>);

/// Reads [`Members`].
struct MembersVisitor;

// === impl Fields ===

impl Fields {
    /// The fields of a request's body.
    pub(crate) fn of_body(body: &[u8], known: &'static [Parameter]) -> Result<Self, ApiError> {
        let members: Members = serde_json::from_slice(body).map_err(|error| match error.is_data() {
            // Its message would repeat what is there instead, however long that is.
            true => ApiError::body("the body must be a JSON object".to_owned()),
            false => ApiError::body(format!("the body is not JSON: {error}")),
        })?;
        let mut values = Map::with_capacity(members.0.len());
        for (name, value) in members.0 {
            if !known.iter().any(|parameter| parameter.name == name) {
                return Err(ApiError::unknown("", &name));
            }
            if values.contains_key(&name) {
                return Err(ApiError::invalid(&name, format!("'{name}' is given twice")));
            }
            values.insert(name, value);
        }
        Self::new(String::new(), values, known)
    }

    /// The fields of an object inside of the body; `accepts` says what belongs where it stands.
    pub(crate) fn of_object(
        place: &str,
        value: Value,
        accepts: &str,
        known: &'static [Parameter],
    ) -> Result<Self, ApiError> {
        match value {
            Value::Object(values) => Self::new(format!("{place}."), values, known),
            _ => Err(ApiError::must_be(place, accepts)),
        }
    }

    fn new(place: String, values: Map<String, Value>, known: &'static [Parameter]) -> Result<Self, ApiError> {
        let mut kept = Map::with_capacity(values.len());
        for (name, value) in values {
            let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
                return Err(ApiError::unknown(&place, &name));
            };
            match parameter.support {
                _ if value.is_null() => {}
                Support::Works => drop(kept.insert(name, value)),
                Support::Ignored(_) => {}
                Support::Refused(_) if parameter.lets_through(&value) => {}
                Support::Refused(why) => return Err(ApiError::unsupported(&format!("{place}{name}"), why)),
            }
        }
        Ok(Self { place, known, values: kept })
    }

    /// The full name of a field, as errors call it.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// What belongs into a field.
    pub(crate) fn accepts(&self, name: &str) -> &'static str {
        let parameter = self.known.iter().find(|parameter| parameter.name == name);
        parameter.map_or("left out", |parameter| parameter.accepts)
    }

    /// A field has a value that it cannot have.
    pub(crate) fn invalid(&self, name: &str) -> ApiError {
        ApiError::must_be(&self.path(name), self.accepts(name))
    }

    /// A field that must be there.
    pub(crate) fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, ApiError> {
        value.ok_or_else(|| ApiError::missing(&self.path(name), self.accepts(name)))
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A field that nobody has taken.
    pub(crate) fn first_left(&self) -> Option<&str> {
        self.values.keys().next().map(String::as_str)
    }

    /// Anything.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        debug_assert!(self.known.iter().any(|parameter| parameter.name == name), "{name} is in no table");
        // The order of what remains says nothing: only its first wrong field is told.
        self.values.remove(name)
    }

    fn take_as<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.invalid(name))
    }

    /// True or false.
    pub(crate) fn bool(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.take_as(name, |value| value.as_bool())
    }

    /// A number within a range.
    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f32>, ApiError> {
        self.take_as(name, |value| number_in(&value, &range))
    }

    /// A whole number within a range.
    pub(crate) fn whole(&mut self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        self.take_as(name, |value| whole_in(&value, &range))
    }

    /// A whole number from a smallest value on, as large as it may be.
    pub(crate) fn count(&mut self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, ApiError> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.take_as(name, |value| u32::try_from(whole_in(&value, &range)?).ok())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        self.take_as(name, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// A text that is not empty.
    pub(crate) fn filled_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.text(name)? {
            Some(text) if text.is_empty() => Err(self.invalid(name)),
            text => Ok(text),
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        self.take_as(name, |value| match value {
            Value::Object(members) => Some(members),
            _ => None,
        })
    }

    /// A list.
    pub(crate) fn list(&mut self, name: &str, at_most: usize) -> Result<Option<Vec<Value>>, ApiError> {
        self.take_as(name, |value| match value {
            Value::Array(values) if values.len() <= at_most => Some(values),
            _ => None,
        })
    }

    /// The fields of an object inside of this one.
    pub(crate) fn fields(
        &mut self,
        name: &str,
        known: &'static [Parameter],
    ) -> Result<Option<Self>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        Self::of_object(&self.path(name), value, self.accepts(name), known).map(Some)
    }
}

/// A number within a range.
pub(crate) fn number_in(value: &Value, range: &RangeInclusive<f64>) -> Option<f32> {
    let number = value.as_f64().filter(|number| range.contains(number))?;
    Some(number as f32)
}

/// A whole number within a range; `2.0` is one.
pub(crate) fn whole_in(value: &Value, range: &RangeInclusive<i64>) -> Option<i64> {
    let number = value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= EXACT_FLOAT).then_some(number as i64)
    })?;
    range.contains(&number).then_some(number)
}

/// The number of a token.
pub(crate) fn token_id(value: &Value) -> Option<u32> {
    u32::try_from(whole_in(value, &(0..=i64::from(u32::MAX)))?).ok()
}

// === impl Members ===

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        let mut read = Vec::new();
        while let Some(member) = members.next_entry()? {
            read.push(member);
        }
        Ok(Members(read))
    }
}
