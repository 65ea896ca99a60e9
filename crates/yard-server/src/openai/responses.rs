//! `POST /v1/responses`.
//!
//! A request is a chat in other words: it is asked as one. What differs is what comes back, a list of items, and that its
//! events say where in the list they belong.

mod items;

use http::StatusCode;
use yard_api::openai::{
    AnswerHead, ErrorBody, FinishReason, ResponseEvent, ResponseObject, ResponseStream, ResponsesRequest,
    TokenLogprob, Usage,
};
use yard_language::messages::Token;

use self::items::Items;
use super::{
    asked::{Asked, head},
    chat::{Prompt, of_the_messages},
    events::{Pieces, stream},
    logprobs,
    target::Target,
    texts,
    tools::Tools,
    whole,
};
use crate::{
    clock,
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer, Payload, json},
};

pub(crate) async fn respond(call: &OwnedCall, payload: &Payload) -> Result<Answer, Failure> {
    let request = super::read(payload, ResponsesRequest::parse).await?;
    let target = Target::find(call, &request.chat.model).await?;
    let tools = Tools::of(&request.chat, &target)?;
    let id = format!("resp_{}", call.request_id);
    let response = ResponseObject::begin(&AnswerHead { id, ..head(&target, "resp", call) }, &request);
    let chat = request.chat;
    let prompt = target.model.encode(&Prompt::of(&chat).request()).await;
    let mut prompt = prompt.map_err(|error| in_words_of_this_route(of_the_messages(error)))?;
    if let Some(opening) = tools.as_ref().and_then(Tools::opening) {
        prompt.extend(target.model.encode(&texts::of_text(opening.to_owned(), false, true)).await?);
    }
    // An answer may take minutes, and the conversation is in tokens now.
    drop(chat.messages);
    let output = tools.as_ref().and_then(Tools::output).unwrap_or(chat.output);
    let asked = Asked { prompts: vec![prompt], sampling: chat.sampling, output };
    let answers = asked.begin(call, &target, "input").map_err(in_words_of_this_route)?;
    let items = Items::new(call.request_id.to_string(), tools.as_ref().map(Tools::reader));
    if chat.stream.is_some() {
        let pieces = ResponsePieces::new(response, items);
        return stream(call, target, answers, 1, pieces).await;
    }
    let response = complete(response, items, whole::all(answers).await?);
    let mut answer = json(StatusCode::OK, &response)?;
    target.name_version(&mut answer);
    Ok(answer)
}

/// Chats have other names for what is wrong.
fn in_words_of_this_route(failure: Failure) -> Failure {
    match failure.param.as_deref() {
        Some("messages") => failure.with_param("input"),
        Some("max_tokens") => failure.with_param("max_output_tokens"),
        Some("response_format") => failure.with_param("text.format"),
        _ => failure,
    }
}

/// What is answered in one piece. There is one answer to a request.
fn complete(response: ResponseObject, mut items: Items, answers: Vec<whole::Whole>) -> ResponseObject {
    let used: Vec<_> = answers.iter().map(|answer| answer.usage).collect();
    let mut reason = FinishReason::Stop;
    for answer in answers {
        reason = answer.reason;
        items.add(&answer.text, logprobs_of(&answer.tokens));
        items.end(reason);
    }
    response.end(items.take(), reason, whole::usage(&used, 1), now())
}

fn logprobs_of<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> Vec<TokenLogprob> {
    logprobs::of_chat(tokens).map(|logprobs| logprobs.content).unwrap_or_default()
}

/// In seconds since 1970.
fn now() -> u64 {
    u64::try_from(clock::now().0 / 1_000).unwrap_or_default()
}

/// The events of a response.
struct ResponsePieces {
    events: ResponseStream,
    /// As it was when it began.
    response: ResponseObject,
    items: Items,
    reason: FinishReason,
}

impl ResponsePieces {
    fn new(response: ResponseObject, items: Items) -> Self {
        Self { events: ResponseStream::default(), response, items, reason: FinishReason::Stop }
    }

    fn write(&mut self, events: &[ResponseEvent]) -> String {
        events.iter().map(|event| self.events.write(event)).collect()
    }
}

impl Pieces for ResponsePieces {
    fn begin(&mut self, _: u32) -> String {
        let created = ResponseEvent::created(self.response.clone());
        let in_progress = ResponseEvent::of_response(self.response.clone());
        self.write(&[created, in_progress])
    }

    fn token(&mut self, _: u32, token: Token) -> String {
        let events = self.items.add(&token.text, logprobs_of([&token]));
        self.write(&events)
    }

    fn end(&mut self, _: u32, text: String, last: Option<Token>, reason: FinishReason) -> String {
        self.reason = reason;
        let mut events = self.items.add(&text, logprobs_of(&last));
        events.extend(self.items.end(reason));
        self.write(&events)
    }

    fn usage(&mut self, usage: Usage) -> String {
        let response = self.response.clone().end(self.items.take(), self.reason, usage, now());
        self.write(&[ResponseEvent::of_response(response)])
    }

    /// The last event is the end.
    fn done(&self) -> &'static str {
        ""
    }

    fn fail(&mut self, error: ErrorBody) -> String {
        let response = self.response.clone().fail(self.items.give_up(), error);
        self.write(&[ResponseEvent::of_response(response)])
    }
}

#[cfg(test)]
mod tests;
