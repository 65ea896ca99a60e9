//! Loading.

use std::{num::NonZeroUsize, path::Path, sync::Arc, thread};

use yard_gguf::{Gguf, Metadata, ReadLimits};
use yard_kernels::{Machine, PageElement};
use yard_llm::{Engine, EngineOptions, Model, Pooling, Tokenizer};
use yard_types::ErrorCode;
use yard_worker::language::{Element, LoadEvent, LoadRequest, LoadResponse, Loaded, Refusal, load_response};

use super::{grammars::Grammars, texts::Texts, wire};
use crate::chat_template;

/// Progress is told when it is this much further.
const TOLD_STEP: f32 = 0.01;

pub(super) fn answer(outcome: Result<Loaded, Refusal>) -> LoadResponse {
    let outcome = match outcome {
        Ok(loaded) => load_response::Outcome::Loaded(loaded),
        Err(refused) => load_response::Outcome::Refused(refused),
    };
    LoadResponse { outcome: Some(outcome) }
}

/// A model and all that answers its calls.
pub(super) struct LoadedModel {
    pub(super) engine: Engine,
    pub(super) tokenizer: Arc<Tokenizer>,
    /// How rows become an embedding if nobody says.
    pub(super) pooling: Pooling,
    pub(super) grammars: Grammars,
    pub(super) texts: Texts,
}

/// Loads the model and makes an engine for it.
pub(super) fn load(
    request: &LoadRequest,
    mut tell: impl FnMut(LoadEvent),
) -> Result<(LoadedModel, Loaded), Refusal> {
    let wrong = |error: &dyn std::fmt::Display| Refusal::new(ErrorCode::InvalidArgument, error.to_string());
    let no_threads = |error: std::io::Error| Refusal::new(ErrorCode::Unavailable, error.to_string());
    let asked = usize::try_from(request.threads).ok().and_then(NonZeroUsize::new);
    // More threads than processors only wait for one another.
    let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = asked.map_or(processors, |threads| threads.min(processors));
    let machine = Machine::new(threads).map_err(no_threads)?;
    let file = Gguf::open(Path::new(&request.path), &ReadLimits::default()).map_err(|error| wrong(&error))?;
    let tokenizer = Arc::new(Tokenizer::from_metadata(file.metadata()).map_err(|error| wrong(&error))?);
    let template = chat_template::of(&tokenizer).map_err(|error| wrong(&error))?;
    let has_chat_template = template.is_some();
    let tool_format = template.as_ref().map(|(template, _)| template.tool_format().as_str().to_owned());
    let pooling = pooling(file.metadata());
    let mut told = 0.0;
    let progress = &mut |done: f32| {
        if done >= told + TOLD_STEP {
            told = done;
            tell(LoadEvent { done });
        }
    };
    let model = Model::from_file(file, &machine, progress).map_err(|error| wire::refusal(&error))?;
    let options = options(request, &model);
    let positions = options.positions as u64;
    let config = model.config();
    let (vocabulary, width) = (model.vocabulary() as u64, config.width as u64);
    let weight_bytes = model.weight_bytes() as u64;
    let engine = Engine::new(Arc::new(model), Arc::clone(&tokenizer), Arc::new(machine), options)
        .map_err(|error| wire::refusal(&error))?;
    let loaded = Loaded {
        longest: engine.longest() as u64,
        vocabulary,
        weight_bytes,
        threads: u32::try_from(threads.get()).unwrap_or(u32::MAX),
        positions,
        width,
        has_chat_template,
        tool_format: tool_format.unwrap_or_default(),
    };
    let grammars = Grammars::new(Arc::clone(&tokenizer)).map_err(no_threads)?;
    let texts = Texts::new(Arc::clone(&tokenizer), template.map(|(template, _)| template), engine.longest())
        .map_err(no_threads)?;
    Ok((LoadedModel { engine, tokenizer, pooling, grammars, texts }, loaded))
}

/// What a file that was made for embeddings says; else the mean, which suits models that write.
fn pooling(metadata: &Metadata) -> Pooling {
    /// As files number them: 0 none, 1 mean, 2 the first token's, 3 the last token's.
    const LAST: u32 = 3;
    let architecture = metadata.optional::<&str>("general.architecture").ok().flatten().unwrap_or_default();
    let kind = metadata.optional::<u32>(&format!("{architecture}.pooling_type")).ok().flatten();
    if kind == Some(LAST) { Pooling::Last } else { Pooling::Mean }
}

fn options(request: &LoadRequest, model: &Model) -> EngineOptions {
    let asked = |number: u64| usize::try_from(number).ok().filter(|number| *number > 0);
    let defaults = EngineOptions::with_positions(asked(request.positions).unwrap_or(model.config().context));
    EngineOptions {
        element: match request.element() {
            Element::F32 => PageElement::F32,
            Element::F16 => PageElement::F16,
            Element::Unspecified => defaults.element,
        },
        step_tokens: asked(request.step_tokens.into()).unwrap_or(defaults.step_tokens),
        most_running: asked(request.most_running.into()).unwrap_or(defaults.most_running),
        most_waiting: asked(request.most_waiting.into()).unwrap_or(defaults.most_waiting),
        guesses: !request.without_guesses,
        ..defaults
    }
}
