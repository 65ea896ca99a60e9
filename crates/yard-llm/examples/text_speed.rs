//! How fast a model reads and writes: `text_speed FILE.gguf THREADS PROMPT_TOKENS NEW_TOKENS [STREAMS]`.
//!
//! Prints one line of JSON. The tokens are arbitrary but the same each time; the work is that of any text.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{num::NonZeroUsize, path::Path, time::Instant};

use yard_kernels::{Machine, PageElement};
use yard_llm::{KeyValueCache, LogitRows, Model, Part, Scratch, Sequence};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, threads, prompt, new, rest @ ..] = arguments.as_slice() else {
        return Err("text_speed FILE.gguf THREADS PROMPT_TOKENS NEW_TOKENS [STREAMS]".into());
    };
    let threads: NonZeroUsize = threads.parse()?;
    let (prompt, new): (usize, usize) = (prompt.parse()?, new.parse()?);
    let streams: usize = rest.first().map_or(Ok(1), |streams| streams.parse())?;

    let machine = Machine::new(threads)?;
    let begun = Instant::now();
    let model = Model::load(Path::new(file), &machine, &mut |_| {})?;
    let load = begun.elapsed().as_secs_f64();
    let positions = streams * (prompt + new + 16);
    let mut cache = KeyValueCache::new(model.config(), positions, PageElement::F16)?;
    let (mut scratch, mut logits) = (Scratch::new(), Vec::new());
    let vocabulary = u32::try_from(model.vocabulary())?;
    let tokens: Vec<u32> = (0..prompt as u32).map(|number| (number * 7919 + 13) % vocabulary).collect();

    let mut sequences: Vec<Sequence> = (0..streams).map(|_| Sequence::new()).collect();
    let begun = Instant::now();
    let mut next = Vec::new();
    for sequence in &mut sequences {
        cache.reserve(sequence, prompt)?;
        let pieces = tokens.chunks(512);
        for piece in pieces {
            let part = Part { sequence, tokens: piece, logits: LogitRows::Last };
            model.step(&machine, &mut cache, &mut scratch, &mut [part], &mut logits)?;
        }
        next.push(most_likely(&logits));
    }
    let prefill = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let mut first = Vec::new();
    for _ in 0..new {
        first.push(next[0]);
        for sequence in &mut sequences {
            cache.reserve(sequence, 1)?;
        }
        let mut parts: Vec<Part<'_>> = sequences
            .iter_mut()
            .zip(&next)
            .map(|(sequence, token)| Part {
                sequence,
                tokens: std::slice::from_ref(token),
                logits: LogitRows::Last,
            })
            .collect();
        model.step(&machine, &mut cache, &mut scratch, &mut parts, &mut logits)?;
        next = logits.chunks_exact(model.vocabulary()).map(most_likely).collect();
    }
    let decode = begun.elapsed().as_secs_f64();
    let per_second = |tokens: usize, seconds: f64| tokens as f64 / seconds;
    println!(
        "{{\"load_seconds\":{load:.3},\"weight_bytes\":{},\"prefill_tokens_per_second\":{:.1},\
         \"decode_tokens_per_second\":{:.1},\"tokens\":{first:?}}}",
        model.weight_bytes(),
        per_second(streams * prompt, prefill),
        per_second(streams * new, decode),
    );
    Ok(())
}

fn most_likely(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = token;
        }
    }
    best as u32
}
