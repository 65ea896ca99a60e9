//! One line of an input file: what it has to say, and what is wrong with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{Endpoint, Problem};

/// Longest name that a line may have, in bytes.
pub const MAX_CUSTOM_ID: usize = 512;

/// A line that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedLine {
    /// What its sender calls it.
    pub custom_id: String,
    /// What it asks, a JSON object.
    pub body: Bytes,
}

/// Reads a line of a batch that asks for `endpoint`.
pub fn parse_line(number: u32, bytes: &[u8], endpoint: Endpoint) -> Result<ParsedLine, Problem> {
    let wrong =
        |code: &str, param: Option<&str>, message: String| Problem::new(code, &message, param, Some(number));
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes)
        .map_err(|error| wrong("invalid_json_line", None, format!("the line is no JSON object: {error}")))?;
    if let Some(unknown) =
        members.keys().find(|key| !matches!(key.as_str(), "custom_id" | "method" | "url" | "body"))
    {
        let shown: String = unknown.chars().take(64).flat_map(char::escape_default).collect();
        let message = format!("a line has custom_id, method, url and body, and no '{shown}'");
        return Err(wrong("unknown_parameter", Some(shown.as_str()), message));
    }
    let text = |name: &'static str| -> Result<String, Problem> {
        let value = members.get(name).ok_or_else(|| {
            wrong("missing_required_parameter", Some(name), format!("the line has no '{name}'"))
        })?;
        serde_json::from_str(value.get())
            .map_err(|_| wrong("invalid_type", Some(name), format!("'{name}' is a text")))
    };
    let custom_id = text("custom_id")?;
    if custom_id.is_empty() || custom_id.len() > MAX_CUSTOM_ID {
        let message = format!("'custom_id' has 1 to {MAX_CUSTOM_ID} bytes");
        return Err(wrong("invalid_custom_id", Some("custom_id"), message));
    }
    if text("method")? != "POST" {
        return Err(wrong("invalid_method", Some("method"), "the method of a line is POST".to_owned()));
    }
    if text("url")? != endpoint.as_str() {
        let message = format!("the url of a line is that of its batch, {endpoint}");
        return Err(wrong("mismatched_url", Some("url"), message));
    }
    let Some(body) = members.get("body") else {
        return Err(wrong("missing_required_parameter", Some("body"), "the line has no 'body'".to_owned()));
    };
    let asked: BTreeMap<String, &RawValue> = serde_json::from_str(body.get())
        .map_err(|_| wrong("invalid_type", Some("body"), "'body' is a JSON object".to_owned()))?;
    if asked.get("stream").is_some_and(|stream| stream.get() == "true") {
        let message = "the answer to a line is not streamed: leave 'stream' out".to_owned();
        return Err(wrong("invalid_parameter", Some("body.stream"), message));
    }
    Ok(ParsedLine { custom_id, body: Bytes::copy_from_slice(body.get().as_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, code: &str, param: Option<&str>) {
        let problem = parse_line(7, line.as_bytes(), Endpoint::Completions).unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.param.as_deref(), problem.line),
            (code, param, Some(7)),
            "{line}"
        );
        assert!(!problem.message.is_empty());
    }

    #[test]
    fn a_good_line_is_read() {
        let line = r#"{"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"model": "m", "prompt": "é"}}"#;
        let parsed = parse_line(1, line.as_bytes(), Endpoint::Completions).unwrap();
        assert_eq!(parsed.custom_id, "a");
        assert_eq!(parsed.body, r#"{"model": "m", "prompt": "é"}"#);
        let unstreamed = line.replace("\"model\"", "\"stream\": false, \"model\"");
        assert!(parse_line(1, unstreamed.as_bytes(), Endpoint::Completions).is_ok());
    }

    #[test]
    fn a_long_line_gives_a_short_message() {
        for line in [format!("\"{}\"", "x".repeat(1 << 20)), format!("{{\"{}\": 1}}", "é".repeat(1 << 19))] {
            let problem = parse_line(1, line.as_bytes(), Endpoint::Completions).unwrap_err();
            assert!(problem.message.chars().count() <= 200, "{}", problem.message.len());
            assert!(problem.param.is_none_or(|param| param.len() <= 1_000));
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        check("", "invalid_json_line", None);
        check("[1]", "invalid_json_line", None);
        check("{\"custom_id\": ", "invalid_json_line", None);
        check("{}", "missing_required_parameter", Some("custom_id"));
        check(r#"{"custom_id": 1}"#, "invalid_type", Some("custom_id"));
        check(r#"{"custom_id": ""}"#, "invalid_custom_id", Some("custom_id"));
        check(&format!(r#"{{"custom_id": "{}"}}"#, "x".repeat(513)), "invalid_custom_id", Some("custom_id"));
        check(r#"{"custom_id": "a"}"#, "missing_required_parameter", Some("method"));
        check(r#"{"custom_id": "a", "method": "GET"}"#, "invalid_method", Some("method"));
        let post = r#"{"custom_id": "a", "method": "POST", "url": "/v1/completions"}"#;
        check(&post.replace("completions", "embeddings"), "mismatched_url", Some("url"));
        check(post, "missing_required_parameter", Some("body"));
        let with = |body: &str| post.replace('}', &format!(", \"body\": {body}}}"));
        check(&with("[]"), "invalid_type", Some("body"));
        check(&with("{\"stream\": true}"), "invalid_parameter", Some("body.stream"));
        check(&with("{}, \"more\": 1"), "unknown_parameter", Some("more"));
    }
}
