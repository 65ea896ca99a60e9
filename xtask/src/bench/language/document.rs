//! `bench/LANGUAGE.md`.

use std::fmt::Write as _;

use anyhow::Result;

use super::measure::{FIRST_PROMPT, Measured, Subjected, Work};
use super::models::Size;
use crate::bench::machine::Machine;

const HEAD: &str = "\
# Speed of language models, measured

Written by `cargo xtask bench llm-engine`, figures and all; do not edit it by hand. How right the answers are stands in
[LANGUAGE_QUALITY.md](LANGUAGE_QUALITY.md).
";

const READING: &str = "\
## How to read this

- Modelyard is `crates/yard-llm/examples/contestant`, which calls `Model::step`; llama.cpp is `bench/peers/llama_cpp/peer.cpp`,
  which calls `llama_decode`. Both keep one process, one model file and the same number of threads for all rounds; in a
  round each question is asked of one, then of the other. Figures are medians of the rounds, in tokens a second.
- llama.cpp is a release build for this very processor (`GGML_NATIVE`), with flash attention, repacked weights, a thread pool
  that is kept, prompts in pieces of 512, a cache of its own for each stream where prompts are private and one for all where
  they are shared (what its documentation advises for each).
- *prefill*: a prompt of so many tokens, until the logits after its last one are there. *decode*: a token for each
  stream, step after step; choosing the token is not counted. Prompts of streams have 256 tokens (64 for the synthetic models),
  followed by 32 steps (12).
- *private*: each stream has keys and values of its own. *shared*: all streams continue one prompt, kept once.
- *start*: a new process, its file in the page cache. *first token* is the time from the end of loading to the logits after a
  prompt of 256 tokens. *memory* is the most that was resident until then, the mapped file included.
- The synthetic models have random weights and the shape of a Llama with 1.1 billion of them.
- *AVX2* is Modelyard told to use nothing newer, beside the same llama.cpp, which uses all that the processor has.
";

/// What is asked for: the least ratio.
fn target(work: Work, k_types: bool) -> Option<f64> {
    match work {
        Work::Prefill(_) => Some(if k_types { 2.0 } else { 2.5 }),
        Work::Decode { streams: 1, .. } => Some(1.4),
        Work::Decode { streams: 16, .. } => Some(3.0),
        Work::Decode { .. } => None,
    }
}

