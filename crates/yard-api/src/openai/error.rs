//! What clients are told when something is wrong.

use serde::Serialize;
use yard_types::{Coded, ErrorCode};

use crate::limits::shown;

/// Why a request is refused: the caller must change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What is wrong and what would be right.
    pub message: String,
    /// The field that is meant, such as `messages[2].content`.
    pub param: Option<String>,
    /// What programs can tell it by.
    pub code: Option<&'static str>,
}

/// The body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetail,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorDetail {
    /// For people.
    pub message: String,
    /// The kind of failure, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The field that is meant.
    pub param: Option<String>,
    /// What programs can tell it by.
    pub code: Option<&'static str>,
}

// === impl ApiError ===

impl ApiError {
    /// The body is not what it should be as a whole.
    pub(crate) fn body(message: String) -> Self {
        Self { message, param: None, code: Some("invalid_json") }
    }

    /// A field has a value that it cannot have.
    pub(crate) fn invalid(param: &str, message: String) -> Self {
        Self { message, param: Some(param.to_owned()), code: Some("invalid_value") }
    }

    /// A field must be one of what `accepts` describes, and is not.
    pub(crate) fn must_be(param: &str, accepts: &str) -> Self {
        Self::invalid(param, format!("'{param}' must be {accepts}"))
    }

    /// A field that must be there is not.
    pub(crate) fn missing(param: &str, accepts: &str) -> Self {
        Self {
            message: format!("'{param}' is missing: it must be {accepts}"),
            param: Some(param.to_owned()),
            code: Some("missing_required_parameter"),
        }
    }

    /// Nobody knows this field.
    pub(crate) fn unknown(place: &str, name: &str) -> Self {
        let param = format!("{place}{}", shown(name));
        Self {
            message: format!("Unrecognized request argument supplied: {param}"),
            param: Some(param),
            code: Some("unknown_parameter"),
        }
    }

    /// A known field, or a known value of it, that is not offered.
    pub(crate) fn unsupported(param: &str, why: &str) -> Self {
        Self {
            message: format!("'{param}' is not supported: {why}"),
            param: Some(param.to_owned()),
            code: Some("unsupported_parameter"),
        }
    }
}

impl Coded for ApiError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

// === impl ErrorBody ===

impl ErrorBody {
    /// An error of this kind, without field and code.
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { error: ErrorDetail { message: message.into(), kind, param: None, code: None } }
    }
}

impl From<ApiError> for ErrorBody {
    fn from(error: ApiError) -> Self {
        let ApiError { message, param, code } = error;
        Self { error: ErrorDetail { message, kind: "invalid_request_error", param, code } }
    }
}
