//! Between the messages and what the engine knows.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use yard_llm::{
    ConstraintError, End, EngineStats, Grammar, LlmError, Pooling, Priority, Request, Sampled,
    SamplingOptions, StopOptions, StopReason, Tokenizer, Wanted,
};
use yard_types::ErrorCode;
use yard_worker::{
    Response,
    language::{
        self, Begun, EmbedRequest, EndReason, Ended, GenerateEvent, GenerateRequest, GenerateResponse,
        Refusal, StatsResponse, Token, TokenProbability, Usage, generate_event, generate_response, grammar,
    },
};

/// A request for whom and when the terms say.
fn request(terms: Option<language::Terms>, prompt: Vec<u32>) -> Request {
    let terms = terms.unwrap_or_default();
    let priority = match terms.priority() {
        language::Priority::Background => Priority::Background,
        language::Priority::Interactive => Priority::Interactive,
        language::Priority::Unspecified => Priority::default(),
    };
    // A time beyond the clock's end is none.
    let deadline =
        terms.deadline_milliseconds.and_then(|time| Instant::now().checked_add(Duration::from_millis(time)));
    Request {
        weight: NonZeroU32::new(terms.weight).unwrap_or(NonZeroU32::MIN),
        salt: terms.salt.map(Arc::from),
        priority,
        deadline,
        ..Request::new(terms.tenant, prompt)
    }
}

/// A request for text, without its grammar.
pub(super) fn text(asked: GenerateRequest) -> Request {
    let stop = StopOptions {
        strings: asked.stop_strings,
        tokens: asked.stop_tokens.into_iter().collect(),
        most_tokens: asked.most_tokens.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
    };
    let sampling = sampling(asked.sampling.unwrap_or_default());
    Request { sampling, stop, ..request(asked.terms, asked.prompt) }
}

/// A request for an embedding, pooled as the model wants it where the request does not say.
pub(super) fn embedding(asked: EmbedRequest, usual: Pooling) -> Request {
    let pooling = match asked.pooling() {
        language::Pooling::Mean => Pooling::Mean,
        language::Pooling::Last => Pooling::Last,
        language::Pooling::Unspecified => usual,
    };
    Request { wanted: Wanted::Embedding(pooling), ..request(asked.terms, asked.prompt) }
}

fn sampling(asked: language::Sampling) -> SamplingOptions {
    let defaults = SamplingOptions::default();
    SamplingOptions {
        temperature: asked.temperature.unwrap_or(defaults.temperature),
        top_k: asked.top_k.unwrap_or(defaults.top_k),
        top_p: asked.top_p.unwrap_or(defaults.top_p),
        min_p: asked.min_p.unwrap_or(defaults.min_p),
        repetition_penalty: asked.repetition_penalty.unwrap_or(defaults.repetition_penalty),
        presence_penalty: asked.presence_penalty.unwrap_or(defaults.presence_penalty),
        frequency_penalty: asked.frequency_penalty.unwrap_or(defaults.frequency_penalty),
        logit_bias: asked.logit_bias.iter().map(|bias| (bias.token, bias.bias)).collect(),
        seed: asked.seed.unwrap_or(defaults.seed),
        log_probabilities: asked.log_probabilities,
    }
}

pub(super) fn grammar(asked: Option<language::Grammar>) -> Result<Option<Grammar>, Refusal> {
    Ok(match asked.map(|asked| asked.grammar) {
        None => None,
        Some(Some(grammar::Grammar::JsonObject(true))) => Some(Grammar::JsonObject),
        Some(Some(grammar::Grammar::JsonSchema(schema))) => Some(Grammar::JsonSchema(schema)),
        Some(Some(grammar::Grammar::Regex(pattern))) => Some(Grammar::Regex(pattern)),
        Some(Some(grammar::Grammar::Lark(grammar))) => Some(Grammar::Lark(grammar)),
        // An empty one is not none: it may be of a kind that is not known here.
        Some(None | Some(grammar::Grammar::JsonObject(false))) => {
            return Err(Refusal::new(ErrorCode::InvalidArgument, "a grammar of an unknown kind"));
        }
    })
}

pub(super) fn begun(cached_tokens: usize) -> GenerateEvent {
    let begun = Begun { cached_tokens: cached_tokens as u64 };
    GenerateEvent { event: Some(generate_event::Event::Begun(begun)) }
}

pub(super) fn token_event(sampled: Sampled, text: String, tokenizer: &Tokenizer) -> GenerateEvent {
    GenerateEvent { event: Some(generate_event::Event::Token(token(sampled, text, tokenizer))) }
}

