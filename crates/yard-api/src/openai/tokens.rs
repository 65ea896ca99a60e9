//! `POST /tokenize` and `POST /detokenize`: what is asked.

use serde_json::{Map, Value};

use super::{
    chat::take_model,
    completions::read_tokens,
    error::ApiError,
    fields::Fields,
    messages::ChatMessage,
    parameters::{DETOKENIZE, TOKENIZE},
    tools::FunctionTool,
};

/// Most tokens whose text can be asked for.
const MAX_TOKENS: usize = 1_048_576;

/// What tokens are wanted of.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenizeInput {
    /// A text.
    Text {
        /// The text; it may be empty.
        text: String,
        /// Whether the tokens that begin and end a text, if the model has such, are added.
        add_special: bool,
        /// Whether texts of special tokens, such as the end of a message, become these tokens.
        parse_special: bool,
    },
    /// A chat, as the model's template writes it.
    Chat {
        /// What was said.
        messages: Vec<ChatMessage>,
        /// Functions that the model may ask for.
        tools: Vec<FunctionTool>,
        /// Further names that the chat template knows.
        chat_template_kwargs: Map<String, Value>,
        /// Whether the text ends where the assistant's next message begins.
        add_generation_prompt: bool,
    },
}

/// A text or chat whose tokens are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenizeRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// The text or chat.
    pub input: TokenizeInput,
}

/// Tokens whose text is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetokenizeRequest {
    /// The name of the model; not empty.
    pub model: String,
    /// The tokens, which may be beyond the model's vocabulary.
    pub tokens: Vec<u32>,
}

impl TokenizeRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown or has a value that it cannot have, or does not belong beside
    /// another.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, TOKENIZE)?;
        let model = take_model(&mut fields)?;
        let forms = ["input", "content", "messages"];
        if forms.iter().filter(|name| fields.has(name)).count() != 1 {
            let message = "give one of 'input', 'content' and 'messages'".to_owned();
            return Err(ApiError::invalid("input", message));
        }
        let input = match fields.has("messages") {
            true => take_chat(&mut fields)?,
            false => take_text(&mut fields)?,
        };
        match fields.first_left() {
            None => Ok(Self { model, input }),
            Some(name) => Err(fields.invalid(name)),
        }
    }
}

fn take_chat(fields: &mut Fields) -> Result<TokenizeInput, ApiError> {
    Ok(TokenizeInput::Chat {
        messages: ChatMessage::take_all(fields)?,
        tools: FunctionTool::take_all(fields)?,
        chat_template_kwargs: fields.object("chat_template_kwargs")?.unwrap_or_default(),
        add_generation_prompt: fields.bool("add_generation_prompt")?.unwrap_or(true),
    })
}

fn take_text(fields: &mut Fields) -> Result<TokenizeInput, ApiError> {
    let text = match fields.text("input")? {
        Some(text) => text,
        None => fields.text("content")?.unwrap_or_default(),
    };
    Ok(TokenizeInput::Text {
        text,
        add_special: fields.bool("add_special")?.unwrap_or(false),
        parse_special: fields.bool("parse_special")?.unwrap_or(true),
    })
}

impl DetokenizeRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not JSON, or a field is missing, unknown or has a value that it cannot have.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, DETOKENIZE)?;
        let model = take_model(&mut fields)?;
        let values = fields.list("tokens", MAX_TOKENS)?;
        let values = fields.needed("tokens", values)?;
        let tokens = read_tokens(&values).ok_or_else(|| fields.invalid("tokens"))?;
        Ok(Self { model, tokens })
    }
}