pub(super) fn render(
    machine: &Machine,
    versions: &[(&'static str, String)],
    rounds: u32,
    only_threads: Option<u32>,
    measured: &[Subjected],
) -> Result<String> {
    let mut text = HEAD.to_owned();
    text.push('\n');
    text.push_str(&tables(measured)?);
    writeln!(text, "\n## Where and with what\n")?;
    let abilities = machine.abilities.join(", ");
    writeln!(text, "- {}; {} processors; {abilities}", machine.processor, machine.cores)?;
    writeln!(text, "- Linux {}; load before the measurement {:.2}", machine.kernel, machine.load_before)?;
    let option = only_threads.map_or_else(String::new, |count| format!(" --threads {count}"));
    let command = format!("cargo xtask bench llm-engine --rounds {rounds}{option}");
    writeln!(text, "- {}; {rounds} rounds: `{command}`", machine.date)?;
    for (name, version) in versions {
        writeln!(text, "- {name} {version}")?;
    }
    write!(text, "\n{READING}")?;
    Ok(text)
}

/// The tables of each model, and those of starts and of AVX2.
pub(super) fn tables(measured: &[Subjected]) -> Result<String> {
    let mut text = String::new();
    for one in measured {
        let shown = one.subject.shown;
        writeln!(text, "## {shown}, {}\n", threads(one.threads))?;
        writeln!(text, "| tokens/s | Modelyard | llama.cpp | Modelyard does | target |")?;
        writeln!(text, "|---|---|---|---|---|")?;
        for measured in &one.works {
            let target = target(measured.work, one.subject.k_types);
            let goal = target.map_or_else(|| "-".to_owned(), |target| format!(">= {target} x"));
            let (name, ratio) = (name(measured.work), ratio(measured.ratio(), target));
            let (ours, theirs) = (figure(measured.ours.median()), figure(measured.peer.median()));
            writeln!(text, "| {name} | {ours} | {theirs} | {ratio} | {goal} |")?;
        }
        text.push('\n');
    }
    starts(&mut text, measured)?;
    older(&mut text, measured)?;
    Ok(text)
}

fn starts(text: &mut String, measured: &[Subjected]) -> Result<()> {
    writeln!(text, "## Start\n")?;
    writeln!(text, "| Modelyard, llama.cpp | load ms | first token ms, {FIRST_PROMPT} tokens | memory MB |")?;
    writeln!(text, "|---|---|---|---|")?;
    for one in measured {
        let pair = |ours: Option<f64>, theirs: Option<f64>, factor: f64| {
            let shown = |value: Option<f64>| figure(value.map(|value| value * factor));
            format!("{}, {}", shown(ours), shown(theirs))
        };
        let (ours, peer) = (&one.ours, &one.peer);
        let load = pair(ours.load_seconds.median(), peer.load_seconds.median(), 1e3);
        let first = pair(ours.first_token_seconds.median(), peer.first_token_seconds.median(), 1e3);
        let memory = pair(ours.memory.median(), peer.memory.median(), 1.0 / 1024.0);
        writeln!(text, "| {}, {} | {load} | {first} | {memory} |", one.subject.shown, threads(one.threads))?;
    }
    text.push('\n');
    Ok(())
}

fn older(text: &mut String, measured: &[Subjected]) -> Result<()> {
    let with_avx2: Vec<&Subjected> = measured.iter().filter(|one| one.subject.with_avx2).collect();
    if with_avx2.is_empty() {
        return Ok(());
    }
    writeln!(text, "## AVX2\n")?;
    writeln!(text, "| tokens/s | Modelyard, AVX2 | llama.cpp, all | Modelyard does | target |")?;
    writeln!(text, "|---|---|---|---|---|")?;
    for one in with_avx2 {
        for measured in one.works.iter().filter(|measured| is_telling(measured, one.subject.size)) {
            let (ours, theirs) = (figure(measured.avx2.median()), figure(measured.peer.median()));
            let does = ratio(measured.avx2_ratio(), Some(1.0));
            let what = format!("{}, {}, {}", one.subject.shown, threads(one.threads), name(measured.work));
            writeln!(text, "| {what} | {ours} | {theirs} | {does} | >= 1 x |")?;
        }
    }
    Ok(())
}

/// Of a table that is long enough.
fn is_telling(measured: &Measured, size: Size) -> bool {
    match measured.work {
        Work::Prefill(tokens) => tokens == 256,
        Work::Decode { streams, shared } => {
            streams == 1 || (streams == 16 && (!shared || size == Size::Small))
        }
    }
}

fn name(work: Work) -> String {
    match work {
        Work::Prefill(tokens) => format!("prefill {tokens}"),
        Work::Decode { streams: 1, .. } => "decode, 1 stream".to_owned(),
        Work::Decode { streams, shared: true } => format!("decode, {streams} streams, shared"),
        Work::Decode { streams, shared: false } => format!("decode, {streams} streams, private"),
    }
}

fn threads(count: usize) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) if value < 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
        None => "-".to_owned(),
    }
}

/// What falls short is said.
fn ratio(ratio: Option<f64>, target: Option<f64>) -> String {
    match (ratio, target) {
        (Some(ratio), Some(target)) if ratio < target => format!("{ratio:.2} x, short"),
        (Some(ratio), _) => format!("{ratio:.2} x"),
        (None, _) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Rounds, Start};
    use super::super::models::SUBJECTS;
    use super::*;

    fn subjected(ours: &[f64], peer: &[f64]) -> Subjected {
        let (ours, peer) = (Rounds(ours.to_vec()), Rounds(peer.to_vec()));
        let works = vec![Measured { work: Work::Prefill(256), avx2: ours.clone(), ours, peer }];
        Subjected { subject: &SUBJECTS[0], threads: 1, works, ours: Start::default(), peer: Start::default() }
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let text = tables(&[subjected(&[1300.0, 900.0, 1200.0], &[400.0])]).unwrap();
        assert!(text.contains("| prefill 256 | 1200 | 400 | 3.00 x | >= 2.5 x |"), "{text}");
    }

    #[test]
    fn what_falls_short_is_said() {
        let text = tables(&[subjected(&[300.0], &[400.0])]).unwrap();
        assert!(text.contains("| 300 | 400 | 0.75 x, short | >= 2.5 x |"), "{text}");
        assert!(text.contains("| 300 | 400 | 0.75 x, short | >= 1 x |"), "{text}");
    }
}
