//! `POST /v1/chat/completions`.

use http::StatusCode;
use serde_json::{Map, Value};
use yard_api::openai::{
    AnswerHead, AssistantMessage, ChatChoice, ChatCompletion, ChatCompletionChunk, ChatDelta, ChatLogprobs,
    ChatMessage, ChatRequest, ChatRole, ChunkChoice, FinishReason, FunctionTool, StreamUsage, ToolChoice,
    Usage, server_sent,
};
use yard_chat::ToolCallReader;
use yard_language::messages::{self, Chat, ChatToolCall, EncodeRequest, Token, encode_request};

use super::{
    asked::{Asked, head},
    events::{Pieces, stream},
    logprobs,
    target::Target,
    texts,
    tools::{self, Tools},
    whole,
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, json},
};

pub(crate) async fn chat(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let mut request = super::read(payload, ChatRequest::parse).await?;
    let target = Target::find(call, &request.model).await?;
    let tools = Tools::of(&request, &target)?;
    let mut prompt = target.model.encode(&Prompt::of(&request).request()).await.map_err(of_the_messages)?;
    if let Some(opening) = tools.as_ref().and_then(Tools::opening) {
        prompt.extend(target.model.encode(&texts::of_text(opening.to_owned(), false, true)).await?);
    }
    // An answer may take minutes, and the conversation is in tokens now.
    drop(std::mem::take(&mut request.messages));
    let n = request.sampling.n;
    let output = tools.as_ref().and_then(Tools::output).unwrap_or(request.output);
    let asked = Asked { prompts: vec![prompt], sampling: request.sampling, output };
    let answers = asked.begin(call, &target, "messages")?;
    let head = head(&target, "chatcmpl", call);
    if let Some(options) = request.stream {
        let readers = (0..answers.len()).map(|_| tools.as_ref().map(Tools::reader)).collect();
        let pieces = ChatPieces { head, include_usage: options.include_usage, readers };
        return stream(call, target, answers, n, pieces).await;
    }
    let answers = whole::all(answers).await?;
    let used: Vec<_> = answers.iter().map(|answer| answer.usage).collect();
    let choices = answers.into_iter().zip(0..).map(|(answer, index)| {
        let message = match &tools {
            Some(tools) => tools.message(&answer.text),
            None => AssistantMessage::new(Some(answer.text)),
        };
        ChatChoice {
            index,
            logprobs: logprobs::of_chat(&answer.tokens),
            finish_reason: reason(answer.reason, !message.tool_calls.is_empty()),
            message,
        }
    });
    let completion = ChatCompletion::new(&head, choices.collect(), whole::usage(&used, n));
    let mut answer = json(StatusCode::OK, &completion)?;
    target.name_version(&mut answer);
    Ok(answer)
}

/// Why an answer ends, when it may have called functions.
fn reason(reason: FinishReason, has_called: bool) -> FinishReason {
    if has_called && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason }
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
    pub(super) fn of(request: &'a ChatRequest) -> Self {
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
    /// What takes each answer apart that may call functions.
    readers: Vec<Option<ToolCallReader>>,
}

impl ChatPieces {
    fn event(&self, choices: Vec<ChunkChoice>, usage: StreamUsage) -> String {
        server_sent(&ChatCompletionChunk::new(&self.head, choices, usage))
    }

    fn choice(&self, choice: ChunkChoice) -> String {
        let usage = if self.include_usage { StreamUsage::Pending } else { StreamUsage::LeftOut };
        self.event(vec![choice], usage)
    }

    /// What has been added, an event for each part; the probabilities of its tokens go with the first.
    fn added(&self, index: u32, deltas: Vec<ChatDelta>, mut logprobs: Option<ChatLogprobs>) -> String {
        let deltas =
            if deltas.is_empty() && logprobs.is_some() { vec![ChatDelta::content("")] } else { deltas };
        let choice = |delta| ChunkChoice { index, delta, logprobs: logprobs.take(), finish_reason: None };
        deltas.into_iter().map(choice).map(|choice| self.choice(choice)).collect()
    }

    /// A text of an answer in its parts.
    fn parts(&mut self, index: u32, text: String) -> Vec<ChatDelta> {
        match self.readers.get_mut(index as usize) {
            Some(Some(reader)) => reader.push(&text).into_iter().map(tools::delta).collect(),
            _ if text.is_empty() => Vec::new(),
            _ => vec![ChatDelta::content(text)],
        }
    }
}

impl Pieces for ChatPieces {
    fn begin(&mut self, index: u32) -> String {
        self.choice(ChunkChoice { index, delta: ChatDelta::first(), logprobs: None, finish_reason: None })
    }

    fn token(&mut self, index: u32, token: Token) -> String {
        let logprobs = logprobs::of_chat([&token]);
        let deltas = self.parts(index, token.text);
        self.added(index, deltas, logprobs)
    }

    fn end(&mut self, index: u32, text: String, last: Option<Token>, ended: FinishReason) -> String {
        let mut deltas = self.parts(index, text);
        let mut has_called = false;
        if let Some(reader) = self.readers.get_mut(index as usize).and_then(Option::take) {
            has_called = reader.calls() > 0;
            deltas.extend(reader.finish().into_iter().map(tools::delta));
        }
        let mut events = self.added(index, deltas, logprobs::of_chat(&last));
        let finish_reason = Some(reason(ended, has_called));
        let delta = ChatDelta::default();
        events.push_str(&self.choice(ChunkChoice { index, delta, logprobs: None, finish_reason }));
        events
    }

    fn usage(&mut self, usage: Usage) -> String {
        if self.include_usage { self.event(Vec::new(), StreamUsage::Total(usage)) } else { String::new() }
    }
}
