//! The server's words for a failure, in the forms in which its routes write them.

use serde::Deserialize;
use yard_types::ErrorCode;

use crate::{
    Refusal,
    error::{code_of_name, code_of_status},
};

/// The management API names a code and the request; OpenAI's a type, and perhaps a code of its own.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    param: Option<String>,
    request_id: Option<String>,
}

/// As V1 and V2 routes write it.
#[derive(Deserialize)]
struct PlainBody {
    error: String,
}

/// Understands `{"error": {"message", ...}}` and `{"error": "text"}`, and makes do with anything else.
pub(crate) fn of_answer(status: u16, body: &[u8]) -> Refusal {
    let code = code_of_status(status);
    if let Ok(ErrorBody { error }) = serde_json::from_slice(body) {
        return error.refusal(code, Some(status));
    }
    let message = match serde_json::from_slice(body) {
        Ok(PlainBody { error }) => error,
        Err(_) => format!("the server answered with status {status}"),
    };
    Refusal {
        code,
        status: Some(status),
        message,
        detail: None,
        param: None,
        request_id: None,
        retry_after_seconds: None,
    }
}

/// A failure that is told in the middle of a stream, whose status was sent before; `None` for anything else.
pub(crate) fn of_event(data: &str) -> Option<Refusal> {
    let ErrorBody { error } = serde_json::from_str(data).ok()?;
    let code = match error.kind.as_deref() {
        Some("invalid_request_error") => ErrorCode::InvalidArgument,
        Some("authentication_error") => ErrorCode::Unauthenticated,
        Some("permission_error") => ErrorCode::PermissionDenied,
        Some("rate_limit_error") => ErrorCode::RateLimited,
        _ => ErrorCode::Internal,
    };
    Some(error.refusal(code, None))
}

impl ErrorDetail {
    /// With this code, unless it names a better one.
    fn refusal(self, code: ErrorCode, status: Option<u16>) -> Refusal {
        let named = self.code.as_deref().and_then(code_of_name);
        Refusal {
            code: named.unwrap_or(code),
            status,
            message: self.message,
            detail: self.code.filter(|_| named.is_none()),
            param: self.param,
            request_id: self.request_id,
            retry_after_seconds: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_body_is_understood() {
        let own = br#"{"error":{"code":"rate_limited","message":"slow down","request_id":"r"}}"#;
        let refusal = of_answer(429, own);
        assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::RateLimited, "slow down"));
        assert_eq!((refusal.request_id.as_deref(), refusal.detail), (Some("r"), None));

        let plain = of_answer(404, br#"{"error":"Request for unknown model: 'm' is not found"}"#);
        assert_eq!(plain.code, ErrorCode::NotFound);
        assert!(plain.message.contains("unknown model"));

        let openai = br#"{"error":{"message":"no room","type":"invalid_request_error","param":"messages",
            "code":"context_length_exceeded"}}"#;
        let refusal = of_answer(400, openai);
        assert_eq!((refusal.code, refusal.status), (ErrorCode::InvalidArgument, Some(400)));
        assert_eq!(refusal.detail.as_deref(), Some("context_length_exceeded"));
        assert_eq!(refusal.param.as_deref(), Some("messages"));
        let refusal = of_answer(400, br#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#);
        assert_eq!((refusal.message.as_str(), refusal.detail, refusal.param), ("m", None, None));
    }

    #[test]
    fn a_failure_in_a_stream_is_told_by_its_code_or_its_type() {
        let read = |kind: &str, code: &str| {
            let data = format!(r#"{{"error":{{"message":"m","type":"{kind}","param":null,"code":{code}}}}}"#);
            of_event(&data).unwrap().code
        };
        assert_eq!(read("server_error", r#""unavailable""#), ErrorCode::Unavailable);
        assert_eq!(read("server_error", "null"), ErrorCode::Internal);
        assert_eq!(read("authentication_error", r#""invalid_api_key""#), ErrorCode::Unauthenticated);
        assert_eq!(read("rate_limit_error", r#""rate_limit_exceeded""#), ErrorCode::RateLimited);
        assert_eq!(read("invalid_request_error", r#""unknown""#), ErrorCode::InvalidArgument);
        for data in ["", "[DONE]", r#"{"choices":[]}"#, r#"{"error":{}}"#] {
            assert_eq!(of_event(data), None, "{data}");
        }
    }

    #[test]
    fn a_stranger_s_error_page_is_not_printed() {
        let refusal = of_answer(502, b"<html>\x1b[31mbad gateway</html>");
        assert_eq!(refusal.code, ErrorCode::Internal);
        assert_eq!(refusal.message, "the server answered with status 502");
    }
}
