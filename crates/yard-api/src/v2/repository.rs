//! The repository extension: listing, loading and unloading models.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ParameterValue, parameters::read_parameters};
use crate::{
    json::Cursor,
    limits::shown,
    request_error::{Part, RequestError},
};

/// One line of the answer of `/v2/repository/index`, which is a bare list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryEntry {
    /// The model.
    pub name: String,
    /// The version.
    pub version: String,
    /// Where it stands.
    pub state: ModelState,
    /// Why it is not ready; empty when it is.
    pub reason: String,
}

/// Where a version stands, in the words of the repository extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ModelState {
    /// Not looked at yet.
    Unknown,
    /// Takes requests.
    Ready,
    /// Takes none.
    Unavailable,
    /// Is being loaded.
    Loading,
    /// Is being unloaded.
    Unloading,
}

impl ModelState {
    /// The state as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Ready => "READY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Loading => "LOADING",
            Self::Unloading => "UNLOADING",
        }
    }
}

/// Reads the body of `POST /v2/repository/index`, which may be empty: whether only models that take requests are
/// wanted.
pub fn read_index_request(body: &Bytes) -> Result<bool, RequestError> {
    let mut ready = false;
    read_object(body, "ready", |cursor| {
        ready = cursor.take_word("true");
        if ready || cursor.take_word("false") {
            return Ok(());
        }
        Err(cursor.unexpected("true or false").into())
    })?;
    Ok(ready)
}

/// Checks the body of a load or unload, which may be empty. Nothing that it can say changes what is loaded: overrides
/// of the configuration or of files are refused.
pub fn check_load_request(body: &Bytes) -> Result<(), RequestError> {
    read_object(body, "parameters", |cursor| {
        read_parameters(cursor, &|| Part::Request, |name, value| check_load_parameter(name, &value))
    })
}

/// Checks one parameter of a load or unload.
pub(crate) fn check_load_parameter(name: &str, value: &ParameterValue<'_>) -> Result<(), RequestError> {
    let (part, parameter) = (Part::Request, shown(name));
    match (name, value) {
        // Models here do not depend on one another.
        ("unload_dependents", ParameterValue::Bool(_)) => Ok(()),
        ("unload_dependents", _) => {
            Err(RequestError::ParameterValue { part, parameter, expected: "true or false" })
        }
        _ if name == "config" || name.starts_with("file:") => Err(RequestError::UnsupportedParameter {
            part,
            parameter,
            advice: "models are loaded as they were registered; push a new version instead",
        }),
        _ => Err(RequestError::UnknownParameter { part, parameter, known: "unload_dependents" }),
    }
}

/// Reads an object that has at most this one member.
fn read_object<'a>(
    body: &'a Bytes,
    known: &'static str,
    mut read: impl FnMut(&mut Cursor<'a>) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let mut cursor = Cursor::new(body);
    if cursor.peek().is_none() {
        return Ok(());
    }
    let (mut first, mut seen) = (true, false);
    cursor.expect(b'{', "an object")?;
    while let Some(member) = cursor.next_member(&mut first)? {
        if member != known {
            return Err(RequestError::UnknownMember { part: Part::Request, member: shown(&member), known });
        }
        if std::mem::replace(&mut seen, true) {
            return Err(RequestError::DuplicateMember { part: Part::Request, member: shown(&member) });
        }
        read(&mut cursor)?;
    }
    Ok(cursor.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_requests_may_be_empty() {
        let cases = [
            ("", Ok(false)),
            ("{}", Ok(false)),
            (r#"{"ready":true}"#, Ok(true)),
            (r#" {"ready" : false} "#, Ok(false)),
        ];
        for (body, expected) in cases {
            assert_eq!(read_index_request(&Bytes::from(body)), expected, "{body}");
        }
        for body in ["[]", r#"{"ready":1}"#, r#"{"redy":true}"#, r#"{"ready":true,"ready":true}"#, "{} {}"] {
            assert!(read_index_request(&Bytes::from(body)).is_err(), "{body}");
        }
    }

    #[test]
    fn overrides_of_what_is_loaded_are_refused() {
        for body in ["", "{}", r#"{"parameters":{}}"#, r#"{"parameters":{"unload_dependents":false}}"#] {
            assert_eq!(check_load_request(&Bytes::from(body)), Ok(()), "{body}");
        }
        for (body, message) in [
            (r#"{"parameters":{"config":"{}"}}"#, "parameter 'config' of the request is not supported"),
            (
                r#"{"parameters":{"file:1/model.onnx":"AA=="}}"#,
                "parameter 'file:1/model.onnx' of the request is not supported",
            ),
            (r#"{"parameters":{"x":1}}"#, "the request has an unknown parameter 'x'"),
            (r#"{"model":1}"#, "the request has an unknown member 'model'"),
        ] {
            let error = check_load_request(&Bytes::from(body)).unwrap_err().to_string();
            assert!(error.starts_with(message), "{body}: {error}");
        }
    }
}
