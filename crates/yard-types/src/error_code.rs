//! The closed list of failures that a caller can see.

use std::fmt;

/// What kind of failure a caller sees. The server maps each code to one HTTP and one gRPC status; nobody else picks a
/// status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The request is wrong and will stay wrong: the caller must change it.
    InvalidArgument,
    /// No valid key came with the request.
    Unauthenticated,
    /// The key is valid, but may not do this.
    PermissionDenied,
    /// There is no such thing, or the key may not see it.
    NotFound,
    /// The request collides with the present state.
    Conflict,
    /// The request is larger than a limit.
    PayloadTooLarge,
    /// The key has used up its rate: the caller should wait.
    RateLimited,
    /// The caller left or cancelled.
    Cancelled,
    /// A fault of ours.
    Internal,
    /// Understood, but not offered.
    Unsupported,
    /// Not now: overloaded, stopping or not loaded. Worth trying again.
    Unavailable,
    /// The time allowed for the request has passed.
    DeadlineExceeded,
}

impl ErrorCode {
    /// Every code, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::RateLimited,
        Self::Cancelled,
        Self::Internal,
        Self::Unsupported,
        Self::Unavailable,
        Self::DeadlineExceeded,
    ];

    /// The code as it stands in answers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RateLimited => "rate_limited",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An error that knows which kind of failure it is to a caller.
///
/// `Display` is the message for the caller: what is wrong and what to do, without paths, addresses or keys. The source
/// chain is for the log.
pub trait Coded: std::error::Error {
    /// The kind of failure.
    fn code(&self) -> ErrorCode;
}
