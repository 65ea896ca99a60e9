//! The `parameters` objects of requests. Every parameter that we know has a meaning or is refused; a name that we do
//! not know is refused, so that a misspelt one never passes unseen.

use std::{borrow::Cow, num::NonZeroUsize, time::Duration};

use crate::{
    json::Cursor,
    limits::shown,
    request_error::{Part, RequestError},
};

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number; wide enough for every 64-bit number, with or without sign.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
}

/// The parameters of a request as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestParameters {
    /// Outputs that do not say otherwise are wanted as binary data.
    pub binary_data_output: bool,
    /// How long the caller is willing to wait.
    pub timeout: Option<Duration>,
    /// A stream marks the last answer to each request (gRPC only).
    pub enable_empty_final_response: bool,
}

/// The parameters of an input.
#[derive(Debug, Clone, Default)]
pub(crate) struct InputParameters {
    pub(crate) binary_data_size: Option<u64>,
}

/// The parameters of a requested output.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutputParameters {
    pub(crate) binary_data: Option<bool>,
    pub(crate) classification: Option<NonZeroUsize>,
}

/// The names seen so far in one object. Only known names come in, so that it stays short.
#[derive(Debug, Default)]
pub(crate) struct Seen<'a>(Vec<Cow<'a, str>>);

impl<'a> Seen<'a> {
    /// Notes a parameter; an error when it was there already.
    pub(crate) fn note(&mut self, part: &dyn Fn() -> Part, name: Cow<'a, str>) -> Result<(), RequestError> {
        if self.0.contains(&name) {
            return Err(RequestError::DuplicateMember { part: part(), member: shown(&name) });
        }
        self.0.push(name);
        Ok(())
    }
}

/// Reads a `parameters` object at the cursor; `null` counts as empty.
pub(crate) fn read_parameters<'a>(
    cursor: &mut Cursor<'a>,
    part: &dyn Fn() -> Part,
    mut set: impl FnMut(&str, ParameterValue<'a>) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    if cursor.take_word("null") {
        return Ok(());
    }
    cursor.expect(b'{', "an object of parameters")?;
    let mut seen = Seen::default();
    let mut first = true;
    while let Some(name) = cursor.next_member(&mut first)? {
        let value = read_value(cursor)?;
        set(&name, value)?;
        seen.note(part, name)?;
    }
    Ok(())
}

fn read_value<'a>(cursor: &mut Cursor<'a>) -> Result<ParameterValue<'a>, RequestError> {
    if cursor.peek() == Some(b'"') {
        return Ok(ParameterValue::Text(cursor.string("a string")?));
    }
    if cursor.take_word("true") {
        return Ok(ParameterValue::Bool(true));
    }
    if cursor.take_word("false") {
        return Ok(ParameterValue::Bool(false));
    }
    let Some(text) = cursor.number() else {
        return Err(cursor.unexpected("a string, a number, true or false").into());
    };
    let value = match text.parse::<i128>() {
        Ok(value) => ParameterValue::Integer(value),
        // A scanned number always parses; one too large for a float is as useless as no number.
        Err(_) => ParameterValue::Float(text.parse().unwrap_or(f64::INFINITY)),
    };
    Ok(value)
}

// === what each parameter must be ===

struct Parameter<'p, 'a> {
    part: &'p dyn Fn() -> Part,
    name: &'p str,
    value: ParameterValue<'a>,
}

impl Parameter<'_, '_> {
    fn refuse(&self, expected: &'static str) -> RequestError {
        RequestError::ParameterValue { part: (self.part)(), parameter: shown(self.name), expected }
    }

    fn unsupported(&self, advice: &'static str) -> RequestError {
        RequestError::UnsupportedParameter { part: (self.part)(), parameter: shown(self.name), advice }
    }

    fn unknown(&self, known: &'static str) -> RequestError {
        RequestError::UnknownParameter { part: (self.part)(), parameter: shown(self.name), known }
    }

    fn bool(&self) -> Result<bool, RequestError> {
        match self.value {
            ParameterValue::Bool(value) => Ok(value),
            _ => Err(self.refuse("true or false")),
        }
    }

    fn count(&self) -> Result<u64, RequestError> {
        match self.value {
            ParameterValue::Integer(value) => u64::try_from(value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.refuse("a whole number, 0 or more"))
    }
}

const NO_SHARED_MEMORY: &str = "send the data in the request";
const NO_SEQUENCES: &str = "models here keep no state between requests";
const NO_PRIORITY: &str = "all requests of a model wait in one queue; leave it out or 0";

impl RequestParameters {
    pub(crate) const KNOWN: &'static str = "binary_data_output, timeout, priority, sequence_id, sequence_start, sequence_end, triton_enable_empty_final_response";

    /// Takes one parameter of the request as a whole.
    pub(crate) fn set(&mut self, name: &str, value: ParameterValue<'_>) -> Result<(), RequestError> {
        let parameter = Parameter { part: &|| Part::Request, name, value };
        match name {
            "binary_data_output" => self.binary_data_output = parameter.bool()?,
            "timeout" => {
                // Clients write 0 for "no timeout".
                let microseconds = parameter.count()?;
                self.timeout = (microseconds > 0).then(|| Duration::from_micros(microseconds));
            }
            "priority" if parameter.count()? == 0 => {}
            "priority" => return Err(parameter.unsupported(NO_PRIORITY)),
            "sequence_id" => match &parameter.value {
                ParameterValue::Integer(0) => {}
                ParameterValue::Text(text) if text.is_empty() => {}
                ParameterValue::Integer(_) | ParameterValue::Text(_) => {
                    return Err(parameter.unsupported(NO_SEQUENCES));
                }
                _ => return Err(parameter.refuse("a whole number or text")),
            },
            "sequence_start" | "sequence_end" if !parameter.bool()? => {}
            "sequence_start" | "sequence_end" => return Err(parameter.unsupported(NO_SEQUENCES)),
            "triton_enable_empty_final_response" => self.enable_empty_final_response = parameter.bool()?,
            _ => return Err(parameter.unknown(Self::KNOWN)),
        }
        Ok(())
    }
}

impl InputParameters {
    /// Takes one parameter of an input.
    pub(crate) fn set(
        &mut self,
        part: &dyn Fn() -> Part,
        name: &str,
        value: ParameterValue<'_>,
    ) -> Result<(), RequestError> {
        let parameter = Parameter { part, name, value };
        match name {
            "binary_data_size" => self.binary_data_size = Some(parameter.count()?),
            "shared_memory_region" | "shared_memory_byte_size" | "shared_memory_offset" => {
                return Err(parameter.unsupported(NO_SHARED_MEMORY));
            }
            _ => return Err(parameter.unknown("binary_data_size")),
        }
        Ok(())
    }
}

impl OutputParameters {
    /// Takes one parameter of a requested output.
    pub(crate) fn set(
        &mut self,
        part: &dyn Fn() -> Part,
        name: &str,
        value: ParameterValue<'_>,
    ) -> Result<(), RequestError> {
        let parameter = Parameter { part, name, value };
        match name {
            "binary_data" => self.binary_data = Some(parameter.bool()?),
            "classification" => {
                let classes = usize::try_from(parameter.count()?);
                let classes = classes.map_err(|_| parameter.refuse("a number of classes"))?;
                self.classification = NonZeroUsize::new(classes);
            }
            "shared_memory_region" | "shared_memory_byte_size" | "shared_memory_offset" => {
                return Err(parameter.unsupported(NO_SHARED_MEMORY));
            }
            _ => return Err(parameter.unknown("binary_data, classification")),
        }
        Ok(())
    }
}
