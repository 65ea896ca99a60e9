//! A prompt as a chat, by the template in the model's file or, if it has none, by the tokens of its vocabulary.

use anyhow::{Context as _, Result};
use yard_chat::{Conversation, Message, Role};
use yard_llm::{EncodeOptions, TokenId, Tokenizer};

use crate::chat_template;

pub(super) fn tokens(tokenizer: &Tokenizer, system: Option<&str>, user: &str) -> Result<Vec<TokenId>> {
    let (template, _) = chat_template::of(tokenizer)?.context(
        "the model's file has no chat template, and its vocabulary none of the tokens of a chat: it was not made for one",
    )?;
    let mut messages = Vec::new();
    messages.extend(system.map(|system| Message::new(Role::System, system)));
    messages.push(Message::new(Role::User, user));
    let now = Some(jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()));
    let text =
        template.render(&Conversation { messages, begin_answer: true, now, ..Conversation::default() })?;
    // Templates write the tokens that begin and end a text themselves.
    Ok(tokenizer.encode(&text, EncodeOptions { add_special: false, parse_special: true }))
}
