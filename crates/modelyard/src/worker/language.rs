//! A language model for many calls at once: what the parent sends becomes requests of the engine, its events become
//! messages.

mod grammars;
mod model;
mod texts;
mod wire;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use yard_llm::{End, Engine, Event, Pooling, RequestId, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::{
    Call, CallId, CallerGone, Closed, Inbox, Incoming, Request, Response,
    language::{
        DECODE, EMBED, ENCODE, EmbedRequest, EmbedResponse, Embedding, EndReason, Ended, GENERATE,
        GenerateRequest, LOAD, LoadRequest, Refusal, STATS, Usage, embed_response, generate_response,
    },
};

use self::{
    grammars::{Grammars, Made},
    model::LoadedModel,
    texts::Texts,
};

/// While grammars are being read nothing wakes the work but what the parent sends: how often it looks after them.
const GRAMMAR_PAUSE: Duration = Duration::from_millis(2);

/// The parent went away.
struct ParentGone;

impl From<Closed> for ParentGone {
    fn from(_: Closed) -> Self {
        Self
    }
}

/// Serves until the parent closes the socket.
pub(super) fn work(inbox: Inbox) {
    // Nobody is left to be told.
    let Err(ParentGone) = wait_for_model(&inbox).and_then(|mut serving| serving.serve(&inbox));
}

/// Refuses everything until a model is loaded.
fn wait_for_model(inbox: &Inbox) -> Result<Serving, ParentGone> {
    loop {
        let Incoming::Call(call, request) = inbox.wait()? else { continue };
        if request.kind() != LOAD {
            let refusal = Refusal::new(ErrorCode::Conflict, "no model is loaded");
            refuse(call, &request, refusal)?;
            continue;
        }
        match request.decode::<LoadRequest>() {
            Err(bad) => sent(call.refuse(bad))?,
            Ok(request) => {
                let loaded = model::load(&request, |done| {
                    // Whoever asked is heard of again at the answer.
                    let _ = call.tell(&done);
                });
                match loaded {
                    Ok((model, loaded)) => {
                        sent(call.answer(Response::new(&model::answer(Ok(loaded)))))?;
                        return Ok(Serving::new(model));
                    }
                    Err(refusal) => sent(call.answer(Response::new(&model::answer(Err(refusal)))))?,
                }
            }
        }
    }
}

/// The engine and the calls that wait for it.
struct Serving {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    pooling: Pooling,
    grammars: Grammars,
    texts: Texts,
    calls: HashMap<RequestId, Waiting>,
    requests: HashMap<CallId, RequestId>,
    /// Calls whose grammar is being read; whether they were stopped meanwhile.
    in_grammars: HashMap<CallId, bool>,
}

struct Waiting {
    call: Call,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Embedding,
}

impl Serving {
    fn new(model: LoadedModel) -> Self {
        let LoadedModel { engine, tokenizer, pooling, grammars, texts } = model;
        let (calls, requests, in_grammars) = Default::default();
        Self { engine, tokenizer, pooling, grammars, texts, calls, requests, in_grammars }
    }

    fn serve(&mut self, inbox: &Inbox) -> Result<std::convert::Infallible, ParentGone> {
        let mut events = Vec::new();
        loop {
            if !self.engine.has_work() {
                let incoming = if self.in_grammars.is_empty() {
                    Some(inbox.wait()?)
                } else {
                    inbox.wait_for(GRAMMAR_PAUSE)?
                };
                incoming.map_or(Ok(()), |incoming| self.take(incoming))?;
            }
            while let Some(incoming) = inbox.take()? {
                self.take(incoming)?;
            }
            while let Some(made) = self.grammars.made() {
                self.begin_with_grammar(made)?;
            }
            if let Err(error) = self.engine.step(Instant::now(), &mut events) {
                // Those it concerns have ended with it; the parent keeps what is written here for its log.
                eprintln!("a step failed: {error}");
            }
            for event in events.drain(..) {
                self.tell(event)?;
            }
        }
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), ParentGone> {
        let (call, request) = match incoming {
            Incoming::Call(call, request) => (call, request),
            Incoming::Stop(id) => {
                if let Some(request) = self.requests.get(&id) {
                    self.engine.cancel(*request);
                } else if let Some(is_stopped) = self.in_grammars.get_mut(&id) {
                    *is_stopped = true;
                } else {
                    self.texts.stop(id);
                }
                return Ok(());
            }
        };
        match request.kind() {
            GENERATE => match request.decode::<GenerateRequest>() {
                Ok(asked) => self.generate(call, asked),
                Err(bad) => sent(call.refuse(bad)),
            },
            EMBED => match request.decode::<EmbedRequest>() {
                Ok(asked) => self.submit(call, Kind::Embedding, wire::embedding(asked, self.pooling)),
                Err(bad) => sent(call.refuse(bad)),
            },
            ENCODE | DECODE => sent(self.texts.take(call, request)),
            STATS => sent(call.answer(Response::new(&wire::stats(&self.engine.stats())))),
            LOAD => {
                let refusal = Refusal::new(ErrorCode::Conflict, "a model is loaded already");
                sent(call.answer(Response::new(&model::answer(Err(refusal)))))
            }
            _ => sent(call.refuse(request.unknown())),
        }
    }

