//! Chats with servers that answer with bytes of the test's choosing.

use yard_client::{
    ChatEnd, ChatFinish, ChatMessage, ChatOptions, ChatPart, ChatRole, ChatUsage, Client, ClientError,
    ClientOptions,
};
use yard_types::{ErrorCode, Selector};

use crate::{answering, client, json};

const TEXT: &str =
    r#"data: {"choices":[{"index":0,"delta":{"content":"Paris"},"finish_reason":null}],"usage":null}"#;
const END: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// The parts of the answer, and the first line of the request.
async fn ask(bytes: String) -> (Result<Vec<ChatPart>, ClientError>, String) {
    let (address, head) = answering(bytes);
    let parts = parts(&client(address, ClientOptions::default())).await;
    (parts, head.recv().unwrap().remove(0))
}

async fn parts(client: &Client) -> Result<Vec<ChatPart>, ClientError> {
    let messages = [ChatMessage::new(ChatRole::User, "What is the capital of France?")];
    let (model, options) = ("m".parse().unwrap(), ChatOptions::default());
    let mut answer = client.chat(&model, &Selector::Production, &messages, &options).await?;
    let mut parts = Vec::new();
    while let Some(part) = answer.next().await? {
        parts.push(part);
    }
    Ok(parts)
}

#[tokio::test]
async fn an_answer_comes_in_parts_and_then_says_how_it_ended() {
    // The connection stays open: the answer has its end in itself.
    let stream = json("200 OK", &format!("{TEXT}\n\n: still here\n\n{END}\n\n{USAGE}\n\ndata: [DONE]\n\n"));
    let (parts, request) = ask(stream).await;
    let usage = ChatUsage { prompt_tokens: 3, cached_tokens: 0, answer_tokens: 2 };
    let end = ChatEnd { finish: ChatFinish::Stop, usage };
    assert_eq!(parts.unwrap(), [ChatPart::Text("Paris".into()), ChatPart::Ended(end)]);
    assert_eq!(request, "POST /v1/chat/completions HTTP/1.1");
}

#[tokio::test]
async fn a_refusal_before_the_answer_says_what_programs_can_tell_it_by() {
    let body = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages",
        "code":"context_length_exceeded"}}"#;
    let (parts, _) = ask(json("400 Bad Request", body)).await;
    let Err(ClientError::Refused(refusal)) = &parts else { panic!("{parts:?}") };
    assert_eq!((refusal.code, refusal.status), (ErrorCode::InvalidArgument, Some(400)));
    assert_eq!(refusal.detail.as_deref(), Some("context_length_exceeded"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told() {
    let (parts, _) = ask(json("200 OK", &format!("{TEXT}\n\n"))).await;
    assert!(parts.unwrap_err().to_string().contains("in the middle of an answer"));
}
