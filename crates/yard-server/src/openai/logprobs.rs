//! How probable the tokens of an answer were.

use yard_api::openai::{ChatLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob, TopLogprobs};
use yard_language::messages::Token;

/// Of an answer's tokens, as chats write them; `None` where that was not asked for.
pub(super) fn of_chat<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> Option<ChatLogprobs> {
    let tokens: Option<Vec<TokenLogprob>> = tokens.into_iter().map(of_token).collect();
    tokens.filter(|tokens| !tokens.is_empty()).map(ChatLogprobs::new)
}

fn of_token(token: &Token) -> Option<TokenLogprob> {
    let top_logprobs = token.most_probable.iter().map(|other| TopLogprob {
        token: text(&other.bytes),
        logprob: other.log_probability,
        bytes: Some(other.bytes.to_vec()),
    });
    Some(TokenLogprob {
        token: text(&token.bytes),
        logprob: token.log_probability?,
        bytes: Some(token.bytes.to_vec()),
        top_logprobs: top_logprobs.collect(),
    })
}

/// A token's bytes may be a part of a character.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Of an answer's tokens, as completions write them; `None` where that was not asked for. `offset` is where the first of
/// them begins in the text, and then where the next one would.
pub(super) fn of_completion(tokens: &[Token], offset: &mut u64) -> Option<CompletionLogprobs> {
    let mut logprobs = CompletionLogprobs::default();
    for token in tokens {
        let text = text(&token.bytes);
        logprobs.token_logprobs.push(token.log_probability?);
        let others = token.most_probable.iter();
        logprobs.top_logprobs.push(TopLogprobs(
            others.map(|other| (self::text(&other.bytes), other.log_probability)).collect(),
        ));
        logprobs.text_offset.push(*offset);
        // Bytes that begin a character: of one that several tokens write, the first counts.
        *offset += token.bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() as u64;
        logprobs.tokens.push(text);
    }
    (!logprobs.tokens.is_empty()).then_some(logprobs)
}
