//! How right the answers are, beside llama.cpp's: what `python/reference/language_models.py` finds, judged.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::measure::Programs;
use crate::bench::machine::Machine;
use crate::places::checkout;
use crate::process;

const SCRIPT: &str = "python/reference/language_models.py";
const LEAST_AGREEMENT: f64 = 0.97;
const MOST_DIVERGENCE: f64 = 1.1;
const MOST_PERPLEXITY: f64 = 1.005;

const HEAD: &str = "\
# How right language models are, measured

Written by `cargo xtask bench llm-quality`, figures and all; do not edit it by hand.
";

const READING: &str = "\
## How to read this

- The reference is a forward pass in float32, in numpy, on the same file's weights dequantized by the package `gguf`
  (`python/reference/language`). Both engines read the same file, on one thread.
- *agreement*: llama.cpp continues eight prompts (English, code, French, German, Spanish, Japanese) by 64 tokens each. Behind
  the same tokens Modelyard chooses the same next token in so many of the 512 steps. *widest gap* is how far apart, in
  logits of the reference, the two choices are where they differ; below 0.5 they are a near-tie. Where they are further apart
  and Modelyard's choice is the reference's own, it is llama.cpp that is off, which is told and does not count.
- *divergence*: the mean Kullback-Leibler divergence of the next token's distribution from the reference's, over the same
  512 steps and the text's first 1,024 tokens; no more than 1.1 times llama.cpp's own.
- *perplexity* of 100 kB of a novel, read in windows of 2,048 tokens; within 0.5 % of llama.cpp's or below it.
- *long*: agreement and divergence over 256 tokens with which llama.cpp continues so much of the novel that it is as many
  tokens together as the table says.
- The command fails if one of these does not hold. The tests of `yard-llm` hold SmolLM2 to the same continuations, with
  the engine's own F32 path as the reference.
";

/// A finding of the script with what it must be.
#[derive(Debug)]
struct Judged {
    shown: String,
    holds: bool,
}

/// Writes llama.cpp's continuations down, as the tests of yard-llm read them.
pub(super) fn write(programs: &Programs, python: &Path, target: &Path) -> Result<()> {
    process::run(script(programs, python).arg("--write").arg(target))
}

/// Asks the script about every model whose name holds `only`. Gives the page and what does not hold.
pub(super) fn quality(
    programs: &Programs,
    python: &Path,
    machine: &Machine,
    versions: &[(&'static str, String)],
    only: Option<&str>,
) -> Result<(String, Vec<String>)> {
    let mut command = script(programs, python);
    if let Some(only) = only {
        command.args(["--only", only]);
    }
    let mut found = Vec::new();
    let status = process::watch(&mut command, |line| {
        // Beside its findings it tells how far it is.
        found.extend(serde_json::from_str::<Value>(line));
    })?;
    if !status.success() || found.is_empty() {
        bail!("{}: {status}, {} findings", process::show(&command), found.len());
    }
    render(&found, machine, versions)
}

fn script(programs: &Programs, python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(checkout().join(SCRIPT));
    command.arg("--ours").arg(&programs.ours).arg("--peer").arg(&programs.peer);
    command.arg("--models").arg(&programs.models);
    command
}

fn render(
    found: &[Value],
    machine: &Machine,
    versions: &[(&'static str, String)],
) -> Result<(String, Vec<String>)> {
    let mut text = HEAD.to_owned();
    let mut broken = Vec::new();
    writeln!(
        text,
        "\n| model | agreement, widest gap | divergence: Modelyard, llama.cpp | perplexity: Modelyard, llama.cpp |"
    )?;
    writeln!(text, "|---|---|---|---|")?;
    for one in found {
        let name = one["model"].as_str().context("a finding without a model")?;
        let cells = [
            agreement(&one["continuations"])?,
            divergence(&one["divergence"])?,
            perplexity(&one["perplexity"])?,
        ];
        row(&mut text, &mut broken, name, &cells)?;
    }
    writeln!(text, "\n| long | tokens | agreement, widest gap | divergence: Modelyard, llama.cpp |")?;
    writeln!(text, "|---|---|---|---|")?;
    for one in found {
        let name = one["model"].as_str().context("a finding without a model")?;
        let long = &one["long"];
        let tokens = Judged { shown: number(long, "tokens")?.to_string(), holds: true };
        let cells = [tokens, agreement(long)?, divergence(&long["divergence"])?];
        row(&mut text, &mut broken, name, &cells)?;
    }
    writeln!(text, "\n## Where and with what\n")?;
    writeln!(text, "- {}; {}; {}", machine.processor, machine.abilities.join(", "), machine.date)?;
    for (name, version) in versions {
        writeln!(text, "- {name} {version}")?;
    }
    write!(text, "\n{READING}")?;
    Ok((text, broken))
}

fn row(text: &mut String, broken: &mut Vec<String>, name: &str, cells: &[Judged]) -> Result<()> {
    write!(text, "| {name} |")?;
    for cell in cells {
        let verdict = if cell.holds { "" } else { ", does not hold" };
        write!(text, " {}{verdict} |", cell.shown)?;
        if !cell.holds {
            broken.push(format!("{name}: {}", cell.shown));
        }
    }
    text.push('\n');
    Ok(())
}

fn agreement(found: &Value) -> Result<Judged> {
    let (agreement, gap) = (number(found, "agreement")?, number(found, "widest_gap")?);
    let (ours_off, peer_off) = (number(found, "ours_off")?, number(found, "peer_off")?);
    let remark = if peer_off > 0.0 { format!(" (llama.cpp off {peer_off} times)") } else { String::new() };
    let holds = agreement >= LEAST_AGREEMENT && ours_off == 0.0;
    Ok(Judged { shown: format!("{:.1} %, {gap:.2}{remark}", agreement * 100.0), holds })
}

fn divergence(found: &Value) -> Result<Judged> {
    let (ours, peer) = (number(found, "ours")?, number(found, "peer")?);
    Ok(Judged { shown: format!("{ours:.5}, {peer:.5}"), holds: ours <= peer * MOST_DIVERGENCE })
}

fn perplexity(found: &Value) -> Result<Judged> {
    let (ours, peer) = (number(found, "ours")?, number(found, "peer")?);
    Ok(Judged { shown: format!("{ours:.3}, {peer:.3}"), holds: ours <= peer * MOST_PERPLEXITY })
}

fn number(found: &Value, name: &str) -> Result<f64> {
    found[name].as_f64().with_context(|| format!("{name} is not told: {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_than_the_peer_by_more_than_allowed_does_not_hold() {
        let pair = |ours, peer| serde_json::json!({ "ours": ours, "peer": peer });
        assert!(divergence(&pair(0.0108, 0.01)).unwrap().holds);
        assert!(!divergence(&pair(0.0112, 0.01)).unwrap().holds);
        assert!(perplexity(&pair(20.05, 20.0)).unwrap().holds);
        assert!(!perplexity(&pair(20.2, 20.0)).unwrap().holds);
        assert!(divergence(&pair(f64::NAN, 0.01)).is_err());
    }

    #[test]
    fn a_choice_far_from_a_tie_does_not_hold_however_rare() {
        let found = |agreement, ours_off| serde_json::json!({ "agreement": agreement, "widest_gap": 0.7, "ours_off": ours_off, "peer_off": 1 });
        assert!(agreement(&found(0.98, 0)).unwrap().holds);
        assert!(!agreement(&found(0.98, 1)).unwrap().holds);
        assert!(!agreement(&found(0.96, 0)).unwrap().holds);
    }
}
