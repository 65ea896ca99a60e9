//! How fast the engine writes: `engine_speed FILE.gguf THREADS STREAMS NEW_TOKENS TEMPERATURE [PROMPT]`.
//!
//! Prints one line of JSON: tokens a second with and without guesses, and what of a step is not the model's.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{error::Error, num::NonZeroUsize, path::Path, sync::Arc, time::Instant};

use yard_gguf::{Gguf, ReadLimits};
use yard_kernels::Machine;
use yard_llm::{
    EncodeOptions, Engine, EngineOptions, Event, Model, Request, SamplingOptions, StopOptions, Tokenizer,
};

const PROMPT: &str = "The history of the lighthouse begins with";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, threads, streams, new, temperature, rest @ ..] = arguments.as_slice() else {
        return Err("engine_speed FILE.gguf THREADS STREAMS NEW_TOKENS TEMPERATURE [PROMPT]".into());
    };
    let threads: NonZeroUsize = threads.parse()?;
    let (streams, new): (u64, usize) = (streams.parse()?, new.parse()?);
    let temperature: f32 = temperature.parse()?;
    let prompt = rest.first().map_or(PROMPT, String::as_str);

    let machine = Arc::new(Machine::new(threads)?);
    let gguf = Gguf::open(Path::new(file), &ReadLimits::default())?;
    let tokenizer = Arc::new(Tokenizer::from_metadata(gguf.metadata())?);
    let model = Arc::new(Model::from_file(gguf, &machine, &mut |_| {})?);
    let prompt = tokenizer.encode(prompt, EncodeOptions { add_special: true, parse_special: true });

    for guesses in [false, true] {
        let positions = streams as usize * (prompt.len() + new + 16);
        let options = EngineOptions { guesses, ..EngineOptions::with_positions(positions) };
        let (model, tokenizer, machine) = (Arc::clone(&model), Arc::clone(&tokenizer), Arc::clone(&machine));
        let mut engine = Engine::new(model, tokenizer, machine, options)?;
        for seed in 0..streams {
            engine.submit(Request {
                sampling: SamplingOptions { seed, temperature, ..SamplingOptions::default() },
                stop: StopOptions { most_tokens: Some(new), ..StopOptions::default() },
                ..Request::new("one", prompt.clone())
            })?;
        }
        let (mut events, mut first, mut tokens) = (Vec::new(), None, 0_usize);
        while engine.has_work() {
            engine.step(Instant::now(), &mut events)?;
            let said = events.drain(..).filter(|event| matches!(event, Event::Token { .. })).count();
            match first {
                None if said as u64 == streams => first = Some(Instant::now()),
                Some(_) => tokens += said,
                None => {}
            }
        }
        let seconds = first.ok_or("nothing was written")?.elapsed().as_secs_f64();
        let stats = engine.stats();
        println!(
            r#"{{"guesses":{guesses},"tokens_per_second":{:.1},"guessed":{},"right":{},"steps":{}}}"#,
            tokens as f64 / seconds,
            stats.guessed_tokens,
            stats.right_guesses,
            stats.steps,
        );
    }
    Ok(())
}
