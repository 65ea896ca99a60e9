//! Answers against their texts.

use serde::Serialize;

use super::*;

fn check(answer: &impl Serialize, expected: &str) {
    assert_eq!(serde_json::to_string(answer).unwrap(), expected);
}

fn head() -> AnswerHead {
    AnswerHead { id: "c-1".to_owned(), created: 7, model: "m".to_owned(), system_fingerprint: None }
}

fn chunk(delta: ChatDelta, finish_reason: Option<FinishReason>, usage: StreamUsage) -> ChatCompletionChunk {
    let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason };
    ChatCompletionChunk::new(&head(), vec![choice], usage)
}

#[test]
fn a_chat_completion_is_written_in_the_order_of_the_documentation() {
    let top = |logprob: f32| TopLogprob { token: "Hi".to_owned(), logprob, bytes: Some(vec![72, 105]) };
    let token = TokenLogprob {
        token: "Hi".to_owned(),
        logprob: -0.5,
        bytes: Some(vec![72, 105]),
        top_logprobs: vec![top(-0.5), top(f32::NEG_INFINITY)],
    };
    let choice = ChatChoice {
        index: 0,
        message: AssistantMessage::new(Some("Hi".to_owned())),
        logprobs: Some(ChatLogprobs::new(vec![token])),
        finish_reason: FinishReason::Stop,
    };
    let mut head = head();
    head.system_fingerprint = Some("v3".to_owned());
    check(
        &ChatCompletion::new(&head, vec![choice], Usage::new(5, 1, 4)),
        concat!(
            r#"{"id":"c-1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"#,
            r#""message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":{"content":[{"token":"Hi","#,
            r#""logprob":-0.5,"bytes":[72,105],"top_logprobs":[{"token":"Hi","logprob":-0.5,"bytes":[72,105]},"#,
            r#"{"token":"Hi","logprob":-9999.0,"bytes":[72,105]}]}],"refusal":null},"finish_reason":"stop"}],"#,
            r#""usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,"#,
            r#""prompt_tokens_details":{"cached_tokens":4}},"system_fingerprint":"v3"}"#,
        ),
    );
}

#[test]
fn an_answer_that_asks_for_a_function_has_no_content() {
    let mut message = AssistantMessage::new(None);
    message.reasoning_content = Some("hm".to_owned());
    message.tool_calls.push(ToolCallBody::new("c1", "f", "{}"));
    let choice = ChatChoice { index: 1, message, logprobs: None, finish_reason: FinishReason::ToolCalls };
    check(
        &choice,
        concat!(
            r#"{"index":1,"message":{"role":"assistant","content":null,"refusal":null,"reasoning_content":"hm","#,
            r#""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
            r#""logprobs":null,"finish_reason":"tool_calls"}"#,
        ),
    );
}

#[test]
fn a_stream_of_a_chat_begins_with_the_role_and_ends_with_the_usage() {
    const START: &str =
        r#"data: {"id":"c-1","object":"chat.completion.chunk","created":7,"model":"m","choices":["#;
    let events = [
        (
            chunk(ChatDelta::first(), None, StreamUsage::Pending),
            r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        ),
        (
            chunk(ChatDelta::content("a\nb"), None, StreamUsage::LeftOut),
            r#"{"index":0,"delta":{"content":"a\nb"},"logprobs":null,"finish_reason":null}]}"#,
        ),
        (
            chunk(ChatDelta::reasoning("hm"), None, StreamUsage::LeftOut),
            r#"{"index":0,"delta":{"reasoning_content":"hm"},"logprobs":null,"finish_reason":null}]}"#,
        ),
        (
            chunk(ChatDelta::tool_call(ToolCallDelta::begin(0, "c1", "f")), None, StreamUsage::LeftOut),
            r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]},"logprobs":null,"finish_reason":null}]}"#,
        ),
        (
            chunk(ChatDelta::tool_call(ToolCallDelta::arguments(0, "{")), None, StreamUsage::LeftOut),
            r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]},"logprobs":null,"finish_reason":null}]}"#,
        ),
        (
            chunk(ChatDelta::default(), Some(FinishReason::Length), StreamUsage::LeftOut),
            r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}"#,
        ),
        (
            ChatCompletionChunk::new(&head(), Vec::new(), StreamUsage::Total(Usage::new(1, 2, 0))),
            r#"],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}}}"#,
        ),
    ];
    for (event, expected) in events {
        assert_eq!(server_sent(&event), format!("{START}{expected}\n\n"));
    }
    assert_eq!(DONE, "data: [DONE]\n\n");
}

