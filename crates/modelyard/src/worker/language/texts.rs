//! Texts become tokens and tokens texts beside the engine: a long one, or a template that works long, holds up no answer.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use jiff::civil::DateTime;
use serde_json::{Map, Value};
use yard_chat::{ChatTemplate, Conversation, Message, Role, ToolCall};
use yard_llm::{ControlText, EncodeOptions, TokenId, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::{
    Call, CallerGone, Request, Response,
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
}

impl Texts {
    /// For this vocabulary, and chats by this template.
    pub(super) fn new(tokenizer: Arc<Tokenizer>, template: Option<ChatTemplate>) -> io::Result<Self> {
        let (asked, asks) = mpsc::sync_channel::<(Call, Request)>(MOST_WAITING);
        let reader = Reader { tokenizer, template };
        let read = move || {
            for (call, request) in asks {
                if let Err(CallerGone::Gone(_)) = reader.answer(call, &request) {
                    return;
                }
            }
        };
        thread::Builder::new().name("texts".to_owned()).spawn(read)?;
        Ok(Self { asked })
    }

    /// Takes a call of one of the two kinds; it is answered in its time.
    pub(super) fn take(&self, call: Call, request: Request) -> Result<(), CallerGone> {
        self.asked.try_send((call, request)).or_else(|error| {
            let (mpsc::TrySendError::Full(asked) | mpsc::TrySendError::Disconnected(asked)) = error;
            let (call, request) = asked;
            let refusal = Refusal::new(ErrorCode::Unavailable, "too many texts are waiting to be read");
            if request.kind() == DECODE {
                refuse_decoding(call, refusal)
            } else {
                refuse_encoding(call, refusal)
            }
        })
    }
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
            Ok(asked) => match self.encode(asked) {
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
            .render(&self.conversation(chat)?)
            .map_err(|error| invalid(format!("the model's chat template: {error}")))?;
        // Templates write the tokens that begin and end a text themselves.
        Ok(self.tokenizer.encode(&text, EncodeOptions { add_special: false, parse_special: true }))
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
