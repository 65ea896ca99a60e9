//! The template that a model's chats are written with.

use std::collections::HashSet;

use yard_chat::{BuiltIn, ChatTemplate, SpecialTexts, TemplateError, TemplateLimits};
use yard_llm::{TokenId, TokenKind, Tokenizer};

/// Where a template comes from that the model's file brings.
pub(crate) const FROM_FILE: &str = "file";

/// The template in the model's file or, if it has none, of the form whose tokens its vocabulary has; with where it comes
/// from: [`FROM_FILE`] or the form's name. `None` for a model that was not made for chats.
pub(crate) fn of(tokenizer: &Tokenizer) -> Result<Option<(ChatTemplate, &'static str)>, TemplateError> {
    let (source, from) = match tokenizer.chat_template() {
        Some(source) => (source, FROM_FILE),
        None => match built_in(tokenizer) {
            Some(form) => (form.source(), form.name()),
            None => return Ok(None),
        },
    };
    let special = tokenizer.special_tokens();
    let text = |token: Option<TokenId>| {
        let bytes = token.and_then(|token| tokenizer.token_bytes(token)).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let specials = SpecialTexts { beginning: text(special.beginning), end: text(special.end) };
    let template = ChatTemplate::new(source, specials, TemplateLimits::default())?;
    Ok(Some((template, from)))
}

fn built_in(tokenizer: &Tokenizer) -> Option<BuiltIn> {
    let named = (0..).take(tokenizer.vocabulary_size()).filter(|token| {
        matches!(tokenizer.token_kind(*token), Some(TokenKind::Control | TokenKind::UserDefined))
    });
    let named: HashSet<&[u8]> = named.filter_map(|token| tokenizer.token_bytes(token)).collect();
    BuiltIn::for_vocabulary(|text| named.contains(text.as_bytes()))
}