#[test]
fn a_completion_is_the_same_at_once_and_as_an_event() {
    let logprobs = CompletionLogprobs {
        tokens: vec!["a".to_owned()],
        token_logprobs: vec![f32::NEG_INFINITY],
        top_logprobs: vec![TopLogprobs(vec![
            ("b".to_owned(), -0.5),
            ("a".to_owned(), -1.0),
            ("b".to_owned(), -3.0),
        ])],
        text_offset: vec![0],
    };
    let choice = CompletionChoice {
        text: "a".to_owned(),
        index: 0,
        logprobs: Some(logprobs),
        finish_reason: Some(FinishReason::Stop),
    };
    let completion = Completion::new(&head(), vec![choice], StreamUsage::LeftOut);
    let expected = concat!(
        r#"{"id":"c-1","object":"text_completion","created":7,"model":"m","choices":[{"text":"a","index":0,"#,
        r#""logprobs":{"tokens":["a"],"token_logprobs":[-9999.0],"top_logprobs":[{"b":-0.5,"a":-1.0}],"#,
        r#""text_offset":[0]},"finish_reason":"stop"}]}"#,
    );
    check(&completion, expected);
    assert_eq!(server_sent(&completion), format!("data: {expected}\n\n"));
}

#[test]
fn embeddings_are_numbers_or_the_base64_of_their_bytes() {
    let list = |format: EncodingFormat| {
        EmbeddingList::new("m", vec![EmbeddingObject::new(0, vec![1.0, -0.5], format)], 3)
    };
    let text = |embedding: &str| {
        format!(
            "{{\"object\":\"list\",\"data\":[{{\"object\":\"embedding\",\"index\":0,\"embedding\":{embedding}}}],\
             \"model\":\"m\",\"usage\":{{\"prompt_tokens\":3,\"total_tokens\":3}}}}"
        )
    };
    check(&list(EncodingFormat::Float), &text("[1.0,-0.5]"));
    // 00 00 80 3f 00 00 00 bf
    check(&list(EncodingFormat::Base64), &text("\"AACAPwAAAL8=\""));
}

#[test]
fn results_of_a_ranking_have_their_form() {
    let results = vec![RerankResult::new(1, 0.75, Some("a".to_owned())), RerankResult::new(0, 0.5, None)];
    check(
        &RerankAnswer::new("rerank-1", "m", results, 3),
        concat!(
            r#"{"id":"rerank-1","model":"m","results":[{"index":1,"relevance_score":0.75,"document":{"text":"a"}},"#,
            r#"{"index":0,"relevance_score":0.5}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
        ),
    );
}

#[test]
fn models_tokens_and_errors_have_their_forms() {
    check(
        &ModelList::new(vec![ModelObject::new("m", 7, "modelyard")]),
        r#"{"object":"list","data":[{"id":"m","object":"model","created":7,"owned_by":"modelyard"}]}"#,
    );
    check(&TokenList::new(vec![5, 6]), r#"{"count":2,"tokens":[5,6]}"#);
    check(&TokenText { content: "a".to_owned() }, r#"{"content":"a"}"#);
    check(
        &ErrorBody::from(chat(r#"{"n":0}"#).unwrap_err()),
        concat!(
            r#"{"error":{"message":"'n' must be a whole number from 1 to 16","#,
            r#""type":"invalid_request_error","param":"n","code":"invalid_value"}}"#,
        ),
    );
    let error = ErrorBody::new("server_error", "the model's process ended");
    let expected =
        r#"{"error":{"message":"the model's process ended","type":"server_error","param":null,"code":null}}"#;
    check(&error, expected);
    assert_eq!(server_sent(&error), format!("data: {expected}\n\n"));
}
