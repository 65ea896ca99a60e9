//! `POST /tokenize` and `POST /detokenize`.

use http::StatusCode;
use yard_api::openai::{DetokenizeRequest, TokenList, TokenText, TokenizeInput, TokenizeRequest, ToolChoice};
use yard_language::messages::{DecodeRequest, EncodeRequest, Text, encode_request};

use super::{chat, target::Target};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, json},
};

pub(crate) async fn tokenize(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = super::read(payload, TokenizeRequest::parse).await?;
    let target = Target::find(call, &request.model).await?;
    let tokens = match request.input {
        TokenizeInput::Text { text, add_special, parse_special } => {
            target.model.encode(&of_text(text, add_special, parse_special)).await?
        }
        TokenizeInput::Chat { messages, tools, chat_template_kwargs, add_generation_prompt } => {
            let chat = chat::Prompt {
                messages: &messages,
                tools: &tools,
                tool_choice: &ToolChoice::Auto,
                settings: &chat_template_kwargs,
                begin_answer: add_generation_prompt,
            };
            target.model.encode(&chat.request()).await.map_err(chat::of_the_messages)?
        }
    };
    json(StatusCode::OK, &TokenList::new(tokens))
}

pub(crate) async fn detokenize(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = super::read(payload, DetokenizeRequest::parse).await?;
    let target = Target::find(call, &request.model).await?;
    let asked = DecodeRequest { tokens: request.tokens, show_control: true };
    json(StatusCode::OK, &TokenText { content: target.model.decode(&asked).await? })
}

/// A text to be read.
pub(super) fn of_text(text: String, add_special: bool, parse_special: bool) -> EncodeRequest {
    let text = Text { text, add_special, parse_special };
    EncodeRequest { input: Some(encode_request::Input::Text(text)) }
}
