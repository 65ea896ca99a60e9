//! Answers, token by token and whole.

use serde_json::{Value, json};
use yard_chat::{ToolCallReader, ToolFormat};
use yard_language::messages::Usage as Used;

use super::*;

fn items(calls: bool) -> Items {
    let reader = || ToolCallReader::new(ToolFormat::Tagged, vec!["f".to_owned()], true);
    Items::new("7".to_owned(), calls.then(reader))
}

fn begun() -> ResponseObject {
    let request = ResponsesRequest::parse(br#"{"model":"m","input":"hi"}"#).unwrap();
    let (id, model) = ("resp_7".to_owned(), "m".to_owned());
    ResponseObject::begin(&AnswerHead { id, created: 1, model, system_fingerprint: None }, &request)
}

fn token(text: &str) -> Token {
    Token { text: text.to_owned(), ..Token::default() }
}

/// What a stream of these tokens says: the names of its events without their common beginning, and what each holds.
fn streamed(calls: bool, tokens: &[&str], reason: FinishReason) -> Vec<(String, Value)> {
    let mut pieces = ResponsePieces::new(begun(), items(calls));
    let mut written = pieces.begin(0);
    for text in tokens {
        written.push_str(&pieces.token(0, token(text)));
    }
    written.push_str(&pieces.end(0, String::new(), None, reason));
    written.push_str(&pieces.usage(Usage::new(5, 2, 4)));
    assert_eq!(pieces.done(), "");
    read(&written)
}

fn read(written: &str) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for event in written.split_terminator("\n\n") {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            (data["type"].as_str(), data["sequence_number"].as_u64()),
            (Some(name), Some(events.len() as u64))
        );
        events.push((name.trim_start_matches("response.").to_owned(), data));
    }
    events
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// The same answer, given when it is complete.
fn at_once(calls: bool, text: &str, reason: FinishReason) -> Value {
    let usage = Used { prompt_tokens: 5, answer_tokens: 2, cached_tokens: 4, ..Used::default() };
    let answer = whole::Whole { text: text.to_owned(), tokens: Vec::new(), reason, usage };
    serde_json::to_value(complete(begun(), items(calls), vec![answer])).unwrap()
}

#[test]
fn a_stream_tells_of_a_message_from_its_beginning_to_its_end() {
    let events = streamed(false, &["Hi", "", " you"], FinishReason::Stop);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&events), expected);
    assert_eq!((&events[4].1["delta"], &events[5].1["delta"]), (&json!("Hi"), &json!(" you")));
    assert_eq!(events[6].1["text"], "Hi you");
    assert_eq!(events[0].1["response"]["output"], json!([]));
    let response = &events[9].1["response"];
    assert_eq!((&response["status"], &response["output"][0]), (&json!("completed"), &events[8].1["item"]));
    assert_eq!(response["output"][0]["content"][0]["text"], "Hi you");
    let details = json!({ "cached_tokens": 4, "cache_write_tokens": 0 });
    assert_eq!(response["usage"]["input_tokens_details"], details);
    assert_eq!(response["output"], at_once(false, "Hi you", FinishReason::Stop)["output"]);
}

#[test]
fn what_was_cut_says_so() {
    let events = streamed(false, &["Hi"], FinishReason::Length);
    let (name, last) = events.last().unwrap();
    let response = &last["response"];
    assert_eq!((name.as_str(), &response["status"]), ("incomplete", &json!("incomplete")));
    assert_eq!(response["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    assert_eq!(
        (&response["output"][0]["status"], &response["completed_at"]),
        (&json!("incomplete"), &json!(null))
    );
}

#[test]
fn an_answer_without_words_is_an_empty_message() {
    for calls in [false, true] {
        let events = streamed(calls, &[], FinishReason::Stop);
        assert!(!names(&events).contains(&"output_text.delta"), "{events:?}");
        let output = &events.last().unwrap().1["response"]["output"];
        assert_eq!((output.as_array().unwrap().len(), &output[0]["content"][0]["text"]), (1, &json!("")));
    }
}

#[test]
fn calls_are_items_beside_messages() {
    let answer = "I look.\n<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>\n\
                  <tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n";
    let letters: Vec<String> = answer.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let events = streamed(true, &letters, FinishReason::Stop);
    let output = &events.last().unwrap().1["response"]["output"];
    let calls = [("message", ""), ("function_call", "{\"a\":1}"), ("function_call", "{}")];
    assert_eq!(output.as_array().unwrap().len(), calls.len(), "{output}");
    for (index, (kind, arguments)) in calls.into_iter().enumerate() {
        let item = &output[index];
        assert_eq!(
            (item["type"].as_str(), item["status"].as_str()),
            (Some(kind), Some("completed")),
            "{item}"
        );
        let of_item = |name: &'static str| {
            events.iter().filter(move |(other, data)| other == name && data["output_index"] == index)
        };
        assert_eq!((of_item("output_item.added").count(), of_item("output_item.done").count()), (1, 1));
        let deltas: String =
            of_item("function_call_arguments.delta").filter_map(|(_, data)| data["delta"].as_str()).collect();
        assert_eq!(deltas, arguments);
        if kind == "function_call" {
            let done = &of_item("function_call_arguments.done").next().unwrap().1;
            assert_eq!((&done["arguments"], &done["item_id"]), (&item["arguments"], &item["id"]));
            assert_eq!(item["name"], "f");
        }
    }
    assert_ne!(output[1]["call_id"], output[2]["call_id"]);
    let complete = at_once(true, answer, FinishReason::Stop);
    for (index, (_, arguments)) in calls.into_iter().enumerate().skip(1) {
        assert_eq!(complete["output"][index]["arguments"], arguments);
    }
    assert_eq!(complete["output"][0], output[0]);
}

#[test]
fn a_failure_ends_the_stream_with_what_there_was() {
    let mut pieces = ResponsePieces::new(begun(), items(false));
    let mut written = pieces.begin(0);
    written.push_str(&pieces.token(0, token("Hi")));
    written.push_str(&pieces.fail(ErrorBody::new("server_error", "the process ended")));
    let events = read(&written);
    let (name, last) = events.last().unwrap();
    assert_eq!(name, "failed");
    let response = &last["response"];
    assert_eq!(response["error"], json!({ "code": "server_error", "message": "the process ended" }));
    let item = &response["output"][0];
    assert_eq!((&item["status"], &item["content"][0]["text"]), (&json!("incomplete"), &json!("Hi")));
}

#[test]
fn probabilities_go_with_the_text_that_their_tokens_give() {
    let with_probability = |text: &str| Token { log_probability: Some(-0.5), ..token(text) };
    let mut pieces = ResponsePieces::new(begun(), items(false));
    let mut written = pieces.begin(0);
    // The first half of a character gives no text yet.
    written.push_str(&pieces.token(0, with_probability("")));
    written.push_str(&pieces.token(0, with_probability("é")));
    written.push_str(&pieces.end(0, String::new(), Some(with_probability("")), FinishReason::Length));
    let events = read(&written);
    let lengths = |wanted: &str| -> Vec<usize> {
        let those = events.iter().filter(|(name, _)| name == wanted);
        those.map(|(_, data)| data["logprobs"].as_array().unwrap().len()).collect()
    };
    assert_eq!(lengths("output_text.delta"), [2, 1]);
    assert_eq!(lengths("output_text.done"), [3]);
}
