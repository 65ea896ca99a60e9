//! Answers that are given while they are written: server-sent events.
//!
//! A client that leaves drops the stream, and with it its answers; one that reads slowly holds up nobody but itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll, unfold},
};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use tokio::time::Instant;
use yard_api::openai::{DONE, ErrorBody, FinishReason, Usage, server_sent};
use yard_language::{
    Answer, LanguageError, Part,
    messages::{Token, Usage as Used},
};

use super::{
    spending::{Answers, Spending},
    target::Target,
    whole,
};
use crate::{
    dispatch::OwnedCall,
    failure::Failure,
    http::{Answer as HttpAnswer, AnswerBody, openai_error},
    state::ServerState,
};

/// Longest silence on a stream; less where connections are closed sooner.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the key of a stream is looked at again.
const KEY_CHECK: Duration = Duration::from_secs(10);

/// How a route writes what comes of its answers. Each gives whole events, or nothing.
pub(super) trait Pieces: Send + 'static {
    /// An answer begins.
    fn begin(&mut self, index: u32) -> String;
    /// An answer goes on.
    fn token(&mut self, index: u32, token: Token) -> String;
    /// An answer ends: what was left of its text, and its last token, if that is a part of it.
    fn end(&mut self, index: u32, text: String, last: Option<Token>, reason: FinishReason) -> String;
    /// All have ended.
    fn usage(&mut self, usage: Usage) -> String;
    /// The stream ends with this, after all else.
    fn done(&self) -> &'static str {
        DONE
    }
    /// The stream ends here, for this reason.
    fn fail(&mut self, error: ErrorBody) -> String {
        server_sent(&error)
    }
}

type Coming = (u32, Result<Part, LanguageError>);

struct Events<P> {
    parts: SelectAll<BoxStream<'static, Coming>>,
    pieces: P,
    /// Of each answer; while it is written, the tokens that came.
    used: Vec<Used>,
    spending: Arc<Spending>,
    open: usize,
    to_each_prompt: u32,
    /// The model stays in memory as long as it answers.
    _target: Target,
    state: Arc<ServerState>,
    /// The key may be revoked while the stream is open.
    headers: HeaderMap,
    request_id: crate::gate::RequestId,
    heartbeat: Duration,
    key_checked: Instant,
    /// Parts that write nothing, such as a half of a character, are no sign of life to the client.
    last_written: Instant,
    first: Option<String>,
    has_ended: bool,
}

/// The answer that streams these. What is refused is known before it begins.
pub(super) async fn stream<P: Pieces>(
    call: &OwnedCall,
    target: Target,
    answers: Answers,
    to_each_prompt: u32,
    mut pieces: P,
) -> Result<HttpAnswer, Failure> {
    let Answers { all: mut answers, spending } = answers;
    let mut first = String::new();
    if let Some(answer) = answers.first_mut() {
        // A refusal comes instead of this, or an end without a beginning, and is better told with a status.
        match answer.next().await? {
            Part::Begun { .. } => {
                spending.begun();
                first = pieces.begin(0);
            }
            Part::Token(_) | Part::Ended(_) => return Err(whole::given_up_before_its_beginning()),
        }
    }
    let open = answers.len();
    let parts = answers.into_iter().zip(0..).map(|(answer, index)| parts(index, answer)).collect();
    let mut head = Response::new(());
    let headers = head.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold pieces back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let named = target.clone();
    let events = Events {
        parts,
        pieces,
        used: vec![Used::default(); open],
        spending,
        open,
        to_each_prompt,
        _target: target,
        headers: call.headers.clone(),
        request_id: call.request_id.clone(),
        // A connection on which nothing moves is taken for dead.
        heartbeat: HEARTBEAT.min(call.state.options.http.header_timeout / 3),
        key_checked: Instant::now(),
        last_written: Instant::now(),
        state: Arc::clone(&call.state),
        first: Some(first),
        has_ended: false,
    };
    let written = unfold(events, async |mut events| events.next().await.map(|piece| (Ok(piece), events)));
    let mut answer = head.map(|()| AnswerBody::Endless(Box::pin(written)));
    named.name_version(&mut answer);
    Ok(answer)
}

/// An answer's parts to its end.
fn parts(index: u32, answer: Answer) -> BoxStream<'static, Coming> {
    let next = move |answer: Option<Answer>| async move {
        let mut answer = answer?;
        let part = answer.next().await;
        let goes_on = matches!(part, Ok(Part::Begun { .. } | Part::Token(_)));
        Some(((index, part), goes_on.then_some(answer)))
    };
    unfold(Some(answer), next).boxed()
}

impl<P: Pieces> Events<P> {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first.into());
        }
        while !self.has_ended {
            let silent_until = self.last_written + self.heartbeat;
            let Ok(coming) = tokio::time::timeout_at(silent_until, self.parts.next()).await else {
                self.last_written = Instant::now();
                return Some(if self.key_is_valid() {
                    Bytes::from_static(b": still here\n\n")
                } else {
                    self.lost_key()
                });
            };
            let mut written = match coming {
                Some((index, Ok(part))) => self.write(index, part),
                Some((_, Err(error))) => self.fail(&error.into()),
                None => String::new(),
            };
            if self.open == 0 && !self.has_ended {
                self.has_ended = true;
                written.push_str(&self.pieces.usage(whole::usage(&self.used, self.to_each_prompt)));
                written.push_str(self.pieces.done());
            }
            if self.key_checked.elapsed() >= KEY_CHECK && !self.key_is_valid() {
                return Some(self.lost_key());
            }
            if !written.is_empty() {
                self.last_written = Instant::now();
                return Some(written.into());
            }
        }
        None
    }

    fn write(&mut self, index: u32, part: Part) -> String {
        match part {
            Part::Begun { .. } => {
                self.spending.begun();
                self.pieces.begin(index)
            }
            Part::Token(token) => {
                self.spending.wrote(1);
                if let Some(used) = self.used.get_mut(index as usize) {
                    used.answer_tokens += 1;
                }
                self.pieces.token(index, token)
            }
            Part::Ended(mut ended) => {
                self.open -= 1;
                let reason = match whole::reason(&ended) {
                    Ok(reason) => reason,
                    Err(failure) => return self.fail(&failure),
                };
                if let Some(used) = self.used.get_mut(index as usize) {
                    let written = used.answer_tokens;
                    *used = ended.usage.unwrap_or_default();
                    // The token that ends an answer does not come as one of its parts.
                    self.spending.wrote(used.answer_tokens.saturating_sub(written));
                }
                let last = whole::last_of_answer(&mut ended);
                self.pieces.end(index, ended.text, last, reason)
            }
        }
    }

    /// The status has been sent: what fails now is told in the stream, which ends with it.
    fn fail(&mut self, failure: &Failure) -> String {
        failure.log(self.request_id.as_str());
        self.has_ended = true;
        self.parts.clear();
        self.pieces.fail(openai_error(failure))
    }

    fn key_is_valid(&mut self) -> bool {
        self.key_checked = Instant::now();
        self.state.gate.authenticate(&self.headers).is_ok()
    }

    fn lost_key(&mut self) -> Bytes {
        match self.state.gate.authenticate(&self.headers) {
            Err(failure) => self.fail(&failure).into(),
            Ok(_) => Bytes::new(),
        }
    }
}
