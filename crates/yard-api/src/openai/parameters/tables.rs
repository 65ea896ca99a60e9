//! The tables.

use super::Parameter;

const WHO_ASKS: &str = "callers are told apart by their keys";
const NOT_KEPT: &str = "answers are not kept";
const ONE_MODEL: &str = "the model is run once and answers with text";
const ASK_FOR_TOOLS: &str = "use 'tools' and 'tool_choice'";
const HOW_MUCH_THOUGHT: &str = "how a model is told so differs: see its template, and use 'chat_template_kwargs', \
     such as {\"enable_thinking\": false}";
const FOUND_ANYWAY: &str = "prompts that begin alike are found without it";
const KEPT_WHILE_ROOM: &str = "prompts are kept as long as there is room";
const WHICH_MODEL: &str = "needed: NAME, NAME@ALIAS or NAME:VERSION";
const FORMAT: &str =
    "'text' if left out; a schema has at most 131,072 bytes; not together with 'tools' that may be called";
const CHOICE: &str = "'auto' if there are 'tools', else 'none'";
const FOR_THE_TEMPLATE: &str = "further names for the chat template of the model";
const ONE_PIECE: &str = "a document is read in one piece, which 'truncate' cuts to what the model can read";
const ALL_AT_ONCE: &str = "nothing is kept between requests: send the whole conversation as 'input'";

/// What is the same for chats and completions.
const GENERATION: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works("frequency_penalty", "a number from -2 to 2").noted("0 if left out"),
    Parameter::works(
        "logit_bias",
        "an object of at most 1024 members that gives tokens, by their numbers, values from -100 to 100",
    )
    .noted("none if left out; is added to what the model gives these tokens"),
    Parameter::works("max_tokens", "a whole number from 1 to 4294967295")
        .noted("if left out, 16 for a completion, and as many as there is room for in a chat"),
    Parameter::works("n", "a whole number from 1 to 16")
        .noted("1 if left out; a request has at most 64 answers, those to all its prompts together"),
    Parameter::works("presence_penalty", "a number from -2 to 2").noted("0 if left out"),
    Parameter::works("seed", "a whole number from -9223372036854775808 to 9223372036854775807")
        .noted("drawn if left out; decides all draws, and each further answer has the next number"),
    Parameter::works("stop", "a text or up to 4 texts, none of them empty")
        .noted("none if left out; at most 1,024 bytes each; ends the answer and is no part of it"),
    Parameter::works("stream", "true or false").noted("false if left out"),
    Parameter::works("stream_options", "an object such as {\"include_usage\": true}, together with 'stream'")
        .noted("include_usage is false if left out; include_obfuscation may be given and does nothing"),
    Parameter::works("temperature", "a number from 0 to 2")
        .noted("1 if left out; 0 takes the most probable token each time"),
    Parameter::works("top_p", "a number above 0, to 1").noted("1 if left out"),
    // What OpenAI's API does not have, by the names that other servers gave it.
    Parameter::works("min_p", "a number from 0 to 1")
        .noted("0 if left out; drops tokens that have less than this part of the best one's probability"),
    Parameter::works("repetition_penalty", "a number from 0.01 to 100")
        .noted("1 if left out; above it, tokens that have come before get less probable"),
    Parameter::works(
        "structured_outputs",
        "an object with one of 'json' (a JSON Schema), 'regex' (a text) and 'grammar' (a text, in Lark)",
    )
    .noted("any text if left out; the answer is held to it; at most 131,072 bytes"),
    Parameter::works("top_k", "a whole number from 1 to 4294967295, or 0 or -1 for no limit")
        .noted("0 if left out; only so many of the most probable tokens are drawn from"),
    Parameter::ignored("user", WHO_ASKS),
];

pub(crate) const CHAT: &[Parameter] =
    &joined::<{ GENERATION.len() + CHAT_ONLY.len() }>(GENERATION, CHAT_ONLY);

