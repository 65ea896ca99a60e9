//! Answers and their bodies.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use yard_api::{
    management::{ErrorBody, ErrorDetail},
    openai,
};
use yard_registry::ByteStream;
use yard_types::ErrorCode;

use crate::{failure::Failure, gate::RequestId, routes::ErrorStyle};

/// An answer on its way out.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece, of a known length.
    Stream(ByteStream, u64),
    /// Piece by piece, until it ends.
    Endless(ByteStream),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(stream, left) => {
                let next = std::task::ready!(stream.as_mut().poll_next(context));
                if let Some(Ok(data)) = &next {
                    *left = left.saturating_sub(data.len() as u64);
                }
                Poll::Ready(next.map(|data| data.map(Frame::data)))
            }
            Self::Endless(stream) => {
                stream.as_mut().poll_next(context).map(|next| next.map(|data| data.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_, left) => SizeHint::with_exact(*left),
            Self::Endless(_) => SizeHint::default(),
        }
    }
}

/// An answer of these bytes.
pub(crate) fn bytes(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(bytes.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer of JSON that is written already.
pub(crate) fn json_bytes(written: impl Into<Bytes>) -> Answer {
    bytes(StatusCode::OK, "application/json", written)
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Answer, Failure> {
    let written = serde_json::to_vec(body).map_err(Failure::internal)?;
    Ok(bytes(status, "application/json", written))
}

/// A text answer.
pub(crate) fn text(content_type: &'static str, text: String) -> Answer {
    bytes(StatusCode::OK, content_type, text)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// The answer that tells of a failure.
pub(crate) fn failure_answer(failure: &Failure, style: ErrorStyle, request_id: &RequestId) -> Answer {
    let written = match style {
        ErrorStyle::Own => serde_json::to_vec(&ErrorBody {
            error: ErrorDetail {
                code: failure.code().as_str().to_owned(),
                message: failure.message().to_owned(),
                param: failure.param.as_deref().map(str::to_owned),
                request_id: Some(request_id.to_string()),
            },
        }),
        ErrorStyle::OpenAi => serde_json::to_vec(&openai_error(failure)),
        ErrorStyle::Plain => serde_json::to_vec(&PlainError { error: failure.message() }),
    };
    // Both are plain structs of texts, which always can be written.
    let mut answer = bytes(failure.http_status(), "application/json", written.unwrap_or_default());
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if failure.code() == ErrorCode::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = failure.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        if let Some(limit) = failure.rate_limit {
            headers.insert("x-ratelimit-limit-requests", HeaderValue::from(limit));
            headers.insert("x-ratelimit-remaining-requests", HeaderValue::from(0));
            headers.insert("x-ratelimit-reset-requests", HeaderValue::from(seconds.max(1)));
        }
        if let Some(tokens) = &failure.tokens {
            headers.insert("x-ratelimit-limit-tokens", HeaderValue::from(tokens.limit));
            headers.insert("x-ratelimit-remaining-tokens", HeaderValue::from(tokens.left));
            headers.insert("x-ratelimit-reset-tokens", HeaderValue::from(seconds.max(1)));
        }
    }
    if let Some(allow) = &failure.allow {
        headers.insert(ALLOW, allow.clone());
    }
    if failure.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// What failed, in the words of OpenAI's API.
pub(crate) fn openai_error(failure: &Failure) -> openai::ErrorBody {
    let code = failure.code();
    let kind = match code {
        ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::DeadlineExceeded => "server_error",
        ErrorCode::Unauthenticated => "authentication_error",
        ErrorCode::PermissionDenied => "permission_error",
        ErrorCode::RateLimited => "rate_limit_error",
        _ => "invalid_request_error",
    };
    let detail = failure.detail.unwrap_or(match code {
        ErrorCode::Unauthenticated => "invalid_api_key",
        ErrorCode::RateLimited => "rate_limit_exceeded",
        code => code.as_str(),
    });
    openai::ErrorBody {
        error: openai::ErrorDetail {
            message: failure.message().to_owned(),
            kind,
            param: failure.param.as_deref().map(str::to_owned),
            code: Some(detail),
        },
    }
}

#[derive(Serialize)]
struct PlainError<'a> {
    error: &'a str,
}
