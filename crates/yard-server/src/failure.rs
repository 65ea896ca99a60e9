//! Failures on their way to a caller, and the one table that gives each its status.
//!
//! Lower layers say what kind of failure it is ([`Coded`]); only this module knows HTTP and gRPC statuses. The caller
//! gets the code and a message; a fault of ours is told as `internal error` and its causes go to the log alone.

use std::{borrow::Cow, error::Error, time::Duration};

use http::{HeaderValue, StatusCode};
use tonic::Code;
use yard_access::{AccessError, TokensExhausted};
use yard_api::{RequestError, v2::ResponseError};
use yard_batches::BatchError;
use yard_jobs::JobsError;
use yard_language::LanguageError;
use yard_registry::RegistryError;
use yard_serving::ServingError;
use yard_types::{Coded, ErrorCode, SignatureMismatch};

use crate::application::{ApplicationError, NoDefaultModel};

/// After this long a place in a full queue of jobs may be free.
const FULL_QUEUE_WAIT: Duration = Duration::from_secs(10);
/// A model's process is there again, or has room again, after about so long.
const RESTART_WAIT: Duration = Duration::from_secs(2);

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ErrorCode,
    message: Cow<'static, str>,
    /// Which member of the request is wrong.
    pub(crate) param: Option<Cow<'static, str>>,
    /// When another try may succeed.
    pub(crate) retry_after: Option<Duration>,
    /// What it is called in OpenAI's API, where that has a word of its own.
    pub(crate) detail: Option<&'static str>,
    /// Requests a minute of the key that sent too many.
    pub(crate) rate_limit: Option<u32>,
    /// The budget of tokens that has too few left; it is renewed after `retry_after`.
    pub(crate) tokens: Option<Box<TokensExhausted>>,
    /// The methods that the route has, when the request used another: this makes it a 405.
    pub(crate) allow: Option<HeaderValue>,
    /// Whether the rest of the request is left unread, so that its connection cannot go on.
    pub(crate) close: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            param: None,
            retry_after: None,
            detail: None,
            rate_limit: None,
            tokens: None,
            allow: None,
            close: false,
            source: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The model is not there, or is not to be seen: one text for both, on every surface.
    pub(crate) fn unknown_model(name: &str) -> Self {
        let name: String = name.chars().take(128).flat_map(char::escape_default).collect();
        Self::not_found(format!("Request for unknown model: '{name}' is not found"))
    }

    /// A fault of ours: the caller learns nothing but that.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::new(ErrorCode::Internal, "internal error") }
    }

    /// The route is there, but not for this method.
    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Self {
        Self {
            allow: Some(allow),
            ..Self::invalid("this method is not allowed here; the 'allow' header names those that are")
        }
    }

    pub(crate) fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) const fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    pub(crate) const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says that the rest of the body stays unread.
    pub(crate) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) const fn code(&self) -> ErrorCode {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn http_status(&self) -> StatusCode {
        if self.allow.is_some() { StatusCode::METHOD_NOT_ALLOWED } else { statuses(self.code).0 }
    }

    /// Writes the causes of a fault of ours to the log; other failures are the caller's business.
    pub(crate) fn log(&self, request_id: &str) {
        if self.code != ErrorCode::Internal {
            return;
        }
        let causes = self.source.as_deref().map(|source| chain(source)).unwrap_or_default();
        tracing::error!(request_id, causes, "internal error");
    }
}

/// What an error of a lower layer says to the caller, or to the log.
impl Failure {
    fn of(error: impl Coded + Send + Sync + 'static) -> Self {
        match error.code() {
            ErrorCode::Internal => Self::internal(error),
            code => Self::new(code, error.to_string()),
        }
    }
}

impl From<ServingError> for Failure {
    fn from(error: ServingError) -> Self {
        match error {
            ServingError::UnknownModel { model } => Self::unknown_model(&model),
            error => {
                let retry_after = error.retry_after();
                Self { retry_after, ..Self::of(error) }
            }
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::UnknownModel(model) => Self::unknown_model(model.as_str()),
            error => Self::of(error),
        }
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::UnknownModel(model) => Self::unknown_model(model.as_str()),
            AccessError::TokensExhausted(exhausted) if !exhausted.never_fits() => {
                let wait = Duration::from_secs(exhausted.retry_after_seconds);
                let failure = Self::of(error).with_retry_after(wait);
                Self { tokens: Some(Box::new(exhausted)), ..failure }
            }
            error => Self::of(error),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::of(error)
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self::of(error)
    }
}

