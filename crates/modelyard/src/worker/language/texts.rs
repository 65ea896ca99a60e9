//! Texts become tokens and tokens texts beside the engine: a long one, or a template that works long, holds up no answer.

use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use jiff::civil::DateTime;
use serde_json::{Map, Value};
use yard_chat::{ChatTemplate, Conversation, Message, Role, ToolCall};
use yard_llm::{ControlText, EncodeOptions, TokenId, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::{
    Call, CallId, CallerGone, Request, Response,
    language::{
        Chat, ChatMessage, ChatToolCall, DECODE, DecodeRequest, DecodeResponse, EncodeRequest,
        EncodeResponse, Refusal, Tokens, decode_response, encode_request, encode_response,
    },
};

/// Texts that may wait.
const MOST_WAITING: usize = 256;

/// The thread that reads texts. It ends with this.
pub(super) struct Texts {
    asked: mpsc::SyncSender<(Call, Request)>,
    /// Those that wait; whether they were stopped meanwhile.
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<CallId, bool>>>;

impl Texts {
    /// For this vocabulary, and chats by this template.
    pub(super) fn new(
        tokenizer: Arc<Tokenizer>,
        template: Option<ChatTemplate>,
        longest: usize,
    ) -> io::Result<Self> {
        let (asked, asks) = mpsc::sync_channel::<(Call, Request)>(MOST_WAITING);
        let longest_token =
            (0..).take(tokenizer.vocabulary_size()).filter_map(|token| tokenizer.token_bytes(token));
        let longest_token = longest_token.map(<[u8]>::len).max().unwrap_or(1);
        let reader = Reader { tokenizer, template, longest_text: longest.saturating_mul(longest_token) };
        let waiting = Waiting::default();
        let known = Arc::clone(&waiting);
        let read = move || {
            for (call, request) in asks {
                if lock(&known).remove(&call.id()) == Some(true) {
                    let refusal = Refusal::new(ErrorCode::Cancelled, "nobody wants it any more");
                    drop(refuse(call, &request, refusal));
                    continue;
                }
                if let Err(CallerGone::Gone(_)) = reader.answer(call, &request) {
                    return;
                }
            }
        };
        thread::Builder::new().name("texts".to_owned()).spawn(read)?;
        Ok(Self { asked, waiting })
    }

    /// Nobody wants the answer to a call any more.
    pub(super) fn stop(&self, id: CallId) {
        if let Some(is_stopped) = lock(&self.waiting).get_mut(&id) {
            *is_stopped = true;
        }
    }

    /// Takes a call of one of the two kinds; it is answered in its time.
    pub(super) fn take(&self, call: Call, request: Request) -> Result<(), CallerGone> {
        lock(&self.waiting).insert(call.id(), false);
        self.asked.try_send((call, request)).or_else(|error| {
            let (mpsc::TrySendError::Full(asked) | mpsc::TrySendError::Disconnected(asked)) = error;
            let (call, request) = asked;
            lock(&self.waiting).remove(&call.id());
            let refusal = Refusal::new(ErrorCode::Unavailable, "too many texts are waiting to be read");
            refuse(call, &request, refusal)
        })
    }
}

fn refuse(call: Call, request: &Request, refusal: Refusal) -> Result<(), CallerGone> {
    if request.kind() == DECODE { refuse_decoding(call, refusal) } else { refuse_encoding(call, refusal) }
}

/// Nobody panics while holding the lock; a poisoned one is as good.
fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<CallId, bool>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn refuse_encoding(call: Call, refusal: Refusal) -> Result<(), CallerGone> {
    let outcome = Some(encode_response::Outcome::Refused(refusal));
    call.answer(Response::new(&EncodeResponse { outcome }))
}

pub(super) fn refuse_decoding(call: Call, refusal: Refusal) -> Result<(), CallerGone> {
    let outcome = Some(decode_response::Outcome::Refused(refusal));
    call.answer(Response::new(&DecodeResponse { outcome }))
}

struct Reader {
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    /// Bytes of the longest text that could have room: longer ones are not worth the time of reading them.
    longest_text: usize,
}

impl Reader {
    fn answer(&self, call: Call, request: &Request) -> Result<(), CallerGone> {
        if request.kind() == DECODE {
            return match request.decode::<DecodeRequest>() {
                Ok(asked) => {
                    let control = if asked.show_control { ControlText::Shown } else { ControlText::Hidden };
                    let text = self.tokenizer.decode(&asked.tokens, control);
                    let outcome = Some(decode_response::Outcome::Text(text));
                    call.answer(Response::new(&DecodeResponse { outcome }))
                }
                Err(bad) => call.refuse(bad),
            };
        }
        match request.decode::<EncodeRequest>() {
            // A template or a text that breaks something fails its own request.
            Ok(asked) => match catch_unwind(AssertUnwindSafe(|| self.encode(asked)))
                .unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Internal, "the text could not be read")))
            {
                Ok(tokens) => {
                    let outcome = Some(encode_response::Outcome::Tokens(Tokens { tokens }));
                    call.answer(Response::new(&EncodeResponse { outcome }))
                }
                Err(refusal) => refuse_encoding(call, refusal),
            },
            Err(bad) => call.refuse(bad),
        }
    }

    fn encode(&self, asked: EncodeRequest) -> Result<Vec<TokenId>, Refusal> {
        match asked.input {
            Some(encode_request::Input::Text(text)) => {
                let options =
                    EncodeOptions { add_special: text.add_special, parse_special: text.parse_special };
                self.check_length(text.text.len())?;
                Ok(self.tokenizer.encode(&text.text, options))
            }
            Some(encode_request::Input::Chat(chat)) => self.encode_chat(chat),
            None => Err(invalid("neither a text nor a chat")),
        }
    }

    fn encode_chat(&self, chat: Chat) -> Result<Vec<TokenId>, Refusal> {
        let template = self.template.as_ref().ok_or_else(|| {
            invalid(
                "the model has no chat template, and its vocabulary none of the tokens of a chat: it was not made for \
                 chats; ask for a completion of a text instead",
            )
        })?;
        let text = template
            .render(&template.fitted(self.conversation(chat)?))
            .map_err(|error| invalid(format!("the model's chat template: {error}")))?;
        self.check_length(text.len())?;
        // Templates write the tokens that begin and end a text themselves.
        Ok(self.tokenizer.encode(&text, EncodeOptions { add_special: false, parse_special: true }))
    }

    fn check_length(&self, bytes: usize) -> Result<(), Refusal> {
        if bytes <= self.longest_text {
            return Ok(());
        }
        Err(invalid(format!(
            "the text has {bytes} bytes, and no text of more than {} can have room in the model",
            self.longest_text
        )))
    }

    fn conversation(&self, chat: Chat) -> Result<Conversation, Refusal> {
        let messages =
            chat.messages.into_iter().map(|message| self.message(message)).collect::<Result<_, _>>()?;
        let tools = chat.tools.iter().map(|tool| self.json(tool)).collect::<Result<_, _>>()?;
        let settings = match chat.settings.as_str() {
            "" => Map::new(),
            settings => match self.json(settings)? {
                Value::Object(settings) => settings,
                _ => return Err(invalid("the settings of a chat template are no JSON object")),
            },
        };
        let now = match chat.now.as_str() {
            "" => None,
            now => Some(now.parse::<DateTime>().map_err(|_| invalid("the time of a chat is no time"))?),
        };
        Ok(Conversation { messages, tools, begin_answer: chat.begin_answer, now, settings })
    }

    fn message(&self, message: ChatMessage) -> Result<Message, Refusal> {
        let role = [Role::System, Role::User, Role::Assistant, Role::Tool]
            .into_iter()
            .find(|role| role.as_str() == message.role)
            .ok_or_else(|| invalid("a message of nobody"))?;
        let tool_calls =
            message.tool_calls.into_iter().map(|call| self.tool_call(call)).collect::<Result<_, _>>()?;
        let guarded = |text: Option<String>| text.map(|text| self.guarded(&text));
        Ok(Message {
            role,
            content: self.guarded(&message.content),
            reasoning: guarded(message.reasoning),
            tool_calls,
            tool_call_id: guarded(message.tool_call_id),
            name: guarded(message.name),
        })
    }

    fn tool_call(&self, call: ChatToolCall) -> Result<ToolCall, Refusal> {
        let arguments = self.json(&call.arguments)?;
        Ok(ToolCall { id: self.guarded(&call.id), name: self.guarded(&call.name), arguments })
    }

    fn json(&self, text: &str) -> Result<Value, Refusal> {
        let value = serde_json::from_str(text).map_err(|_| invalid("a part of the chat is no JSON"))?;
        Ok(self.guarded_value(value))
    }

    fn guarded_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.guarded(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.guarded_value(value)).collect(),
            Value::Object(values) => values
                .into_iter()
                .map(|(key, value)| (self.guarded(&key), self.guarded_value(value)))
                .collect(),
            other => other,
        }
    }

    /// What is said is text, also where it spells a control token.
    fn guarded(&self, text: &str) -> String {
        self.tokenizer.guarded(text).into_owned()
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidArgument, message)
}
