//! A chat as it is sent.

use serde::Serialize;
use serde_json::Value;

use super::{ChatMessage, ChatOptions, ChatRole};

/// What a schema is called where it has to be called something.
const SCHEMA_NAME: &str = "answer";

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<MessageBody<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: &'a Value,
    strict: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(model: &'a str, messages: &'a [ChatMessage], options: &'a ChatOptions) -> Self {
        let response_format = options.schema.as_ref().map(|schema| ResponseFormat {
            kind: "json_schema",
            json_schema: JsonSchema { name: SCHEMA_NAME, schema, strict: true },
        });
        Self {
            model,
            messages: messages.iter().map(MessageBody::new).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            temperature: options.temperature,
            max_tokens: options.max_tokens,
            seed: options.seed,
            response_format,
        }
    }
}

impl<'a> MessageBody<'a> {
    fn new(message: &'a ChatMessage) -> Self {
        let role = match message.role {
            ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
        };
        Self { role, content: &message.content }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yard_api::openai::{ChatRequest, OutputFormat};

    use super::*;

    fn sent(options: &ChatOptions) -> (Value, ChatRequest) {
        let messages =
            [ChatMessage::new(ChatRole::System, "Be brief."), ChatMessage::new(ChatRole::User, "Hi")];
        let body = serde_json::to_vec(&Body::new("m@canary", &messages, options)).unwrap();
        (serde_json::from_slice(&body).unwrap(), ChatRequest::parse(&body).unwrap())
    }

    #[test]
    fn what_nobody_asked_for_is_left_to_the_server() {
        let (body, request) = sent(&ChatOptions::default());
        let expected = json!({
            "model": "m@canary",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        assert_eq!(body, expected);
        assert!(request.stream.unwrap().include_usage);
    }

    #[test]
    fn the_server_reads_what_was_meant() {
        let schema = json!({"type": "object"});
        let (_, request) = sent(&ChatOptions {
            temperature: Some(0.5),
            max_tokens: Some(7),
            seed: Some(-1),
            schema: Some(schema.clone()),
        });
        let sampling = &request.sampling;
        assert_eq!(
            (sampling.temperature, sampling.max_tokens, sampling.seed),
            (0.5, Some(7), Some(u64::MAX))
        );
        let OutputFormat::JsonSchema { schema: read, strict: true, .. } = &request.output else {
            panic!("{:?}", request.output)
        };
        assert_eq!(Some(read), schema.as_object());
    }
}