fn token(sampled: Sampled, text: String, tokenizer: &Tokenizer) -> Token {
    let bytes = |token| Bytes::copy_from_slice(tokenizer.token_bytes(token).unwrap_or_default());
    let probability = |found: yard_llm::TokenLogProbability| TokenProbability {
        token: found.token,
        log_probability: found.log_probability,
        bytes: bytes(found.token),
    };
    Token {
        bytes: sampled.log_probability.map(|_| bytes(sampled.token)).unwrap_or_default(),
        token: sampled.token,
        text,
        log_probability: sampled.log_probability,
        most_probable: sampled.most_probable.into_iter().map(probability).collect(),
    }
}

pub(super) fn usage(usage: &yard_llm::Usage) -> Usage {
    Usage {
        prompt_tokens: usage.prompt_tokens as u64,
        cached_tokens: usage.cached_tokens as u64,
        answer_tokens: usage.answer_tokens as u64,
        preemptions: usage.preemptions as u64,
    }
}

pub(super) fn ended(text: String, end: End, usage: Usage, tokenizer: &Tokenizer) -> Ended {
    let ended = Ended { text, usage: Some(usage), ..Ended::default() };
    let because = |reason: EndReason| reason.into();
    match end {
        End::Stopped(reason, sampled) => {
            let (reason, stop_string) = match reason {
                StopReason::Token(_) => (EndReason::Token, None),
                StopReason::String(index) => (EndReason::String, u32::try_from(index).ok()),
                StopReason::Length => (EndReason::Length, None),
            };
            let last = Some(token(sampled, String::new(), tokenizer));
            Ended { reason: because(reason), stop_string, last, ..ended }
        }
        End::Cancelled => Ended { reason: because(EndReason::Cancelled), ..ended },
        End::DeadlinePassed => Ended { reason: because(EndReason::Deadline), ..ended },
        End::Failed(_) | End::Embedded(_) => {
            let failure = Some(refusal_of_end(&end));
            Ended { reason: because(EndReason::Failed), failure, ..ended }
        }
    }
}

pub(super) fn text_answer(outcome: generate_response::Outcome) -> Response {
    Response::new(&GenerateResponse { outcome: Some(outcome) })
}

/// Why there is no embedding.
pub(super) fn refusal_of_end(end: &End) -> Refusal {
    match end {
        End::Failed(error) => refusal(error),
        End::Cancelled => Refusal::new(ErrorCode::Cancelled, "nobody wants it any more"),
        End::DeadlinePassed => Refusal::new(ErrorCode::DeadlineExceeded, "it was not complete in time"),
        End::Stopped(..) | End::Embedded(_) => {
            Refusal::new(ErrorCode::Internal, "the model gave what was not asked for")
        }
    }
}

pub(super) fn refusal(error: &LlmError) -> Refusal {
    let code = match error {
        LlmError::UnknownArchitecture { .. } => ErrorCode::Unsupported,
        LlmError::File(_)
        | LlmError::Metadata(_)
        | LlmError::Configuration(_)
        | LlmError::Shape { .. }
        | LlmError::Block(_)
        | LlmError::Rope(_)
        | LlmError::Sampling(_)
        | LlmError::UnknownToken { .. }
        | LlmError::ContextFull { .. } => ErrorCode::InvalidArgument,
        LlmError::Constraint(error) => return refusal_of_constraint(error),
        LlmError::OutOfMemory { .. } | LlmError::TooManyWaiting { .. } | LlmError::CacheFull { .. } => {
            ErrorCode::Unavailable
        }
        LlmError::Kernel(_)
        | LlmError::NoNumbers
        | LlmError::NotReserved { .. }
        | LlmError::StepFailed(_) => ErrorCode::Internal,
    };
    Refusal::new(code, error.to_string())
}

pub(super) fn refusal_of_constraint(error: &ConstraintError) -> Refusal {
    let code = match error {
        ConstraintError::Unsupported { .. } | ConstraintError::Vocabulary { .. } => ErrorCode::Unsupported,
        ConstraintError::Malformed { .. }
        | ConstraintError::Unsatisfiable { .. }
        | ConstraintError::TooLarge { .. }
        | ConstraintError::TooComplex { .. }
        | ConstraintError::Stuck => ErrorCode::InvalidArgument,
        ConstraintError::Forbidden { .. } | ConstraintError::Internal { .. } => ErrorCode::Internal,
    };
    Refusal::new(code, error.to_string())
}

pub(super) fn stats(stats: &EngineStats) -> StatsResponse {
    StatsResponse {
        running: stats.running as u64,
        waiting: stats.waiting as u64,
        pages: stats.pages as u64,
        free_pages: stats.free_pages as u64,
        kept_pages: stats.kept_pages as u64,
        idle_pages: stats.idle_pages as u64,
        steps: stats.steps,
        read_tokens: stats.read_tokens,
        cached_tokens: stats.cached_tokens,
        written_tokens: stats.written_tokens,
        guessed_tokens: stats.guessed_tokens,
        right_guesses: stats.right_guesses,
        preemptions: stats.preemptions,
        ended: stats.ended,
    }
}
