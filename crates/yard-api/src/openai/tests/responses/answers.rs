//! Responses and their events against their texts.

use super::*;

fn head() -> AnswerHead {
    let (id, model) = ("resp_1".to_owned(), "m".to_owned());
    AnswerHead { id, created: 7, model, system_fingerprint: Some("v3".to_owned()) }
}

fn begun() -> ResponseObject {
    let request = ResponsesRequest::parse(&with(Route::Responses, "{}")).unwrap();
    ResponseObject::begin(&head(), &request)
}

fn text(text: &str) -> OutputText {
    OutputText::new(text.to_owned(), Vec::new())
}

fn message() -> OutputItem {
    OutputItem::message("msg_1", ItemStatus::Completed, text("Hi"))
}

#[test]
fn a_response_has_every_field_that_clients_read() {
    let response = begun().end(vec![message()], FinishReason::Stop, Usage::new(5, 1, 4), 9);
    let expected = concat!(
        r#"{"id":"resp_1","object":"response","created_at":7,"status":"completed","background":false,"#,
        r#""completed_at":9,"error":null,"incomplete_details":null,"instructions":null,"#,
        r#""max_output_tokens":null,"max_tool_calls":null,"metadata":{},"model":"m","#,
        r#""output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":["#,
        r#"{"type":"output_text","annotations":[],"logprobs":[],"text":"Hi"}]}],"#,
        r#""parallel_tool_calls":true,"previous_response_id":null,"reasoning":null,"service_tier":"default","#,
        r#""store":false,"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"#,
        r#""tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","#,
        r#""usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"#,
        r#""output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":6},"user":null}"#,
    );
    assert_eq!(serde_json::to_string(&response).unwrap(), expected);
}

#[test]
fn what_was_asked_for_is_repeated() {
    let response = serde_json::to_value(ResponseObject::begin(&head(), &full())).unwrap();
    let check = |name: &str, expected: &str| assert_eq!(response[name].to_string(), expected);
    check("status", "\"in_progress\"");
    check("instructions", "\"Be brief.\"");
    check("max_output_tokens", "64");
    check("metadata", r#"{"k":"v"}"#);
    check("parallel_tool_calls", "false");
    check("store", "false");
    check("tool_choice", r#"{"type":"function","name":"time"}"#);
    check("top_logprobs", "3");
    check("usage", "null");
    check(
        "text",
        concat!(
            r#"{"format":{"type":"json_schema","name":"s","description":null,"schema":{"type":"object"},"#,
            r#""strict":true},"verbosity":"medium"}"#,
        ),
    );
    check(
        "tools",
        concat!(
            r#"[{"type":"function","name":"weather","description":"d","parameters":{"z":1,"a":2},"strict":true},"#,
            r#"{"type":"function","name":"time","description":null,"parameters":null,"strict":true}]"#,
        ),
    );
}

#[test]
fn an_end_has_its_reason() {
    let value = |response: ResponseObject| serde_json::to_value(response).unwrap();
    let cut = value(begun().end(Vec::new(), FinishReason::Length, Usage::new(1, 2, 0), 9));
    assert_eq!((&cut["status"], &cut["completed_at"]), (&json!("incomplete"), &json!(null)));
    assert_eq!(cut["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    let called = value(begun().end(Vec::new(), FinishReason::ToolCalls, Usage::new(1, 2, 0), 9));
    assert_eq!(called["status"], "completed");
    for (kind, code) in [
        ("server_error", "server_error"),
        ("authentication_error", "server_error"),
        ("rate_limit_error", "rate_limit_exceeded"),
        ("invalid_request_error", "invalid_prompt"),
    ] {
        let failed = value(begun().fail(Vec::new(), ErrorBody::new(kind, "no")));
        assert_eq!(failed["error"], json!({ "code": code, "message": "no" }), "{kind}");
        assert_eq!((&failed["status"], &failed["usage"]), (&json!("failed"), &json!(null)));
    }
}

#[test]
fn events_have_names_and_numbers() {
    let mut stream = ResponseStream::default();
    let begun_call = OutputItem::function_call("fc_1", ItemStatus::InProgress, "c1", "f", "");
    let place = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let of_text =
        |text: &str| format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#);
    for (number, (event, name, members)) in [
        (
            ResponseEvent::item_added(0, OutputItem::message_begun("msg_1")),
            "output_item.added",
            r#""output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            ResponseEvent::part_added("msg_1", 0),
            "content_part.added",
            format!(r#"{place},"part":{}"#, of_text("")),
        ),
        (
            ResponseEvent::text_delta("msg_1", 0, "a\nb".to_owned(), Vec::new()),
            "output_text.delta",
            format!(r#"{place},"delta":"a\nb","logprobs":[]"#),
        ),
        (
            ResponseEvent::text_done("msg_1", 0, text("Hi")),
            "output_text.done",
            format!(r#"{place},"text":"Hi","logprobs":[]"#),
        ),
        (
            ResponseEvent::part_done("msg_1", 0, text("Hi")),
            "content_part.done",
            format!(r#"{place},"part":{}"#, of_text("Hi")),
        ),
        (
            ResponseEvent::item_added(1, begun_call),
            "output_item.added",
            concat!(
                r#""output_index":1,"item":{"type":"function_call","id":"fc_1","status":"in_progress","#,
                r#""call_id":"c1","name":"f","arguments":""}"#,
            )
            .to_owned(),
        ),
        (
            ResponseEvent::arguments_delta("fc_1", 1, "{"),
            "function_call_arguments.delta",
            r#""item_id":"fc_1","output_index":1,"delta":"{""#.to_owned(),
        ),
        (
            ResponseEvent::arguments_done("fc_1", 1, "{}"),
            "function_call_arguments.done",
            r#""item_id":"fc_1","output_index":1,"arguments":"{}""#.to_owned(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("response.{name}");
        let data = format!(r#"{{"type":"{name}","sequence_number":{number},{members}}}"#);
        assert_eq!(stream.write(&event), format!("event: {name}\ndata: {data}\n\n"));
    }
}

#[test]
fn the_state_of_a_response_names_its_event() {
    let mut stream = ResponseStream::default();
    let end = |reason: FinishReason| begun().end(vec![message()], reason, Usage::new(1, 1, 0), 9);
    for (event, name) in [
        (ResponseEvent::created(begun()), "created"),
        (ResponseEvent::of_response(begun()), "in_progress"),
        (ResponseEvent::of_response(end(FinishReason::Stop)), "completed"),
        (ResponseEvent::of_response(end(FinishReason::Length)), "incomplete"),
        (
            ResponseEvent::of_response(begun().fail(Vec::new(), ErrorBody::new("server_error", "no"))),
            "failed",
        ),
    ] {
        let written = stream.write(&event);
        let (first, data) = written.split_once("\ndata: ").unwrap();
        assert_eq!(first, format!("event: response.{name}"));
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["response"]["id"], "resp_1");
    }
}
