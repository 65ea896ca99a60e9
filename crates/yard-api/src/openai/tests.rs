//! Requests as clients write them, and the answers that they read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

mod answers;
mod fields;
mod messages;
mod reference;
mod responses;
mod values;

const ROUTES: [Route; 7] = [
    Route::ChatCompletions,
    Route::Completions,
    Route::Responses,
    Route::Embeddings,
    Route::Rerank,
    Route::Tokenize,
    Route::Detokenize,
];

/// A request that has what its route needs and nothing else.
fn smallest(route: Route) -> Map<String, Value> {
    let request = match route {
        Route::ChatCompletions => json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }),
        Route::Completions => json!({ "model": "m", "prompt": "Once" }),
        Route::Responses => json!({ "model": "m", "input": "hi" }),
        Route::Embeddings | Route::Tokenize => json!({ "model": "m", "input": "Once" }),
        Route::Rerank => json!({ "model": "m", "query": "who", "documents": ["a", "b"] }),
        Route::Detokenize => json!({ "model": "m", "tokens": [1, 2] }),
    };
    request.as_object().unwrap().clone()
}

/// The smallest request with these members besides or instead of its own.
fn with(route: Route, members: &str) -> Vec<u8> {
    let members: Value = serde_json::from_str(members).unwrap();
    let mut request = smallest(route);
    request.extend(members.as_object().unwrap().clone());
    serde_json::to_vec(&request).unwrap()
}

fn parse(route: Route, body: &[u8]) -> Result<(), ApiError> {
    match route {
        Route::ChatCompletions => ChatRequest::parse(body).map(drop),
        Route::Completions => CompletionRequest::parse(body).map(drop),
        Route::Responses => ResponsesRequest::parse(body).map(drop),
        Route::Embeddings => EmbeddingRequest::parse(body).map(drop),
        Route::Rerank => RerankRequest::parse(body).map(drop),
        Route::Tokenize => TokenizeRequest::parse(body).map(drop),
        Route::Detokenize => DetokenizeRequest::parse(body).map(drop),
    }
}

fn chat(members: &str) -> Result<ChatRequest, ApiError> {
    ChatRequest::parse(&with(Route::ChatCompletions, members))
}

/// A chat in which nearly everything is used.
const FULL_CHAT: &str = r#"{"model":"m","messages":[{"role":"developer","content":"Be brief."},
  {"role":"user","name":"ada","content":[{"type":"text","text":"Weather in "},{"type":"text","text":"Bonn?"}]},
  {"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function",
   "function":{"name":"weather","arguments":"{\"city\":\"Bonn\"}"}}]},
  {"role":"tool","tool_call_id":"c1","content":"rain"}],
  "tools":[{"type":"function","function":{"name":"weather","description":"d","strict":true,
   "parameters":{"type":"object","properties":{"z":{},"a":{}}}}}],
  "tool_choice":{"type":"function","function":{"name":"weather"}},"parallel_tool_calls":false,
  "temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"presence_penalty":1,
  "frequency_penalty":-1,"logit_bias":{"7":-100,"3":1.5},"logprobs":true,"top_logprobs":3,"seed":-1,"n":2,
  "max_completion_tokens":64,"stop":["\n","END"],"stream":true,"stream_options":{"include_usage":true},
  "response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"},"strict":true}},
  "chat_template_kwargs":{"enable_thinking":false},"user":"u","metadata":{"a":"b"},"service_tier":"auto"}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_a_request_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for route in ROUTES {
            let _ = parse(route, &body);
        }
    }

    #[test]
    fn a_request_with_changed_bytes_is_a_request_or_an_error(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        end in any::<proptest::sample::Index>(),
    ) {
        let mut body = FULL_CHAT.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let _ = ChatRequest::parse(&body);
        let _ = ChatRequest::parse(&body[..end.index(body.len())]);
    }

    #[test]
    fn any_value_in_any_field_is_accepted_or_refused_with_the_name_of_the_field(
        value in any_value(),
        route in proptest::sample::select(ROUTES.to_vec()),
        field in any::<proptest::sample::Index>(),
    ) {
        let parameter = field.get(parameters(route));
        let mut request = smallest(route);
        request.insert(parameter.name.to_owned(), value);
        if let Err(error) = parse(route, &serde_json::to_vec(&request).unwrap()) {
            let param = error.param.unwrap();
            // A tokenize request with two texts is wrong as a whole.
            prop_assert!(param.starts_with(parameter.name) || route == Route::Tokenize, "{param}");
            prop_assert!(error.message.contains(&param), "{}", error.message);
        }
    }
}

/// JSON of the kinds of objects that are read.
fn any_value() -> impl Strategy<Value = Value> {
    let names = ["type", "text", "role", "content", "function", "name", "json", "schema", "0", "7", "id"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3i64..20).prop_map(Value::from),
        proptest::sample::select(vec!["", "text", "user", "function", "auto", "json_schema", "a"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(names.to_vec()), inner), 0..6).prop_map(
                |members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            ),
        ]
    })
}
