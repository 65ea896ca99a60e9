//! The proof of a language model: it is loaded as it is for serving, and writes a few tokens.

use std::{
    collections::BTreeMap,
    error::Error,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use yard_gguf::{Gguf, MappedFile, ReadLimits};
use yard_kernels::{KeyValueShape, Machine, PAGE_POSITIONS};
use yard_llm::{
    EncodeOptions, End, Engine, EngineOptions, Event, LlmError, Model, ModelConfig, Request, SamplingOptions,
    StopOptions, Tokenizer, TokenizerError,
};
use yard_types::{ErrorCode, PackagePath};
use yard_worker::prove::{
    EngineStamp, Joining, LanguageReport, ProofRefusal, ProofReport, ProveRequest, Signature, WarmUp,
    joining, warm_up,
};

use super::memory;
use crate::chat_template;

/// The engine that runs language models.
const ENGINE: &str = "modelyard-llm";
/// What it goes on from.
const PROMPT: &str = "Hello";
/// How many tokens it writes.
const ANSWER_TOKENS: usize = 16;
/// How many it writes in any case, however slow it is.
const LEAST_ANSWER_TOKENS: usize = 8;
/// Time after which that is enough.
const WRITING_BUDGET: Duration = Duration::from_secs(10);
/// Positions with room for keys and values: more than the prompt and the answer take.
const POSITIONS: usize = 512;
/// The most biases that a request may bring.
const MOST_BIASES: usize = 1024;
/// Keeps a token from being the best one.
const NEVER: f32 = -100.0;

/// Whether the model file is one of a language model.
pub(super) fn is_meant(request: &ProveRequest) -> bool {
    let extension = Path::new(&request.main_file).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

pub(super) fn prove(request: &ProveRequest) -> Result<ProofReport, ProofRefusal> {
    let main: PackagePath = request
        .main_file
        .parse()
        .map_err(|error| ProofRefusal::new(ErrorCode::Internal, format!("{error}")))?;
    if let Some(file) = &request.golden_file {
        let message = format!(
            "'{file}': golden samples are tensors, and a language model takes and gives none; leave the file out"
        );
        return Err(ProofRefusal::new(ErrorCode::InvalidArgument, message));
    }
    let path = Path::new(&request.package_directory).join(main.as_str());
    let most_weight_bytes = request.limits.as_ref().map_or(u64::MAX, |limits| limits.max_weight_bytes);
    let before = memory::resident_bytes();
    let Tried { language, tokens, memory_bytes } =
        try_out(&path, most_weight_bytes, before).map_err(|reason| reason.about(&main))?;
    Ok(ProofReport {
        engine: Some(EngineStamp { name: ENGINE.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }),
        main_file: request.main_file.clone(),
        signature: Some(Signature::default()),
        joining: Some(Joining { verdict: Some(joining::Verdict::Refused("a language model".to_owned())) }),
        warm_up: Some(WarmUp {
            outcome: Some(warm_up::Outcome::Skipped(format!("it wrote {tokens} tokens instead"))),
        }),
        golden_samples: 0,
        single_run_nanoseconds: None,
        memory_bytes,
        language: Some(language),
    })
}

/// What was found.
struct Tried {
    language: LanguageReport,
    tokens: usize,
    memory_bytes: u64,
}

/// Why a file is refused, in words that do not name it.
struct Reason {
    code: ErrorCode,
    words: String,
}

fn try_out(path: &Path, most_weight_bytes: u64, before: u64) -> Result<Tried, Reason> {
    let file = Gguf::open(path, &ReadLimits::default()).map_err(|error| Reason::invalid(&error))?;
    let stored = Stored::of(&file);
    if stored.bytes > most_weight_bytes {
        let words = format!(
            "it has {} bytes of weights, more than the {most_weight_bytes} bytes allowed",
            stored.bytes
        );
        return Err(Reason { code: ErrorCode::InvalidArgument, words });
    }
    let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let machine = Machine::new(processors)
        .map_err(|error| Reason { code: ErrorCode::Unavailable, words: error.to_string() })?;
    // Before the tokenizer, of which a family that is not known may have one that is not known either.
    let kind = tokenizer_kind(&file);
    let tokenizer = Tokenizer::from_metadata(file.metadata());
    let model = Model::from_file(file, &machine, &mut |_| {})?;
    let tokenizer = Arc::new(tokenizer?);
    let template = chat_template::of(&tokenizer).map_err(|error| Reason::invalid(&error))?;
    let config = model.config();
    let mut language = LanguageReport {
        architecture: config.architecture.clone(),
        parameters: stored.values,
        context: config.context as u64,
        vocabulary: model.vocabulary() as u64,
        width: config.width as u64,
        quantization: stored.main_type.to_owned(),
        tokenizer: kind,
        chat_template: template.map(|(_, from)| from.to_owned()),
        tokens_per_second: None,
        weight_bytes: model.weight_bytes() as u64,
        position_bytes: Some(position_bytes(config)),
    };
    let mut writer = Writer::new(model, tokenizer, machine)?;
    let written = writer.write()?;
    language.tokens_per_second = written.tokens_per_second();
    // While the engine still has its memory.
    let memory_bytes = memory::resident_bytes().saturating_sub(before);
    drop(writer);
    Ok(Tried { language, tokens: written.tokens, memory_bytes })
}

/// What keys and values of one token take, as an engine keeps them if it is not told otherwise.
fn position_bytes(config: &ModelConfig) -> u64 {
    let element = EngineOptions::with_positions(POSITIONS).element;
    let page = KeyValueShape { heads: config.key_heads, head_size: config.head_size, element };
    (page.page_bytes() * config.layers / PAGE_POSITIONS) as u64
}

fn tokenizer_kind(file: &Gguf<MappedFile>) -> String {
    match file.metadata().str("tokenizer.ggml.model") {
        Ok("gpt2") => "byte pairs".to_owned(),
        Ok("llama") => "sentence pieces".to_owned(),
        // No other kind has a tokenizer here, so that the file is refused before this is shown.
        other => other.unwrap_or_default().to_owned(),
    }
}

/// What the weights in a file are.
struct Stored {
    bytes: u64,
    values: u64,
    main_type: &'static str,
}

impl Stored {
    fn of(file: &Gguf<MappedFile>) -> Self {
        let mut by_type: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut values = 0;
        for tensor in file.tensors() {
            *by_type.entry(tensor.info.kind().name()).or_default() += tensor.info.byte_length() as u64;
            values += tensor.info.values() as u64;
        }
        let main_type = by_type.iter().max_by_key(|(_, bytes)| **bytes).map_or("", |(name, _)| *name);
        Self { bytes: by_type.values().sum(), values, main_type }
    }
}

/// An engine with one request.
struct Writer {
    engine: Engine,
    request: Option<Request>,
}

/// What it wrote, in which time.
struct Written {
    tokens: usize,
    /// Behind the first token.
    time: Duration,
}

impl Written {
    fn tokens_per_second(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (self.tokens > 1 && seconds > 0.0).then(|| (self.tokens - 1) as f64 / seconds)
    }
}

impl Writer {
    fn new(model: Model, tokenizer: Arc<Tokenizer>, machine: Machine) -> Result<Self, LlmError> {
        let special = tokenizer.special_tokens();
        let mut prompt = tokenizer.encode(PROMPT, EncodeOptions { add_special: true, parse_special: false });
        if prompt.is_empty() {
            // A vocabulary without the letters.
            prompt.push(special.beginning.unwrap_or_default());
        }
        let context = model.config().context;
        let most = ANSWER_TOKENS.min(context.saturating_sub(prompt.len())).max(1);
        // An answer that ends at once would tell nothing of its speed.
        let ends = special.ends_of_generation.iter().copied();
        let ends = ends.filter(|token| (*token as usize) < model.vocabulary()).take(MOST_BIASES);
        let sampling = SamplingOptions {
            temperature: 0.0,
            logit_bias: ends.map(|token| (token, NEVER)).collect(),
            ..SamplingOptions::default()
        };
        let stop = StopOptions { most_tokens: Some(most), ..StopOptions::default() };
        let request = Request { sampling, stop, ..Request::new("proof", prompt) };
        // Guesses would say how much the text repeats itself rather than how fast the model is.
        let options =
            EngineOptions { guesses: false, ..EngineOptions::with_positions(POSITIONS.min(context)) };
        let engine = Engine::new(Arc::new(model), tokenizer, Arc::new(machine), options)?;
        Ok(Self { engine, request: Some(request) })
    }

    fn write(&mut self) -> Result<Written, LlmError> {
        if let Some(request) = self.request.take() {
            self.engine.submit(request)?;
        }
        let begun = Instant::now();
        let (mut tokens, mut first, mut events) = (0, None, Vec::new());
        while self.engine.has_work() {
            self.engine.step(Instant::now(), &mut events)?;
            for event in events.drain(..) {
                match event {
                    Event::Begun { .. } => {}
                    Event::Token { .. } | Event::Ended { end: End::Stopped(..), .. } => {
                        tokens += 1;
                        first.get_or_insert_with(Instant::now);
                    }
                    Event::Ended { end: End::Failed(error), .. } => return Err(error),
                    Event::Ended { .. } => {}
                }
            }
            if tokens >= LEAST_ANSWER_TOKENS && begun.elapsed() > WRITING_BUDGET {
                break;
            }
        }
        Ok(Written { tokens, time: first.map_or(Duration::ZERO, |first| first.elapsed()) })
    }
}

// === impl Reason ===

impl Reason {
    fn invalid(error: &dyn Error) -> Self {
        Self { code: ErrorCode::InvalidArgument, words: words(error) }
    }

    fn about(self, file: &PackagePath) -> ProofRefusal {
        ProofRefusal::new(self.code, format!("'{file}' cannot be run: {}", self.words))
    }
}

impl From<LlmError> for Reason {
    fn from(error: LlmError) -> Self {
        let code = match &error {
            LlmError::UnknownArchitecture { .. } => ErrorCode::Unsupported,
            LlmError::OutOfMemory { .. } => ErrorCode::Unavailable,
            // Whatever else fails on a made-up prompt fails on account of the file.
            _ => ErrorCode::InvalidArgument,
        };
        Self { code, words: words(&error) }
    }
}

impl From<TokenizerError> for Reason {
    fn from(error: TokenizerError) -> Self {
        let code = match &error {
            TokenizerError::UnknownModel { .. } | TokenizerError::UnknownPreTokenizer { .. } => {
                ErrorCode::Unsupported
            }
            _ => ErrorCode::InvalidArgument,
        };
        Self { code, words: words(&error) }
    }
}

/// An error with its causes, which its own words leave out.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests;
