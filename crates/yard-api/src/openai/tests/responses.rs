//! Responses: what is asked, what is answered.

use super::{fields::Case, *};

mod answers;

const SCHEMA: &str = r#"{"format":{"type":"json_schema","name":"s-1_A","schema":{},"strict":true}}"#;
const ONE_TOOL: &str = r#"{"tools":[{"type":"function","name":"f"}]}"#;
const LOGPROBS: &str = r#"{"include":["message.output_text.logprobs"]}"#;

pub(super) const CASES: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3", "\"\"", "[]"]),
    (
        "input",
        "{}",
        &["\"\"", "\"a\"", r#"[{"role":"user","content":"a"}]"#],
        &["[]", "{}", "3", "[3]", "[{}]", "[\"a\"]"],
    ),
    (
        "include",
        "{}",
        &["[]", r#"["message.output_text.logprobs"]"#],
        &["\"a\"", "[1]", r#"["reasoning.encrypted_content"]"#, r#"["message.output_text.logprobs","x"]"#],
    ),
    ("instructions", "{}", &["\"\"", "\"Be brief.\""], &["3", "[]"]),
    ("max_output_tokens", "{}", &["1", "2.0", "4294967295"], &["0", "-1", "1.5", "4294967296", "\"5\""]),
    (
        "metadata",
        "{}",
        &["{}", r#"{"a":"b"}"#],
        &["[]", "\"a\"", r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#],
    ),
    ("parallel_tool_calls", "{}", &["true", "false"], &["0"]),
    ("service_tier", "{}", &["\"auto\"", "\"default\""], &["\"flex\"", "1"]),
    ("stream", "{}", &["true", "false"], &["1", "\"true\""]),
    (
        "stream_options",
        r#"{"stream":true}"#,
        &["{}", r#"{"include_obfuscation":true}"#],
        &["true", r#"{"include_usage":true}"#],
    ),
    ("stream_options", "{}", &[], &["{}"]),
    ("temperature", "{}", &["0", "2", "1e-9"], &["-0.1", "2.1", "\"1\"", "[]"]),
    (
        "text",
        "{}",
        &[
            "{}",
            r#"{"format":{"type":"text"}}"#,
            r#"{"format":{"type":"json_object"}}"#,
            SCHEMA,
            r#"{"verbosity":"medium"}"#,
        ],
        &[
            "\"json\"",
            r#"{"format":"json"}"#,
            r#"{"format":{}}"#,
            r#"{"format":{"type":"xml"}}"#,
            r#"{"format":{"type":"text","name":"s"}}"#,
            r#"{"format":{"type":"json_object","schema":{}}}"#,
            r#"{"format":{"type":"json_schema"}}"#,
            r#"{"format":{"type":"json_schema","name":"s"}}"#,
            r#"{"format":{"type":"json_schema","schema":{}}}"#,
            r#"{"format":{"type":"json_schema","name":"a b","schema":{}}}"#,
            r#"{"format":{"type":"json_schema","name":"s","schema":[]}}"#,
            r#"{"format":{"type":"json_schema","name":"s","schema":{},"strict":1}}"#,
            r#"{"format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}}"#,
            r#"{"verbosity":"low"}"#,
        ],
    ),
    (
        "tool_choice",
        ONE_TOOL,
        &["\"auto\"", "\"none\"", "\"required\"", r#"{"type":"function","name":"f"}"#],
        &[
            "\"f\"",
            "1",
            "{}",
            r#"{"type":"function"}"#,
            r#"{"type":"function","name":"g"}"#,
            r#"{"type":"function","function":{"name":"f"}}"#,
            r#"{"type":"custom","name":"f"}"#,
            r#"{"type":"allowed_tools","mode":"auto","tools":[]}"#,
        ],
    ),
    ("tool_choice", "{}", &["\"auto\"", "\"none\""], &["\"required\"", r#"{"type":"function","name":"f"}"#]),
    (
        "tools",
        "{}",
        &[
            "[]",
            r#"[{"type":"function","name":"f","description":"d","parameters":{},"strict":null}]"#,
            r#"[{"type":"function","name":"f","strict":false,"defer_loading":false}]"#,
        ],
        &[
            "{}",
            "[1]",
            "[{}]",
            r#"[{"type":"function"}]"#,
            r#"[{"type":"web_search"}]"#,
            r#"[{"type":"mcp","server_label":"a"}]"#,
            r#"[{"type":"function","function":{"name":"f"}}]"#,
            r#"[{"type":"function","name":""}]"#,
            r#"[{"type":"function","name":"a.b"}]"#,
            r#"[{"type":"function","name":"f","parameters":"{}"}]"#,
            r#"[{"type":"function","name":"f","defer_loading":true}]"#,
            r#"[{"type":"function","name":"f"},{"type":"function","name":"f"}]"#,
        ],
    ),
    ("top_logprobs", LOGPROBS, &["0", "20"], &["-1", "21", "true"]),
    ("top_logprobs", "{}", &["0"], &["5"]),
    ("top_p", "{}", &["1", "0.001"], &["0", "1.1", "-1", "\"1\""]),
    ("chat_template_kwargs", "{}", &["{}", r#"{"enable_thinking":false}"#], &["[]", "true"]),
];

/// A request in which nearly everything is used.
const FULL: &str = r#"{"model":"m","instructions":"Be brief.","input":[
  {"role":"user","content":[{"type":"input_text","text":"Weather in "},{"type":"input_text","text":"Bonn?"}]},
  {"type":"message","id":"msg_1","status":"completed","role":"assistant",
   "content":[{"type":"output_text","text":"I look.","annotations":[],"logprobs":[]}]},
  {"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":"{\"city\":\"Bonn\"}",
   "status":"completed"},
  {"type":"function_call","call_id":"c2","name":"time","arguments":"{}"},
  {"type":"function_call_output","call_id":"c1","output":"rain"},
  {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"noon"}]},
  {"role":"developer","content":"Now."}],
  "tools":[{"type":"function","name":"weather","description":"d","strict":true,"parameters":{"z":1,"a":2}},
   {"type":"function","name":"time"}],
  "tool_choice":{"type":"function","name":"time"},"parallel_tool_calls":false,"temperature":0.5,"top_p":0.9,
  "max_output_tokens":64,"include":["message.output_text.logprobs"],"top_logprobs":3,"stream":true,
  "text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"},"strict":true}},
  "metadata":{"k":"v"},"store":true,"truncation":"disabled","background":false,"user":"u",
  "previous_response_id":null,"reasoning":null,"chat_template_kwargs":{"enable_thinking":false}}"#;

fn full() -> ResponsesRequest {
    ResponsesRequest::parse(FULL.as_bytes()).unwrap()
}

fn items(items: &str) -> Result<Vec<ChatMessage>, ApiError> {
    let body = with(Route::Responses, &format!("{{\"input\":{items}}}"));
    ResponsesRequest::parse(&body).map(|request| request.chat.messages)
}

fn said(role: ChatRole, content: &str) -> ChatMessage {
    let content = content.to_owned();
    ChatMessage { role, content, reasoning: None, tool_calls: Vec::new(), tool_call_id: None, name: None }
}

#[test]
fn items_become_the_messages_of_a_chat() {
    let call = |id: &str, name: &str, arguments: Value| MessageToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments,
    };
    let result = |id: &str, content: &str| ChatMessage {
        tool_call_id: Some(id.to_owned()),
        ..said(ChatRole::Tool, content)
    };
    let calls = vec![call("c1", "weather", json!({ "city": "Bonn" })), call("c2", "time", json!({}))];
    let expected = [
        said(ChatRole::System, "Be brief."),
        said(ChatRole::User, "Weather in Bonn?"),
        ChatMessage { tool_calls: calls, ..said(ChatRole::Assistant, "I look.") },
        result("c1", "rain"),
        result("c2", "noon"),
        said(ChatRole::System, "Now."),
    ];
    assert_eq!(full().chat.messages, expected);
    let alone = items(r#"[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]"#).unwrap();
    assert_eq!(
        (alone[0].role, alone[0].content.as_str(), alone[0].tool_calls.len()),
        (ChatRole::Assistant, "", 1)
    );
    assert_eq!(items("\"hi\"").unwrap(), [said(ChatRole::User, "hi")]);
}

#[test]
fn a_full_request_is_read_field_by_field() {
    let ResponsesRequest { chat, instructions, metadata } = full();
    let sampling = &chat.sampling;
    assert_eq!((sampling.temperature, sampling.top_p), (0.5, 0.9));
    assert_eq!((sampling.max_tokens, sampling.logprobs, sampling.n), (Some(64), Some(3), 1));
    assert_eq!(chat.stream, Some(StreamOptions { include_usage: true }));
    assert_eq!(chat.tool_choice, ToolChoice::Function("time".to_owned()));
    assert!(!chat.parallel_tool_calls && chat.tools[0].strict && chat.tools[1].strict);
    assert_eq!(chat.chat_template_kwargs["enable_thinking"], json!(false));
    let OutputFormat::JsonSchema { name, schema, strict, .. } = &chat.output else { panic!("no schema") };
    assert_eq!((name.as_deref(), schema["type"].as_str(), *strict), (Some("s"), Some("object"), true));
    assert_eq!((instructions.as_deref(), metadata["k"].as_str()), (Some("Be brief."), Some("v")));
}

#[test]
fn what_is_left_out_is_as_in_chats() {
    let bare = ResponsesRequest::parse(&with(Route::Responses, "{}")).unwrap().chat;
    let expected = ChatRequest { tool_choice: ToolChoice::Auto, ..chat("{}").unwrap() };
    assert_eq!(bare, expected);
}

#[test]
fn wrong_items_are_named_by_their_place() {
    let ok = r#"{"role":"user","content":"a"}"#;
    for (item, param) in [
        ("3", "input[1]"),
        ("{}", "input[1].role"),
        (r#"{"type":"poem"}"#, "input[1].type"),
        (r#"{"type":1}"#, "input[1].type"),
        (r#"{"type":"web_search_call","id":"a"}"#, "input[1].type"),
        (r#"{"type":"item_reference","id":"msg_1"}"#, "input[1]"),
        (r#"{"type":"reasoning","summary":[]}"#, "input[1]"),
        (r#"{"role":"tool","content":"a"}"#, "input[1].role"),
        (r#"{"role":"user"}"#, "input[1].content"),
        (r#"{"role":"user","content":[]}"#, "input[1].content"),
        (r#"{"role":"user","content":["a"]}"#, "input[1].content[0]"),
        (r#"{"role":"user","content":[{"type":"text","text":"a"}]}"#, "input[1].content[0].type"),
        (r#"{"role":"user","content":[{"type":"input_text"}]}"#, "input[1].content[0].text"),
        (r#"{"role":"user","content":"a","mood":1}"#, "input[1].mood"),
        (r#"{"role":"user","content":"a","call_id":"c"}"#, "input[1].call_id"),
        (r#"{"type":"function_call"}"#, "input[1].call_id"),
        (r#"{"type":"function_call","call_id":""}"#, "input[1].call_id"),
        (r#"{"type":"function_call","call_id":"c"}"#, "input[1].name"),
        (r#"{"type":"function_call","call_id":"c","name":"f"}"#, "input[1].arguments"),
        (r#"{"type":"function_call","call_id":"c","name":"f","arguments":"[]"}"#, "input[1].arguments"),
        (r#"{"type":"function_call","call_id":"c","name":"f","arguments":{}}"#, "input[1].arguments"),
        (r#"{"type":"function_call","call_id":"c","name":"f","namespace":"n"}"#, "input[1].namespace"),
        (r#"{"type":"function_call_output","output":"a"}"#, "input[1].call_id"),
        (r#"{"type":"function_call_output","call_id":"c"}"#, "input[1].output"),
        (r#"{"type":"function_call_output","call_id":"c","output":{}}"#, "input[1].output"),
        (
            r#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_image"}]}"#,
            "input[1].output[0]",
        ),
    ] {
        let error = items(&format!("[{ok},{item}]")).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{item}: {error}");
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn parts_that_are_no_text_are_refused_by_their_type() {
    for kind in ["input_image", "input_file", "input_audio", "refusal"] {
        let error = items(&format!(
            r#"[{{"role":"user","content":[{{"type":"{kind}","detail":"low","file_id":"a"}}]}}]"#
        ));
        let error = error.unwrap_err();
        assert_eq!(error.code, Some("unsupported_parameter"));
        let expected = format!(
            "'input[0].content[0]' is of the type '{kind}', which is not supported: the model reads text"
        );
        assert!(error.message.starts_with(&expected), "{error}");
    }
}

#[test]
fn what_would_have_to_be_kept_is_refused_in_words() {
    for field in ["previous_response_id", "conversation"] {
        let error = parse(Route::Responses, &with(Route::Responses, &format!("{{\"{field}\":\"resp_1\"}}")));
        let error = error.unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some(field), Some("unsupported_parameter")));
        assert!(error.message.contains("send the whole conversation as 'input'"), "{error}");
    }
}

#[test]
fn calls_and_metadata_have_an_end() {
    let call = r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#;
    assert_eq!(items(&format!("[{}]", vec![call; 128].join(","))).unwrap().len(), 1);
    let error = items(&format!("[{}]", vec![call; 129].join(","))).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[128]"));
    let check = |metadata: Value, is_accepted: bool| {
        let body = with(Route::Responses, &json!({ "metadata": metadata }).to_string());
        assert_eq!(parse(Route::Responses, &body).is_ok(), is_accepted);
    };
    let many = |count: usize| -> Value { (0..count).map(|index| (index.to_string(), json!("a"))).collect() };
    check(many(16), true);
    check(many(17), false);
    check(json!({ ("n".repeat(64)): "é".repeat(512) }), true);
    check(json!({ ("n".repeat(65)): "" }), false);
    check(json!({ "n": "é".repeat(513) }), false);
}
