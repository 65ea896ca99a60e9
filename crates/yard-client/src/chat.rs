//! Chats with language models, answered piece by piece over OpenAI's API.

mod answer;
mod request;

use std::time::Duration;

use reqwest::{Method, Response, header::ACCEPT};
use serde_json::Value;
use tokio::time::timeout;
use yard_types::{ModelName, Selector};

use crate::{Client, ClientError};
use answer::{AnswerReader, Unreadable};

/// A server sends at least a comment more often than this.
const MAX_SILENCE: Duration = Duration::from_secs(45);

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatRole {
    /// Whoever runs the application.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// The text.
    pub content: String,
}

/// How an answer is wanted. What is left out, the server decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatOptions {
    /// 0 takes the best token each time; higher, up to 2, chooses more freely.
    pub temperature: Option<f64>,
    /// Most tokens of the answer; as many as there is room for if it is left out.
    pub max_tokens: Option<u32>,
    /// Decides all draws.
    pub seed: Option<i64>,
    /// A JSON schema that the answer keeps to.
    pub schema: Option<Value>,
}

/// What comes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatPart {
    /// More of its text.
    Text(String),
    /// It is complete.
    Ended(ChatEnd),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatEnd {
    /// Why.
    pub finish: ChatFinish,
    /// What it took.
    pub usage: ChatUsage,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatFinish {
    /// The model ended it.
    Stop,
    /// It had as many tokens as were allowed, or as there was room for.
    Length,
    /// Something that this client does not know, in the server's word.
    Other(String),
}

/// How many tokens an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChatUsage {
    /// Those of the chat before it.
    pub prompt_tokens: u64,
    /// Those of them that the model had read before.
    pub cached_tokens: u64,
    /// Its own.
    pub answer_tokens: u64,
}

/// An answer that is being written. Dropping it ends it at the server too.
#[derive(Debug)]
pub struct ChatAnswer {
    client: Client,
    response: Response,
    reader: AnswerReader,
}

// === impl ChatMessage ===

impl ChatMessage {
    /// Something that is said by this one.
    pub fn new(role: ChatRole, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

// === impl ChatFinish ===

impl ChatFinish {
    /// The server's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Other(word) => word,
        }
    }
}

// === impl Client ===

impl Client {
    /// Has a language model answer a chat. Returns when it begins to, which may be after it was loaded.
    pub async fn chat(
        &self,
        model: &ModelName,
        selector: &Selector,
        messages: &[ChatMessage],
        options: &ChatOptions,
    ) -> Result<ChatAnswer, ClientError> {
        let name = name_of(model, selector);
        let body = request::Body::new(&name, messages, options);
        let url = self.url(["v1", "chat", "completions"]);
        let request = self.json_request(Method::POST, url, &body)?.header(ACCEPT, "text/event-stream");
        // No limit in time for the answer as a whole, but for its beginning.
        let response = timeout(self.options().commit_timeout, self.accepted(request)).await;
        let response = response.map_err(|_| self.timed_out())??;
        let reader = AnswerReader::new(self.options().max_answer);
        Ok(ChatAnswer { client: self.clone(), response, reader })
    }

    /// Makes sure that this is a language model that the key may use, and that it is loaded.
    pub async fn prepare_chat(&self, model: &ModelName, selector: &Selector) -> Result<(), ClientError> {
        let url = self.url(["v1", "models", &name_of(model, selector)]);
        let request = self.request(Method::GET, url).timeout(self.options().commit_timeout);
        self.accepted(request).await.map(drop)
    }
}

/// As requests name a model.
fn name_of(model: &ModelName, selector: &Selector) -> String {
    match selector {
        Selector::Production => model.to_string(),
        other => format!("{model}{other}"),
    }
}

// === impl ChatAnswer ===

impl ChatAnswer {
    /// Waits for what comes next; `None` once the answer has ended.
    pub async fn next(&mut self) -> Result<Option<ChatPart>, ClientError> {
        loop {
            if let Some(part) = self.reader.next().map_err(|error| self.failure(error))? {
                return Ok(Some(part));
            }
            if self.reader.is_over() {
                return Ok(None);
            }
            let chunk = timeout(MAX_SILENCE, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| self.client.timed_out())?;
            let chunk = chunk.map_err(|error| self.client.transport(error))?;
            let chunk = chunk.ok_or_else(|| self.client.protocol("it ends in the middle of an answer"))?;
            self.reader.take(&chunk).map_err(|error| self.failure(error))?;
        }
    }

    fn failure(&self, error: Unreadable) -> ClientError {
        match error {
            Unreadable::Refused(refusal) => refusal.into(),
            other => self.client.protocol(other.to_string()),
        }
    }
}
