//! What requests are read as.

use super::*;

#[test]
fn a_chat_that_says_nothing_else_has_the_defaults_of_the_api() {
    let request = chat("{}").unwrap();
    let sampling = SamplingFields {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        logit_bias: Vec::new(),
        logprobs: None,
        seed: None,
        n: 1,
        max_tokens: None,
        stop: Vec::new(),
    };
    assert_eq!(request.sampling, sampling);
    assert_eq!((request.stream, request.output), (None, OutputFormat::Text));
    assert_eq!(
        (request.tools, request.tool_choice, request.parallel_tool_calls),
        (vec![], ToolChoice::None, true)
    );
    let completion = CompletionRequest::parse(&with(Route::Completions, "{}")).unwrap();
    assert_eq!(completion.sampling, SamplingFields { max_tokens: Some(16), ..sampling });
    assert_eq!(completion.prompts, [TextOrTokens::Text("Once".to_owned())]);
}

#[test]
fn a_full_chat_is_read_field_by_field() {
    let request = ChatRequest::parse(FULL_CHAT.as_bytes()).unwrap();
    assert_eq!(
        request.sampling,
        SamplingFields {
            temperature: 0.5,
            top_p: 0.9,
            top_k: 40,
            min_p: 0.05,
            repetition_penalty: 1.1,
            presence_penalty: 1.0,
            frequency_penalty: -1.0,
            logit_bias: vec![(3, 1.5), (7, -100.0)],
            logprobs: Some(3),
            seed: Some(u64::MAX),
            n: 2,
            max_tokens: Some(64),
            stop: vec!["\n".to_owned(), "END".to_owned()],
        }
    );
    assert_eq!(request.stream, Some(StreamOptions { include_usage: true }));
    assert_eq!(request.tool_choice, ToolChoice::Function("weather".to_owned()));
    assert!(!request.parallel_tool_calls);
    assert_eq!(request.chat_template_kwargs["enable_thinking"], json!(false));
    let OutputFormat::JsonSchema { name, schema, strict, .. } = &request.output else { panic!("no schema") };
    assert_eq!((name.as_deref(), schema["type"].as_str(), *strict), (Some("s"), Some("object"), true));
}

#[test]
fn a_tool_is_written_as_it_came_with_its_parameters_in_their_order() {
    let request = ChatRequest::parse(FULL_CHAT.as_bytes()).unwrap();
    assert!(request.tools[0].strict);
    let expected = r#"{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object","properties":{"z":{},"a":{}}}}}"#;
    assert_eq!(request.tools[0].to_value().to_string(), expected);
    let bare = chat(r#"{"tools":[{"type":"function","function":{"name":"f"}}]}"#).unwrap();
    assert_eq!(bare.tool_choice, ToolChoice::Auto);
    let expected =
        r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}"#;
    assert_eq!(bare.tools[0].to_value().to_string(), expected);
}

#[test]
fn a_grammar_is_taken_by_chats_and_completions() {
    let members = r#"{"structured_outputs":{"regex":"a+"}}"#;
    assert_eq!(chat(members).unwrap().output, OutputFormat::Regex("a+".to_owned()));
    let completion = CompletionRequest::parse(&with(Route::Completions, members)).unwrap();
    assert_eq!(completion.output, OutputFormat::Regex("a+".to_owned()));
    let text = r#"{"structured_outputs":{"json":{"b":1,"a":2}},"response_format":{"type":"text"}}"#;
    let OutputFormat::JsonSchema { name: None, schema, strict: true, .. } = chat(text).unwrap().output else {
        panic!("no schema")
    };
    assert_eq!(serde_json::to_string(&schema).unwrap(), r#"{"b":1,"a":2}"#);
}

#[test]
fn prompts_and_inputs_are_texts_or_tokens() {
    let check = |prompt: &str, expected: &[TextOrTokens]| {
        let members = format!("{{\"prompt\":{prompt}}}");
        let request = CompletionRequest::parse(&with(Route::Completions, &members)).unwrap();
        assert_eq!(request.prompts, expected);
        let members = format!(
            "{{\"input\":{prompt},\"encoding_format\":\"base64\",\"dimensions\":8,\"truncate\":true}}"
        );
        let request = EmbeddingRequest::parse(&with(Route::Embeddings, &members)).unwrap();
        assert_eq!(request.inputs, expected);
        assert_eq!(request.encoding_format, EncodingFormat::Base64);
        assert_eq!((request.dimensions, request.truncate), (Some(8), true));
    };
    let text = |text: &str| TextOrTokens::Text(text.to_owned());
    check("\"a\"", &[text("a")]);
    check(r#"["a","b"]"#, &[text("a"), text("b")]);
    check("[1,2]", &[TextOrTokens::Tokens(vec![1, 2])]);
    check("[[1],[2,3]]", &[TextOrTokens::Tokens(vec![1]), TextOrTokens::Tokens(vec![2, 3])]);
}

#[test]
fn tokens_are_asked_for_of_a_text_or_of_a_chat() {
    let read = |members: &str| TokenizeRequest::parse(&with(Route::Tokenize, members));
    let text =
        |text: &str| TokenizeInput::Text { text: text.to_owned(), add_special: false, parse_special: true };
    assert_eq!(read("{}").unwrap().input, text("Once"));
    assert_eq!(read(r#"{"input":null,"content":"a"}"#).unwrap().input, text("a"));
    let chat = read(r#"{"input":null,"messages":[{"role":"user","content":"a"}]}"#).unwrap().input;
    let TokenizeInput::Chat { messages, add_generation_prompt: true, .. } = chat else { panic!("no chat") };
    assert_eq!(messages[0].content, "a");
    for members in [r#"{"content":"a"}"#, r#"{"input":null}"#] {
        let error = read(members).unwrap_err();
        assert_eq!(error.message, "give one of 'input', 'content' and 'messages'");
    }
    let tokens = DetokenizeRequest::parse(&with(Route::Detokenize, "{}")).unwrap().tokens;
    assert_eq!(tokens, [1, 2]);
}
