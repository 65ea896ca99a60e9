//! A prompt as a chat, by the template in the model's file or, if it has none, by the tokens of its vocabulary.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use yard_chat::{BuiltIn, ChatTemplate, Conversation, Message, Role, SpecialTexts, TemplateLimits};
use yard_llm::{EncodeOptions, TokenId, TokenKind, Tokenizer};

pub(super) fn tokens(tokenizer: &Tokenizer, system: Option<&str>, user: &str) -> Result<Vec<TokenId>> {
    let template = template(tokenizer)?;
    let mut messages = Vec::new();
    messages.extend(system.map(|system| Message::new(Role::System, system)));
    messages.push(Message::new(Role::User, user));
    let now = Some(jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()));
    let text =
        template.render(&Conversation { messages, begin_answer: true, now, ..Conversation::default() })?;
    // Templates write the tokens that begin and end a text themselves.
    Ok(tokenizer.encode(&text, EncodeOptions { add_special: false, parse_special: true }))
}

fn template(tokenizer: &Tokenizer) -> Result<ChatTemplate> {
    let built_in = || {
        let named = (0..).take(tokenizer.vocabulary_size()).filter(|token| {
            matches!(tokenizer.token_kind(*token), Some(TokenKind::Control | TokenKind::UserDefined))
        });
        let named: HashSet<&[u8]> = named.filter_map(|token| tokenizer.token_bytes(token)).collect();
        BuiltIn::for_vocabulary(|text| named.contains(text.as_bytes())).map(BuiltIn::source)
    };
    let source = tokenizer
        .chat_template()
        .or_else(built_in)
        .context("the model's file has no chat template, and its vocabulary none of the tokens of a chat: it was not made for one")?;
    let special = tokenizer.special_tokens();
    let text = |token: Option<TokenId>| {
        let bytes = token.and_then(|token| tokenizer.token_bytes(token)).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let specials = SpecialTexts { beginning: text(special.beginning), end: text(special.end) };
    Ok(ChatTemplate::new(source, specials, TemplateLimits::default())?)
}
