//! Messages of a chat.

use super::*;

fn read(messages: &str) -> Result<Vec<ChatMessage>, ApiError> {
    chat(&format!("{{\"messages\":{messages}}}")).map(|request| request.messages)
}

#[test]
fn messages_are_read_with_their_parts_and_calls() {
    let messages = ChatRequest::parse(FULL_CHAT.as_bytes()).unwrap().messages;
    let plain = |role: ChatRole, content: &str| ChatMessage {
        role,
        content: content.to_owned(),
        reasoning: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        name: None,
    };
    let call = MessageToolCall {
        id: "c1".to_owned(),
        name: "weather".to_owned(),
        arguments: json!({ "city": "Bonn" }),
    };
    let expected = [
        plain(ChatRole::System, "Be brief."),
        ChatMessage { name: Some("ada".to_owned()), ..plain(ChatRole::User, "Weather in Bonn?") },
        ChatMessage {
            reasoning: Some("hm".to_owned()),
            tool_calls: vec![call],
            ..plain(ChatRole::Assistant, "")
        },
        ChatMessage { tool_call_id: Some("c1".to_owned()), ..plain(ChatRole::Tool, "rain") },
    ];
    assert_eq!(messages, expected);
}

#[test]
fn an_answer_can_be_sent_back_as_it_came() {
    let answer = r#"{"role":"assistant","content":"Hi","refusal":null,"annotations":[],"audio":null,
        "function_call":null,"tool_calls":null,"reasoning":"hm"}"#;
    let messages = read(&format!("[{answer}]")).unwrap();
    assert_eq!((messages[0].content.as_str(), messages[0].reasoning.as_deref()), ("Hi", Some("hm")));
}

#[test]
fn wrong_messages_are_named_by_their_place() {
    let ok = r#"{"role":"user","content":"a"}"#;
    let call = |call: &str| format!(r#"{{"role":"assistant","tool_calls":[{call}]}}"#);
    for (message, param) in [
        ("3".to_owned(), "messages[1]"),
        (r#"{"content":"a"}"#.to_owned(), "messages[1].role"),
        (r#"{"role":"function","content":"a"}"#.to_owned(), "messages[1].role"),
        (r#"{"role":"user"}"#.to_owned(), "messages[1].content"),
        (r#"{"role":"assistant","content":null}"#.to_owned(), "messages[1].content"),
        (r#"{"role":"user","content":[]}"#.to_owned(), "messages[1].content"),
        (r#"{"role":"user","content":5}"#.to_owned(), "messages[1].content"),
        (r#"{"role":"user","content":["a"]}"#.to_owned(), "messages[1].content[0]"),
        (r#"{"role":"user","content":[{"type":"text"}]}"#.to_owned(), "messages[1].content[0].text"),
        (
            r#"{"role":"user","content":[{"type":"poem","text":"a"}]}"#.to_owned(),
            "messages[1].content[0].type",
        ),
        (r#"{"role":"user","content":[{"text":"a"}]}"#.to_owned(), "messages[1].content[0].type"),
        (r#"{"role":"user","content":"a","mood":1}"#.to_owned(), "messages[1].mood"),
        (r#"{"role":"user","content":"a","name":""}"#.to_owned(), "messages[1].name"),
        (r#"{"role":"user","content":"a","tool_calls":[]}"#.to_owned(), "messages[1].tool_calls"),
        (r#"{"role":"user","content":"a","tool_call_id":"c"}"#.to_owned(), "messages[1].tool_call_id"),
        (r#"{"role":"tool","content":"a"}"#.to_owned(), "messages[1].tool_call_id"),
        (r#"{"role":"tool","tool_call_id":"c"}"#.to_owned(), "messages[1].content"),
        (r#"{"role":"assistant","function_call":{}}"#.to_owned(), "messages[1].function_call"),
        (
            r#"{"role":"assistant","content":"","reasoning":"a","reasoning_content":"b"}"#.to_owned(),
            "messages[1].reasoning",
        ),
        (call("1"), "messages[1].tool_calls[0]"),
        (call("{}"), "messages[1].tool_calls[0].id"),
        (call(r#"{"id":"c","type":"custom"}"#), "messages[1].tool_calls[0].type"),
        (call(r#"{"id":"c"}"#), "messages[1].tool_calls[0].function"),
        (call(r#"{"id":"c","function":{"arguments":"{}"}}"#), "messages[1].tool_calls[0].function.name"),
        (
            call(r#"{"id":"c","function":{"name":"f","arguments":"[]"}}"#),
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            call(r#"{"id":"c","function":{"name":"f","arguments":"{"}}"#),
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            call(r#"{"id":"c","function":{"name":"f","arguments":{}}}"#),
            "messages[1].tool_calls[0].function.arguments",
        ),
    ] {
        let error = read(&format!("[{ok},{message}]")).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{message}: {error}");
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn parts_that_are_no_text_are_refused_by_their_type() {
    for kind in ["image_url", "input_audio", "file", "video_url", "audio_url", "refusal"] {
        let part = format!(r#"{{"type":"{kind}","{kind}":{{"detail":"low"}}}}"#);
        let message = format!(r#"{{"role":"user","content":[{{"type":"text","text":"a"}},{part}]}}"#);
        let error = read(&format!("[{message}]")).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[0].content[1]"));
        assert_eq!(error.code, Some("unsupported_parameter"));
        assert_eq!(
            error.message,
            format!(
                "'messages[0].content[1]' is of the type '{kind}', which is not supported: \
                 the model reads text: parts must be of the type 'text'"
            )
        );
    }
}
