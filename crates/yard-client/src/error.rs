//! What can go wrong between a caller and a server.

use std::{error::Error, fmt, io, path::PathBuf};

use yard_types::ErrorCode;

use crate::{AddressError, MalformedKey, PackageError};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answers at the address.
    #[error("cannot reach a server at {server}; is it running? `modelyard serve` starts one")]
    Unreachable {
        /// The address.
        server: String,
        /// What the operating system says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server did not answer in time.
    #[error("the server at {server} did not answer in time")]
    TimedOut {
        /// The address.
        server: String,
    },
    /// The connection broke in the middle.
    #[error("the connection to {server} broke")]
    Broken {
        /// The address.
        server: String,
        /// What broke it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server understood and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer is not what a Modelyard server sends.
    #[error("unexpected answer from {server}: {reason}")]
    Protocol {
        /// The address.
        server: String,
        /// What is odd about it.
        reason: String,
    },
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] MalformedKey),
    /// What should be pushed is no package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A local file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The request cannot be made of what was given.
    #[error("{0}")]
    Request(String),
}

/// The server's own words for a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of failure.
    pub code: ErrorCode,
    /// The HTTP status, when it came over HTTP.
    pub status: Option<u16>,
    /// What is wrong and what to do.
    pub message: String,
    /// The kind of failure more exactly, where the server has a word for it, such as `context_length_exceeded`.
    pub detail: Option<String>,
    /// The member of the request that is wrong, where one is.
    pub param: Option<String>,
    /// Under which id the server's log has it.
    pub request_id: Option<String>,
    /// After how many seconds it is worth trying again, when the server says so.
    pub retry_after_seconds: Option<u64>,
}

impl ClientError {
    /// The kind of failure in the server's vocabulary, when the server said no.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { action, path: path.into(), source }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}", self.message, self.code)?;
        if let Some(param) = &self.param {
            write!(formatter, ", {param}")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(formatter, ", request {request_id}")?;
        }
        formatter.write_str(")")
    }
}

impl Error for Refusal {}

/// The code of an answer that does not name one, as V1 and V2 routes send it.
pub(crate) fn code_of_status(status: u16) -> ErrorCode {
    match status {
        400 | 405 | 406 | 411 | 415 | 421 | 422 | 431 => ErrorCode::InvalidArgument,
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::PermissionDenied,
        404 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        413 => ErrorCode::PayloadTooLarge,
        429 => ErrorCode::RateLimited,
        499 => ErrorCode::Cancelled,
        501 => ErrorCode::Unsupported,
        503 => ErrorCode::Unavailable,
        408 | 504 => ErrorCode::DeadlineExceeded,
        _ => ErrorCode::Internal,
    }
}

/// The code of this name; `None` for one that this client does not know.
pub(crate) fn code_of_name(name: &str) -> Option<ErrorCode> {
    ErrorCode::ALL.into_iter().find(|code| code.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_known_by_its_name() {
        for code in ErrorCode::ALL {
            assert_eq!(code_of_name(code.as_str()), Some(code));
        }
        assert_eq!(code_of_name("teapot"), None);
    }

    #[test]
    fn a_refusal_says_what_where_and_under_which_id() {
        let refusal = Refusal {
            code: ErrorCode::NotFound,
            status: Some(404),
            message: "there is no model 'm'".into(),
            detail: Some("model_not_found".into()),
            param: Some("model".into()),
            request_id: Some("r1".into()),
            retry_after_seconds: None,
        };
        assert_eq!(refusal.to_string(), "there is no model 'm' (not_found, model, request r1)");
    }
}
