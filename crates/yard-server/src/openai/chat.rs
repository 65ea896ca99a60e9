//! `POST /v1/chat/completions`.

use http::StatusCode;
use serde_json::{Map, Value};
use yard_api::openai::{
    AnswerHead, AssistantMessage, ChatChoice, ChatCompletion, ChatCompletionChunk, ChatDelta, ChatMessage,
    ChatRequest, ChatRole, ChunkChoice, FinishReason, FunctionTool, StreamUsage, ToolChoice, Usage,
    server_sent,
};
use yard_language::messages::{self, Chat, ChatToolCall, EncodeRequest, Token, encode_request};

use super::{
    asked::{Asked, head},
    events::{Pieces, stream},
    logprobs,
    target::Target,
    whole,
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, json},
};

pub(crate) async fn chat(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = ChatRequest::parse(&payload.bytes())?;
    if !request.tools.is_empty() && request.tool_choice != ToolChoice::None {
        let message = "'tools' are not supported yet, unless 'tool_choice' is 'none'";
        return Err(Failure::invalid(message).with_param("tools").with_detail("unsupported_parameter"));
    }
    let target = Target::find(call, &request.model).await?;
    let prompt = target.model.encode(&Prompt::of(&request).request()).await.map_err(of_the_messages)?;
    let n = request.sampling.n;
    let asked = Asked { prompts: vec![prompt], sampling: request.sampling, output: request.output };
    let answers = asked.begin(call, &target, "messages")?;
    let head = head(&target, "chatcmpl", call);
    if let Some(options) = request.stream {
        let pieces = ChatPieces { head, include_usage: options.include_usage };
        return stream(call, target, answers, n, pieces).await;
    }
    let answers = whole::all(answers).await?;
    let used: Vec<_> = answers.iter().map(|answer| answer.usage).collect();
    let choices = answers.into_iter().zip(0..).map(|(answer, index)| ChatChoice {
        index,
        logprobs: logprobs::of_chat(&answer.tokens),
        message: AssistantMessage::new(Some(answer.text)),
        finish_reason: answer.reason,
    });
    let completion = ChatCompletion::new(&head, choices.collect(), whole::usage(&used, n));
    let mut answer = json(StatusCode::OK, &completion)?;
    target.name_version(&mut answer);
    Ok(answer)
}

/// A chat to be written in the model's own words.
pub(super) struct Prompt<'a> {
    pub(super) messages: &'a [ChatMessage],
    pub(super) tools: &'a [FunctionTool],
    pub(super) tool_choice: &'a ToolChoice,
    pub(super) settings: &'a Map<String, Value>,
    pub(super) begin_answer: bool,
}

impl<'a> Prompt<'a> {
    fn of(request: &'a ChatRequest) -> Self {
        Self {
            messages: &request.messages,
            tools: &request.tools,
            tool_choice: &request.tool_choice,
            settings: &request.chat_template_kwargs,
            begin_answer: true,
        }
    }

    pub(super) fn request(&self) -> EncodeRequest {
        let tools = self.tools.iter().filter(|_| *self.tool_choice != ToolChoice::None);
        let chat = Chat {
            messages: self.messages.iter().map(message).collect(),
            tools: tools.map(tool).collect(),
            begin_answer: self.begin_answer,
            settings: if self.settings.is_empty() { String::new() } else { as_text(self.settings) },
            now: jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).to_string(),
        };
        EncodeRequest { input: Some(encode_request::Input::Chat(chat)) }
    }
}

/// What the template says of the chat concerns its messages.
pub(super) fn of_the_messages(error: yard_language::LanguageError) -> Failure {
    let failure = Failure::from(error);
    if failure.code() == yard_types::ErrorCode::InvalidArgument {
        failure.with_param("messages")
    } else {
        failure
    }
}

fn message(message: &ChatMessage) -> messages::ChatMessage {
    let role = match message.role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
        ChatRole::Tool => "tool",
    };
    let tool_calls = message.tool_calls.iter().map(|call| ChatToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: as_text(&call.arguments),
    });
    messages::ChatMessage {
        role: role.to_owned(),
        content: message.content.clone(),
        reasoning: message.reasoning.clone(),
        tool_calls: tool_calls.collect(),
        tool_call_id: message.tool_call_id.clone(),
        name: message.name.clone(),
    }
}

fn tool(tool: &FunctionTool) -> String {
    as_text(&tool.to_value())
}

fn as_text(value: &impl serde::Serialize) -> String {
    // Values with text keys can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// The events of a chat.
struct ChatPieces {
    head: AnswerHead,
    include_usage: bool,
}

impl ChatPieces {
    fn event(&self, choices: Vec<ChunkChoice>, usage: StreamUsage) -> String {
        server_sent(&ChatCompletionChunk::new(&self.head, choices, usage))
    }

    fn choice(&self, choice: ChunkChoice) -> String {
        let usage = if self.include_usage { StreamUsage::Pending } else { StreamUsage::LeftOut };
        self.event(vec![choice], usage)
    }
}

impl Pieces for ChatPieces {
    fn begin(&mut self, index: u32) -> String {
        self.choice(ChunkChoice { index, delta: ChatDelta::first(), logprobs: None, finish_reason: None })
    }

    fn token(&mut self, index: u32, token: Token) -> String {
        let logprobs = logprobs::of_chat([&token]);
        if token.text.is_empty() && logprobs.is_none() {
            return String::new();
        }
        self.choice(ChunkChoice {
            index,
            delta: ChatDelta::content(token.text),
            logprobs,
            finish_reason: None,
        })
    }

    fn end(&mut self, index: u32, text: String, last: Option<Token>, reason: FinishReason) -> String {
        let mut events = String::new();
        let logprobs = logprobs::of_chat(&last);
        if !text.is_empty() || logprobs.is_some() {
            let delta = ChatDelta::content(text);
            events.push_str(&self.choice(ChunkChoice { index, delta, logprobs, finish_reason: None }));
        }
        let delta = ChatDelta::default();
        events.push_str(&self.choice(ChunkChoice {
            index,
            delta,
            logprobs: None,
            finish_reason: Some(reason),
        }));
        events
    }

    fn usage(&mut self, usage: Usage) -> String {
        if self.include_usage { self.event(Vec::new(), StreamUsage::Total(usage)) } else { String::new() }
    }
}