    fn generate(&mut self, call: Call, mut asked: GenerateRequest) -> Result<(), ParentGone> {
        let grammar = match wire::grammar(asked.grammar.take()) {
            Ok(grammar) => grammar,
            Err(refusal) => return refused(call, Kind::Text, refusal),
        };
        let request = wire::text(asked);
        let Some(grammar) = grammar else { return self.submit(call, Kind::Text, request) };
        let id = call.id();
        match self.grammars.make(call, request, grammar) {
            Ok(()) => {
                self.in_grammars.insert(id, false);
                Ok(())
            }
            Err((call, refusal)) => refused(call, Kind::Text, refusal),
        }
    }

    fn begin_with_grammar(&mut self, made: Made) -> Result<(), ParentGone> {
        let Made { call, mut request, constraint } = made;
        if self.in_grammars.remove(&call.id()) == Some(true) {
            let usage = Usage { prompt_tokens: request.prompt.len() as u64, ..Usage::default() };
            let reason = EndReason::Cancelled.into();
            let ended = Ended { reason, usage: Some(usage), ..Ended::default() };
            return sent(call.answer(wire::text_answer(generate_response::Outcome::Ended(ended))));
        }
        match constraint {
            Err(error) => refused(call, Kind::Text, wire::refusal_of_constraint(&error)),
            Ok(constraint) => {
                request.constraint = Some(constraint);
                self.submit(call, Kind::Text, request)
            }
        }
    }

    fn submit(&mut self, call: Call, kind: Kind, request: yard_llm::Request) -> Result<(), ParentGone> {
        match self.engine.submit(request) {
            Ok(id) => {
                self.requests.insert(call.id(), id);
                self.calls.insert(id, Waiting { call, kind });
                Ok(())
            }
            Err(error) => refused(call, kind, wire::refusal(&error)),
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), ParentGone> {
        match event {
            Event::Begun { request, cached_tokens } => match self.calls.get(&request) {
                Some(Waiting { call, kind: Kind::Text }) => sent(call.tell(&wire::begun(cached_tokens))),
                _ => Ok(()),
            },
            Event::Token { request, sampled, text } => match self.calls.get(&request) {
                Some(waiting) => sent(waiting.call.tell(&wire::token_event(sampled, text, &self.tokenizer))),
                None => Ok(()),
            },
            Event::Ended { request, text, end, usage } => {
                let Some(Waiting { call, kind }) = self.calls.remove(&request) else { return Ok(()) };
                self.requests.remove(&call.id());
                let usage = wire::usage(&usage);
                let answer = match (kind, end) {
                    (Kind::Text, end) => {
                        let ended = wire::ended(text, end, usage, &self.tokenizer);
                        wire::text_answer(generate_response::Outcome::Ended(ended))
                    }
                    (Kind::Embedding, End::Embedded(values)) => {
                        let embedding = Embedding { values, usage: Some(usage) };
                        embedding_answer(embed_response::Outcome::Embedding(embedding))
                    }
                    (Kind::Embedding, end) => {
                        embedding_answer(embed_response::Outcome::Refused(wire::refusal_of_end(&end)))
                    }
                };
                sent(call.answer(answer))
            }
        }
    }
}

fn embedding_answer(outcome: embed_response::Outcome) -> Response {
    Response::new(&EmbedResponse { outcome: Some(outcome) })
}

fn refused(call: Call, kind: Kind, refusal: Refusal) -> Result<(), ParentGone> {
    sent(call.answer(match kind {
        Kind::Text => wire::text_answer(generate_response::Outcome::Refused(refusal)),
        Kind::Embedding => embedding_answer(embed_response::Outcome::Refused(refusal)),
    }))
}

/// Refuses a request of any kind.
fn refuse(call: Call, request: &Request, refusal: Refusal) -> Result<(), ParentGone> {
    match request.kind() {
        GENERATE => refused(call, Kind::Text, refusal),
        EMBED => refused(call, Kind::Embedding, refusal),
        ENCODE => sent(texts::refuse_encoding(call, refusal)),
        DECODE => sent(texts::refuse_decoding(call, refusal)),
        _ => sent(call.refuse(request.unknown())),
    }
}

/// An event is never too large, and of an answer that is the parent is told: only its going away counts.
fn sent(sent: Result<(), CallerGone>) -> Result<(), ParentGone> {
    match sent {
        Err(CallerGone::Gone(_)) => Err(ParentGone),
        Ok(()) | Err(CallerGone::TooLarge { .. }) => Ok(()),
    }
}
