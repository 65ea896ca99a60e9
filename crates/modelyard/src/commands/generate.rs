//! `generate`: text from a file with a language model, without a server. Hidden while language models are not served.

mod chat;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use yard_gguf::{Gguf, ReadLimits};
use yard_kernels::Machine;
use yard_llm::{
    Constraint, ConstraintVocabulary, EncodeOptions, End, Engine, EngineOptions, Event, Grammar, LlmError,
    Model, Request, SamplingOptions, StopOptions, StopReason, Tokenizer,
};

use crate::{input::InputError, output::Output};

/// Continue a text with a language model in a GGUF file
///
/// Streams the text as it is written, and says on stderr how fast. The same command gives the same text again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modelyard generate --model SmolLM2-135M-Instruct.Q4_1.gguf --prompt \"The sea is\""
)]
pub(crate) struct GenerateArgs {
    /// GGUF file with the model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// Text to go on with
    #[arg(long, value_name = "TEXT")]
    prompt: String,

    /// Read the prompt as what a user says, in the form of chat that the model was trained on
    #[arg(long, conflicts_with = "control_tokens")]
    chat: bool,

    /// What the model is told before the user speaks
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,

    /// Longest answer, in tokens
    #[arg(long, value_name = "COUNT", default_value = "128")]
    max_tokens: NonZeroUsize,

    /// 0 takes the best token each time; higher chooses more freely
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f32,

    /// Decides all draws, if the temperature is above 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// File with a JSON schema: the answer keeps to it
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Threads, at most one for each processor [default: as many]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Read names of control tokens in the prompt, such as <|im_start|>, as those tokens
    #[arg(long)]
    control_tokens: bool,
}

/// What was written, for `--json`.
#[derive(Debug, Serialize)]
struct Report {
    text: String,
    prompt_tokens: usize,
    tokens: usize,
    end: &'static str,
    load_seconds: f64,
    first_token_seconds: f64,
    tokens_per_second: Option<f64>,
}

pub(crate) fn run(args: &GenerateArgs, output: Output) -> Result<()> {
    // More threads than processors only wait for one another.
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = args.threads.map_or(processors, |threads| threads.min(processors));
    let machine = Machine::new(threads).context("cannot start the threads")?;
    let sampling =
        SamplingOptions { temperature: args.temperature, seed: args.seed, ..SamplingOptions::default() };
    // Before minutes may go into loading.
    sampling.check()?;
    let schema = args.schema.as_deref().map(read_schema).transpose()?;
    let begun = Instant::now();
    let (tokenizer, model) =
        load(&args.model, &machine).with_context(|| format!("cannot use {}", args.model.display()))?;
    let load_seconds = begun.elapsed().as_secs_f64();

    let prompt = if args.chat {
        chat::tokens(&tokenizer, args.system.as_deref(), &args.prompt)?
    } else {
        let reading = EncodeOptions { add_special: true, parse_special: args.control_tokens };
        tokenizer.encode(&args.prompt, reading)
    };
    let prompt_tokens = prompt.len();
    let stop = StopOptions { most_tokens: Some(args.max_tokens.get()), ..StopOptions::default() };
    let begun = Instant::now();
    let constraint = schema.map(|schema| constraint(schema, &tokenizer)).transpose()?;
    let request = Request { sampling, stop, constraint, ..Request::new("generate", prompt) };
    let positions = (prompt_tokens + args.max_tokens.get()).min(model.config().context);
    let options = EngineOptions::with_positions(positions);
    let mut engine = Engine::new(Arc::new(model), tokenizer, Arc::new(machine), options)?;
    engine.submit(request)?;
    let (mut text, mut tokens, mut first, mut end) = (String::new(), 0, None, "length");
    let mut events = Vec::new();
    while engine.has_work() {
        engine.step(Instant::now(), &mut events)?;
        for event in events.drain(..) {
            let piece = match event {
                Event::Begun { .. } => continue,
                Event::Token { text, .. } => text,
                Event::Ended { text, end: how, usage, .. } => {
                    tokens = usage.answer_tokens;
                    end = name_of(how)?;
                    text
                }
            };
            first.get_or_insert_with(|| begun.elapsed());
            output.piece(&piece)?;
            text.push_str(&piece);
        }
    }
    let first = first.unwrap_or_default();
    let rest = begun.elapsed().saturating_sub(first).as_secs_f64();
    let report = Report {
        text,
        prompt_tokens,
        tokens,
        end,
        load_seconds,
        first_token_seconds: first.as_secs_f64(),
        tokens_per_second: (tokens > 1).then(|| (tokens - 1) as f64 / rest),
    };
    output.talk(format!(
        "\nloaded in {:.2} s; {} tokens read in {:.3} s; {} written, {:.1} a second",
        report.load_seconds,
        report.prompt_tokens,
        report.first_token_seconds,
        report.tokens,
        report.tokens_per_second.unwrap_or(0.0),
    ));
    if output.is_json() { output.data(&report, String::new) } else { Ok(()) }
}

fn read_schema(path: &Path) -> Result<String, InputError> {
    std::fs::read_to_string(path)
        .map_err(|source| InputError::Unreadable { path: path.to_path_buf(), source })
}

fn constraint(schema: String, tokenizer: &Arc<Tokenizer>) -> Result<Constraint> {
    let vocabulary = ConstraintVocabulary::new(tokenizer)?;
    Constraint::new(&vocabulary, &Grammar::JsonSchema(schema)).context("cannot keep to the schema")
}

/// How an answer ended, in the words of the services that have such a field.
fn name_of(end: End) -> Result<&'static str, LlmError> {
    match end {
        End::Stopped(StopReason::Length, _) => Ok("length"),
        End::Stopped(..) | End::Embedded(_) => Ok("stop"),
        End::Failed(error) => Err(error),
        End::Cancelled | End::DeadlinePassed => Ok("cancelled"),
    }
}

fn load(path: &Path, machine: &Machine) -> Result<(Arc<Tokenizer>, Model)> {
    let file = Gguf::open(path, &ReadLimits::default())?;
    let tokenizer = Tokenizer::from_metadata(file.metadata())?;
    let model = Model::from_file(file, machine, &mut |_| {})?;
    Ok((Arc::new(tokenizer), model))
}