const CHAT_ONLY: &[Parameter] = &[
    Parameter::works("messages", "a list of 1 to 4096 messages").noted("needed"),
    Parameter::works("logprobs", "true or false").noted("false if left out"),
    Parameter::works("max_completion_tokens", "a whole number from 1 to 4294967295")
        .noted("the newer name of 'max_tokens'; when both are given they must be equal"),
    Parameter::works("parallel_tool_calls", "true or false").noted("true if left out"),
    Parameter::works(
        "response_format",
        "an object whose 'type' is 'text', 'json_object' or 'json_schema', the last one with 'json_schema'",
    )
    .noted(FORMAT),
    Parameter::works("service_tier", "'auto' or 'default': there is one tier"),
    Parameter::works(
        "tool_choice",
        "'none', 'auto', 'required' or {\"type\": \"function\", \"function\": {\"name\": ...}}",
    )
    .noted(CHOICE),
    Parameter::works("tools", "a list of at most 128 functions").noted("none if left out"),
    Parameter::works("top_logprobs", "a whole number from 0 to 20, together with 'logprobs'")
        .noted("0 if left out"),
    Parameter::works("chat_template_kwargs", "an object").noted(FOR_THE_TEMPLATE),
    Parameter::ignored("metadata", NOT_KEPT),
    Parameter::ignored("prompt_cache_key", FOUND_ANYWAY),
    Parameter::ignored("prompt_cache_retention", KEPT_WHILE_ROOM),
    Parameter::ignored("safety_identifier", WHO_ASKS),
    Parameter::ignored("store", NOT_KEPT),
    Parameter::refused("audio", ONE_MODEL),
    Parameter::refused("function_call", ASK_FOR_TOOLS),
    Parameter::refused("functions", ASK_FOR_TOOLS),
    Parameter::refused_unless("modalities", "[\"text\"]", ONE_MODEL),
    Parameter::refused("moderation", ONE_MODEL),
    Parameter::refused("prediction", "an answer cannot be given in advance"),
    Parameter::refused("reasoning_effort", HOW_MUCH_THOUGHT),
    Parameter::refused_unless(
        "verbosity",
        "\"medium\"",
        "tell the model in a message how much it should say",
    ),
    Parameter::refused("web_search_options", "nothing is searched: give what was found in a message"),
];

pub(crate) const COMPLETIONS: &[Parameter] =
    &joined::<{ GENERATION.len() + COMPLETIONS_ONLY.len() }>(GENERATION, COMPLETIONS_ONLY);

const COMPLETIONS_ONLY: &[Parameter] = &[
    Parameter::works(
        "prompt",
        "a text, a list of token numbers, or a list of 1 to 64 of either, none of them empty",
    )
    .noted("needed"),
    Parameter::works("best_of", "left out or equal to 'n': there are no answers beyond those that are sent"),
    Parameter::works("logprobs", "a whole number from 0 to 5")
        .noted("none if left out; how many of the most probable tokens are told beside each chosen one"),
    Parameter::refused_unless("echo", "false", "put the prompt before the answer yourself"),
    Parameter::refused_unless("suffix", "\"\"", "what follows an answer is not known to the model"),
];

pub(crate) const RESPONSES: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works("input", "a text or a list of 1 to 4096 items").noted("needed: the whole conversation"),
    Parameter::works("include", "a list of nothing but 'message.output_text.logprobs'")
        .noted("nothing if left out"),
    Parameter::works("instructions", "a text").noted("what the model is told before 'input'"),
    Parameter::works("max_output_tokens", "a whole number from 1 to 4294967295")
        .noted("as many as there is room for if left out"),
    Parameter::works(
        "metadata",
        "an object of at most 16 texts of up to 512 characters, with names of up to 64",
    )
    .noted("none if left out; the answer repeats it"),
    Parameter::works("parallel_tool_calls", "true or false").noted("true if left out"),
    Parameter::works("service_tier", "'auto' or 'default': there is one tier"),
    Parameter::works("stream", "true or false").noted("false if left out"),
    Parameter::works("stream_options", "an object, together with 'stream'")
        .noted("include_obfuscation may be given and does nothing"),
    Parameter::works("temperature", "a number from 0 to 2")
        .noted("1 if left out; 0 takes the most probable token each time"),
    Parameter::works(
        "text",
        "an object whose 'format' is an object with a 'type': 'text', 'json_object' or 'json_schema', \
         the last one with 'name' and 'schema'",
    )
    .noted(FORMAT),
    Parameter::works("tool_choice", "'none', 'auto', 'required' or {\"type\": \"function\", \"name\": ...}")
        .noted(CHOICE),
    Parameter::works("tools", "a list of at most 128 functions").noted("none if left out"),
    Parameter::works("top_logprobs", "a whole number from 0 to 20, together with 'include' unless it is 0")
        .noted("0 if left out"),
    Parameter::works("top_p", "a number above 0, to 1").noted("1 if left out"),
    // What OpenAI's API does not have, by the name that other servers gave it.
    Parameter::works("chat_template_kwargs", "an object").noted(FOR_THE_TEMPLATE),
    Parameter::ignored("prompt_cache_key", FOUND_ANYWAY),
    Parameter::ignored("prompt_cache_options", FOUND_ANYWAY),
    Parameter::ignored("prompt_cache_retention", KEPT_WHILE_ROOM),
    Parameter::ignored("safety_identifier", WHO_ASKS),
    Parameter::ignored("store", NOT_KEPT),
    Parameter::ignored("user", WHO_ASKS),
    Parameter::refused_unless("background", "false", "answers are given while their clients wait"),
    Parameter::refused("background_options", "answers are given while their clients wait"),
    Parameter::refused("context_management", "what a conversation loses when it is too long is up to you"),
    Parameter::refused("conversation", ALL_AT_ONCE),
    Parameter::refused("image", "the model reads text"),
    Parameter::refused("max_tool_calls", "tools are run by you, who can count them"),
    Parameter::refused("moderation", ONE_MODEL),
    Parameter::refused("previous_response_id", ALL_AT_ONCE),
    Parameter::refused("prompt", "prompts are not kept: use 'instructions' and 'input'"),
    Parameter::refused("reasoning", HOW_MUCH_THOUGHT),
    Parameter::refused_unless(
        "truncation",
        "\"disabled\"",
        "a conversation without room is an error: shorten it",
    ),
];

