//! Every field of every route: what is accepted, and what is not.

use std::collections::BTreeSet;

use super::*;

/// A field, fields that it needs beside it, values that are accepted and values that are not.
pub(super) type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const GENERATION: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3", "\"\"", "[]"]),
    ("frequency_penalty", "{}", &["-2", "0.5", "2"], &["-2.01", "2.01", "\"1\"", "true"]),
    ("presence_penalty", "{}", &["-2", "0.5", "2"], &["-2.01", "2.01", "\"1\"", "[]"]),
    (
        "logit_bias",
        "{}",
        &["{}", r#"{"0":100,"4294967295":-100}"#],
        &[
            "[]",
            r#"{"a":1}"#,
            r#"{"-1":1}"#,
            r#"{"+1":1}"#,
            r#"{"":1}"#,
            r#"{"1":101}"#,
            r#"{"1":"1"}"#,
            r#"{"4294967296":1}"#,
            r#"{"1":1,"01":1}"#,
        ],
    ),
    ("max_tokens", "{}", &["1", "2.0", "4294967295"], &["0", "-1", "1.5", "4294967296", "\"5\""]),
    ("n", "{}", &["1", "16"], &["0", "17", "1.5", "\"1\""]),
    (
        "seed",
        "{}",
        &["0", "-9223372036854775808", "9223372036854775807"],
        &["9223372036854775808", "0.5", "\"\""],
    ),
    (
        "stop",
        "{}",
        &["\"a\"", "[]", r#"["a","b","c","d"]"#],
        &["\"\"", r#"["a",""]"#, "[1]", "7", r#"["a","b","c","d","e"]"#],
    ),
    ("stream", "{}", &["true", "false"], &["1", "\"true\""]),
    (
        "stream_options",
        r#"{"stream":true}"#,
        &["{}", r#"{"include_usage":false}"#, r#"{"include_obfuscation":true}"#],
        &["true", r#"{"include_usage":1}"#, r#"{"usage":true}"#],
    ),
    ("stream_options", "{}", &[], &["{}"]),
    ("temperature", "{}", &["0", "2", "1e-9"], &["-0.1", "2.1", "\"1\"", "null_text", "[]"]),
    ("top_p", "{}", &["1", "0.001"], &["0", "1.1", "-1", "\"1\""]),
    ("min_p", "{}", &["0", "1"], &["-0.1", "1.1", "{}"]),
    ("repetition_penalty", "{}", &["0.01", "100"], &["0", "101", "false"]),
    (
        "structured_outputs",
        "{}",
        &[r#"{"json":{}}"#, r#"{"regex":"a+"}"#, r#"{"grammar":"start: \"a\""}"#],
        &[
            "{}",
            r#"{"json":"{}"}"#,
            r#"{"regex":""}"#,
            r#"{"grammar":3}"#,
            r#"{"regex":"a","grammar":"b"}"#,
            r#"{"choice":["a"]}"#,
            "\"a\"",
        ],
    ),
    ("top_k", "{}", &["-1", "0", "40", "4294967295"], &["-2", "4294967296", "1.5", "\"\""]),
];

const SCHEMA: &str = r#"{"type":"json_schema","json_schema":{"name":"s-1_A","schema":{}}}"#;
const ONE_TOOL: &str = r#"{"tools":[{"type":"function","function":{"name":"f"}}]}"#;

const CHAT: &[Case] = &[
    ("messages", "{}", &[r#"[{"role":"user","content":""}]"#], &["[]", "{}", "\"hi\"", "[3]", "[{}]"]),
    ("logprobs", "{}", &["true", "false"], &["1", "\"true\""]),
    ("max_completion_tokens", r#"{"max_tokens":5}"#, &["5"], &["0", "\"5\""]),
    ("parallel_tool_calls", "{}", &["true", "false"], &["0"]),
    (
        "response_format",
        "{}",
        &[r#"{"type":"text"}"#, r#"{"type":"json_object"}"#, SCHEMA],
        &[
            "\"json\"",
            "{}",
            r#"{"type":"xml"}"#,
            r#"{"type":"json_schema"}"#,
            r#"{"type":"text","json_schema":{}}"#,
            r#"{"type":"json_schema","json_schema":{"name":"s"}}"#,
            r#"{"type":"json_schema","json_schema":{"schema":{}}}"#,
            r#"{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}"#,
            r#"{"type":"json_schema","json_schema":{"name":"s","schema":[]}}"#,
            r#"{"type":"json_schema","json_schema":{"name":"s","schema":{},"strict":1}}"#,
            r#"{"type":"json_schema","json_schema":{"name":"s","schema":{},"x":1}}"#,
        ],
    ),
    ("service_tier", "{}", &["\"auto\"", "\"default\""], &["\"flex\"", "1"]),
    (
        "tool_choice",
        ONE_TOOL,
        &["\"auto\"", "\"none\"", "\"required\"", r#"{"type":"function","function":{"name":"f"}}"#],
        &[
            "\"f\"",
            "1",
            "{}",
            r#"{"type":"function"}"#,
            r#"{"type":"function","function":{"name":"g"}}"#,
            r#"{"type":"custom","function":{"name":"f"}}"#,
            r#"{"type":"allowed_tools","allowed_tools":{}}"#,
        ],
    ),
    ("tool_choice", "{}", &["\"auto\"", "\"none\""], &["\"required\""]),
    (
        "tools",
        "{}",
        &[
            "[]",
            r#"[{"type":"function","function":{"name":"f","description":"d","parameters":{},"strict":false}}]"#,
        ],
        &[
            "{}",
            "[1]",
            "[{}]",
            r#"[{"type":"function"}]"#,
            r#"[{"type":"web_search"}]"#,
            r#"[{"type":"custom","custom":{}}]"#,
            r#"[{"type":"function","function":{"name":""}}]"#,
            r#"[{"type":"function","function":{"name":"a.b"}}]"#,
            r#"[{"type":"function","function":{"name":"f","parameters":"{}"}}]"#,
            r#"[{"type":"function","function":{"name":"f","other":1}}]"#,
            r#"[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]"#,
        ],
    ),
    ("top_logprobs", r#"{"logprobs":true}"#, &["0", "20"], &["-1", "21", "true"]),
    ("top_logprobs", "{}", &[], &["5"]),
    ("chat_template_kwargs", "{}", &["{}", r#"{"enable_thinking":false}"#], &["[]", "true"]),
];

const COMPLETIONS: &[Case] = &[
    (
        "prompt",
        "{}",
        &["\"a\"", r#"["a","b"]"#, "[1,2]", "[[1],[2,3]]"],
        &[
            "\"\"",
            "[]",
            r#"["a",""]"#,
            "[[]]",
            r#"["a",[1]]"#,
            r#"[[1],"a"]"#,
            "[1,\"a\"]",
            "[-1]",
            "[1.5]",
            "[4294967296]",
            "3",
            "{}",
            "[null]",
        ],
    ),
    ("best_of", r#"{"n":2}"#, &["2"], &["1", "3", "\"2\""]),
    ("logprobs", "{}", &["0", "5"], &["6", "-1", "true"]),
];

const EMBEDDINGS: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3", "\"\""]),
    (
        "input",
        "{}",
        &["\"a\"", r#"["a"]"#, "[7]", "[[7],[8]]"],
        &["\"\"", "[]", "[\"\"]", "[[]]", "5", "[{}]"],
    ),
    ("dimensions", "{}", &["1", "384"], &["0", "-1", "65537", "\"8\""]),
    ("encoding_format", "{}", &["\"float\"", "\"base64\""], &["\"hex\"", "1"]),
    ("truncate", "{}", &["true", "false"], &["\"END\""]),
];

const RERANK: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3", "\"\""]),
    ("query", "{}", &["\"who\""], &["\"\"", "3", "[\"who\"]"]),
    (
        "documents",
        "{}",
        &["[\"a\"]", r#"[{"text":"a"},"b"]"#],
        &["[]", "\"a\"", "[\"\"]", "[1]", "[{}]", r#"[{"text":1}]"#, r#"[{"text":"a","title":"b"}]"#],
    ),
    ("top_n", "{}", &["1", "3"], &["0", "-1", "1.5", "\"1\""]),
    ("return_documents", "{}", &["true", "false"], &["1"]),
    ("truncate", "{}", &["true", "false"], &["\"END\""]),
];

const CHAT_TO_COUNT: &str = r#"{"input":null,"messages":[{"role":"user","content":"hi"}]}"#;

const TOKENIZE: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3"]),
    ("input", "{}", &["\"\"", "\"a\""], &["[\"a\"]", "1"]),
    ("content", r#"{"input":null}"#, &["\"a\""], &["1"]),
    ("messages", r#"{"input":null}"#, &[r#"[{"role":"user","content":"hi"}]"#], &["[]", "\"hi\""]),
    ("add_special", "{}", &["true"], &["1"]),
    ("add_special", CHAT_TO_COUNT, &[], &["true"]),
    ("parse_special", "{}", &["false"], &["1"]),
    ("add_generation_prompt", CHAT_TO_COUNT, &["false"], &["1"]),
    ("add_generation_prompt", "{}", &[], &["true"]),
    ("chat_template_kwargs", CHAT_TO_COUNT, &["{}"], &["1"]),
    ("tools", CHAT_TO_COUNT, &["[]"], &["1"]),
];

const DETOKENIZE: &[Case] = &[
    ("model", "{}", &["\"m\""], &["3"]),
    ("tokens", "{}", &["[]", "[0,4294967295]"], &["\"a\"", "[\"a\"]", "[-1]", "[0.5]"]),
];

fn cases(route: Route) -> Vec<&'static Case> {
    let (first, second): (&[Case], &[Case]) = match route {
        Route::ChatCompletions => (GENERATION, CHAT),
        Route::Completions => (GENERATION, COMPLETIONS),
        Route::Responses => (super::responses::CASES, &[]),
        Route::Embeddings => (EMBEDDINGS, &[]),
        Route::Rerank => (RERANK, &[]),
        Route::Tokenize => (TOKENIZE, &[]),
        Route::Detokenize => (DETOKENIZE, &[]),
    };
    first.iter().chain(second).collect()
}

fn request(route: Route, beside: &str, name: &str, value: &str) -> Vec<u8> {
    let mut request: Value = serde_json::from_slice(&with(route, beside)).unwrap();
    request[name] = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    serde_json::to_vec(&request).unwrap()
}

#[test]
fn every_field_takes_what_it_may_be_and_refuses_the_rest_by_its_name() {
    let mut wrong = Vec::new();
    for route in ROUTES {
        for (name, beside, accepted, refused) in cases(route) {
            for value in *accepted {
                if let Err(error) = parse(route, &request(route, beside, name, value)) {
                    wrong.push(format!("{route:?} {name} {value}: {error}"));
                }
            }
            for value in *refused {
                match parse(route, &request(route, beside, name, value)) {
                    Ok(()) => wrong.push(format!("{route:?} {name} {value} was accepted")),
                    Err(error) => {
                        let param = error.param.clone().unwrap_or_default();
                        if !param.starts_with(name) || !error.message.contains(&param) || error.code.is_none()
                        {
                            wrong.push(format!("{route:?} {name} {value}: {error:?}"));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_field_that_works_has_cases_above() {
    for route in ROUTES {
        let works = parameters(route).iter().filter(|parameter| parameter.support == Support::Works);
        let named: BTreeSet<&str> = works.map(|parameter| parameter.name).collect();
        let covered: BTreeSet<&str> = cases(route).iter().map(|case| case.0).collect();
        assert_eq!(named, covered, "{route:?}");
        let all = parameters(route).len();
        let names: BTreeSet<&str> = parameters(route).iter().map(|parameter| parameter.name).collect();
        assert_eq!(names.len(), all, "{route:?} has a name twice");
    }
}

#[test]
fn fields_that_are_ignored_or_refused_are_so_whatever_they_hold() {
    for route in ROUTES {
        for parameter in parameters(route) {
            let ask = |value: &str| parse(route, &request(route, "{}", parameter.name, value));
            match parameter.support {
                Support::Works => {}
                Support::Ignored(_) => {
                    for value in ["1", "\"a\"", "{}", "[]", "null", "true"] {
                        assert_eq!(ask(value), Ok(()), "{} {value}", parameter.name);
                    }
                }
                Support::Refused(why) => {
                    assert_eq!(ask("null"), Ok(()), "{}", parameter.name);
                    assert_eq!(ask(parameter.accepts), Ok(()), "{}", parameter.name);
                    for value in ["1", "\"a\"", "{}", "[\"audio\"]", "true"] {
                        let error = ask(value).unwrap_err();
                        assert_eq!(error.message, format!("'{}' is not supported: {why}", parameter.name));
                        assert_eq!(error.code, Some("unsupported_parameter"));
                    }
                }
            }
        }
    }
}

#[test]
fn null_is_as_good_as_nothing() {
    for route in ROUTES {
        for parameter in parameters(route) {
            let is_needed = smallest(route).contains_key(parameter.name);
            let read = parse(route, &request(route, "{}", parameter.name, "null"));
            assert_eq!(read.is_err(), is_needed, "{route:?} {}", parameter.name);
        }
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let check = |members: &str, param: Option<&str>, code: &str, message: &str| {
        let error = chat(members).unwrap_err();
        assert_eq!(error.message, message);
        assert_eq!((error.param.as_deref(), error.code), (param, Some(code)), "{members}");
    };
    check(
        r#"{"temperature":3}"#,
        Some("temperature"),
        "invalid_value",
        "'temperature' must be a number from 0 to 2",
    );
    check(r#"{"foo":1}"#, Some("foo"), "unknown_parameter", "Unrecognized request argument supplied: foo");
    check(
        r#"{"model":null}"#,
        Some("model"),
        "missing_required_parameter",
        "'model' is missing: it must be the name of a model",
    );
    check(
        r#"{"functions":[]}"#,
        Some("functions"),
        "unsupported_parameter",
        "'functions' is not supported: use 'tools' and 'tool_choice'",
    );
    check(
        r#"{"max_tokens":5,"max_completion_tokens":6}"#,
        Some("max_tokens"),
        "invalid_value",
        "'max_tokens' is 5 but 'max_completion_tokens' is 6: give one of them",
    );
    check(
        r#"{"structured_outputs":{"regex":"a"},"response_format":{"type":"json_object"}}"#,
        Some("structured_outputs"),
        "invalid_value",
        "'structured_outputs' cannot be given together with 'response_format': give one of them",
    );
    check(
        r#"{"tools":[{"type":"function","function":{"name":"f","extra":1}}]}"#,
        Some("tools[0].function.extra"),
        "unknown_parameter",
        "Unrecognized request argument supplied: tools[0].function.extra",
    );
}

#[test]
fn a_body_that_is_no_object_or_has_a_field_twice_is_an_error() {
    let check = |body: &str, message: &str| {
        let error = ChatRequest::parse(body.as_bytes()).unwrap_err();
        assert!(error.message.starts_with(message), "{body}: {error}");
    };
    check("", "the body is not JSON: ");
    check("{\"model\":\"m\"", "the body is not JSON: ");
    check("{} {}", "the body is not JSON: ");
    check("[]", "the body must be a JSON object");
    check("null", "the body must be a JSON object");
    check(&format!("\"{}\"", "long".repeat(1000)), "the body must be a JSON object");
    check(&"[".repeat(100_000), "the body ");
    check(&format!("{{\"tools\":{}", "[".repeat(100_000)), "the body is not JSON: recursion limit");
    check(r#"{"model":"a","model":"b"}"#, "'model' is given twice");
    let long = ChatRequest::parse(format!("{{\"{}\":1}}", "x".repeat(100_000)).as_bytes()).unwrap_err();
    assert!(long.message.len() < 200, "{}", long.message.len());
}

#[test]
fn lists_have_an_end() {
    let check = |route: Route, name: &str, at_most: usize, entry: Value| {
        for (length, is_accepted) in [(at_most, true), (at_most + 1, false)] {
            let mut request = smallest(route);
            request.insert(name.to_owned(), Value::from(vec![entry.clone(); length]));
            let read = parse(route, &serde_json::to_vec(&request).unwrap());
            assert_eq!(read.is_ok(), is_accepted, "{name} {length}: {read:?}");
        }
    };
    check(Route::ChatCompletions, "messages", 4096, json!({ "role": "user", "content": "a" }));
    check(Route::Completions, "prompt", 64, json!("a"));
    check(Route::Responses, "input", 4096, json!({ "role": "user", "content": "a" }));
    check(Route::Embeddings, "input", 2048, json!([1]));
    check(Route::Rerank, "documents", 2048, json!("a"));
    check(Route::Detokenize, "tokens", 1_048_576, json!(1));
    let biases = |count: usize| -> Value {
        (0..count).map(|token| (token.to_string(), json!(1))).collect::<Map<_, _>>().into()
    };
    assert!(chat(&json!({ "logit_bias": biases(1024) }).to_string()).is_ok());
    assert!(chat(&json!({ "logit_bias": biases(1025) }).to_string()).is_err());
    let tools = |count: usize| -> Value {
        (0..count)
            .map(|index| json!({ "type": "function", "function": { "name": format!("f{index}") } }))
            .collect()
    };
    assert!(chat(&json!({ "tools": tools(128) }).to_string()).is_ok());
    assert!(chat(&json!({ "tools": tools(129) }).to_string()).is_err());
}