impl From<ApplicationError> for Failure {
    fn from(error: ApplicationError) -> Self {
        match error {
            ApplicationError::Registry(error) => error.into(),
            ApplicationError::Access(error) => error.into(),
            ApplicationError::Serving(error) => error.into(),
            ApplicationError::Jobs(error) => {
                let retry_after = matches!(error, JobsError::QueueFull { .. }).then_some(FULL_QUEUE_WAIT);
                Self { retry_after, ..Self::of(error) }
            }
            ApplicationError::Spec(error) => {
                let param = match error.key() {
                    Some("") | None => "spec".to_owned(),
                    Some(key) => format!("spec.{key}"),
                };
                Self::of(error).with_param(param)
            }
            error @ (ApplicationError::NoJobs | ApplicationError::DataSetInUse { .. }) => Self::of(error),
            ApplicationError::Member { member, message } => Self::invalid(message).with_param(member),
        }
    }
}

impl From<LanguageError> for Failure {
    fn from(error: LanguageError) -> Self {
        let retry_after = (error.code() == ErrorCode::Unavailable).then_some(RESTART_WAIT);
        match error.code() {
            // What a model cannot do for a request is a fault of the request, which another try does not mend.
            ErrorCode::Unsupported => Self::invalid(error.to_string()),
            _ => Self { retry_after, ..Self::of(error) },
        }
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        let member = error.member();
        let failure = Self::of(error);
        match member {
            Some(member) => failure.with_param(member),
            None => failure,
        }
    }
}

impl From<NoDefaultModel> for Failure {
    fn from(error: NoDefaultModel) -> Self {
        Self::of(error)
    }
}

impl From<SignatureMismatch> for Failure {
    fn from(error: SignatureMismatch) -> Self {
        Self::of(error)
    }
}

/// An error and its sources, one after the other.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The one table: what each code is in HTTP and in gRPC.
pub(crate) fn statuses(code: ErrorCode) -> (StatusCode, Code) {
    match code {
        ErrorCode::InvalidArgument => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
        ErrorCode::PermissionDenied => (StatusCode::FORBIDDEN, Code::PermissionDenied),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, Code::NotFound),
        ErrorCode::Conflict => (StatusCode::CONFLICT, Code::FailedPrecondition),
        ErrorCode::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
        ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted),
        ErrorCode::Cancelled => (CLIENT_CLOSED_REQUEST, Code::Cancelled),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
        ErrorCode::Unsupported => (StatusCode::NOT_IMPLEMENTED, Code::Unimplemented),
        ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        ErrorCode::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded),
    }
}

/// The customary status of a request whose client left; it reaches logs and metrics, hardly ever a client.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

#[cfg(test)]
mod tests {
    use yard_access::TokenSpan;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk at /secret/place is full")]
    struct DiskFull;

    impl Coded for DiskFull {
        fn code(&self) -> ErrorCode {
            ErrorCode::Internal
        }
    }

    #[test]
    fn faults_of_ours_are_told_to_the_log_alone() {
        let failure = Failure::of(DiskFull);
        assert_eq!(failure.message(), "internal error");
        assert_eq!(chain(failure.source.as_deref().unwrap()), "the disk at /secret/place is full");
    }

    #[test]
    fn a_budget_of_tokens_is_told_with_its_wait_unless_waiting_is_in_vain() {
        let day =
            TokensExhausted { what: TokenSpan::Day, limit: 9, left: 2, asked: 3, retry_after_seconds: 7 };
        let failure = Failure::from(AccessError::from(day));
        assert_eq!(failure.http_status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(failure.tokens.as_deref(), Some(&day));
        let request = TokensExhausted { what: TokenSpan::Request, ..day };
        let failure = Failure::from(AccessError::from(request));
        assert_eq!(failure.http_status(), StatusCode::BAD_REQUEST);
        assert_eq!((failure.retry_after, failure.tokens.is_none()), (None, true));
    }

    #[test]
    fn every_code_has_its_published_status() {
        let expected = [400, 401, 403, 404, 409, 413, 429, 499, 500, 501, 503, 504];
        let got = ErrorCode::ALL.map(|code| statuses(code).0.as_u16());
        assert_eq!(got, expected);
    }
}