pub(crate) const EMBEDDINGS: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works(
        "input",
        "a text, a list of token numbers, or a list of 1 to 2048 of either, none of them empty",
    )
    .noted("needed"),
    Parameter::works("dimensions", "a whole number from 1 to 65536")
        .noted("as many as the model has: any other number is an error"),
    Parameter::works("encoding_format", "'float' or 'base64'").noted("'float' if left out"),
    Parameter::works("truncate", "true or false")
        .noted("false if left out: a text that is too long is an error; true cuts it off"),
    Parameter::ignored("user", WHO_ASKS),
];

pub(crate) const RERANK: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works("query", "a text that is not empty").noted("needed"),
    Parameter::works(
        "documents",
        "a list of 1 to 2048 texts or objects with nothing but a 'text', none of them empty",
    )
    .noted("needed"),
    Parameter::works("top_n", "a whole number from 1 to 4294967295").noted("all documents if left out"),
    Parameter::works("return_documents", "true or false")
        .noted("false if left out; repeats the text of each document in its result"),
    Parameter::works("truncate", "true or false")
        .noted("false if left out: a text that is too long is an error; true cuts it off"),
    Parameter::ignored("user", WHO_ASKS),
    Parameter::refused("max_chunks_per_doc", ONE_PIECE),
    Parameter::refused("max_tokens_per_doc", ONE_PIECE),
    Parameter::refused("rank_fields", "a document is one text: join its fields yourself"),
    Parameter::refused_unless("return_embeddings", "false", "ask for them at /v1/embeddings"),
];

pub(crate) const TOKENIZE: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works("input", "a text").noted("one of 'input', 'content' and 'messages' is needed"),
    Parameter::works("content", "a text: another name of 'input'"),
    Parameter::works("messages", "a list of 1 to 4096 messages")
        .noted("instead of 'input': what the chat template writes of them"),
    Parameter::works("add_special", "true or false, together with a text")
        .noted("false if left out; adds the tokens that begin and end a text"),
    Parameter::works("parse_special", "true or false, together with a text")
        .noted("true if left out; reads names of special tokens as these tokens"),
    Parameter::works("add_generation_prompt", "true or false, together with 'messages'")
        .noted("true if left out; ends where the next message of the assistant begins"),
    Parameter::works("chat_template_kwargs", "an object, together with 'messages'").noted(FOR_THE_TEMPLATE),
    Parameter::works("tools", "a list of at most 128 functions, together with 'messages'")
        .noted("none if left out"),
];

pub(crate) const DETOKENIZE: &[Parameter] = &[
    Parameter::works("model", "the name of a model").noted(WHICH_MODEL),
    Parameter::works("tokens", "a list of at most 1048576 token numbers").noted("needed"),
];

const fn joined<const LENGTH: usize>(first: &[Parameter], second: &[Parameter]) -> [Parameter; LENGTH] {
    assert!(LENGTH == first.len() + second.len(), "the length of both tables together");
    let mut table = [first[0]; LENGTH];
    let mut place = 0;
    while place < LENGTH {
        table[place] = if place < first.len() { first[place] } else { second[place - first.len()] };
        place += 1;
    }
    table
}
