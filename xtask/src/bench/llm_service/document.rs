//! `bench/LANGUAGE_SERVICE.md`.

use std::fmt::Write as _;

use anyhow::Result;

use super::figures::{Kind, Measured, OnThreads, middle};
use super::streams::Told;
use super::{MODEL_SHOWN, Plan, judged, neighbour, servers};
use crate::bench::figures::median;
use crate::bench::machine::Machine;
use crate::bench::tools::Load;

const HEAD: &str = "\
# Language models over HTTP, measured

Written by `cargo xtask bench llm`, figures and all; do not edit it by hand. How fast the engine is without a server stands
in [LANGUAGE.md](LANGUAGE.md).
";

const READING: &str = "\
## How to read this

- Both servers keep one process for all rounds and answer `POST /v1/completions` with `stream`, on the same model file with as
  many threads. In a round each is asked the same as the other, one after the other; figures are medians of the rounds.
- llama-server is a release build for this very processor (`GGML_NATIVE`) with a slot for each client, each with keys and
  values of its own, flash attention, and a sampler that looks for the best token alone. Modelyard has its default settings,
  but for threads and `language.positions`, and asks for a key.
- Prompts are tokens of a novel, no two alike, and the best token is taken each time. *private*: 64 tokens, answered by 128.
  *schema*: the same, the answer held to a list of objects that has no room to end. *long*: 1,024 tokens, answered by 32.
  *shared*: the same, but the first 1,000 tokens are those of all, and were read by both before, in all slots.
- A client asks its next question when the last one is answered; questions are begun for so many seconds, and all answers
  are read to their end. *first token* is the time from connecting to the first text, *between* that from one text to the
  next, *tokens/s* are those of all clients by the time until the last has ended. Where Modelyard guesses right
  (up to four answers at once), several texts come at once.
- *the server's own time* is the processor time of the process that talks to clients, by the tokens written in *private*; the
  model runs in another. Linux counts it in hundredths of a second.
- Targets are those of the engine less a tenth; a beginning that is known has to make the first token five times sooner, a
  schema may cost 15 % of the speed, the server 100 us a token.
- *Beside an ONNX model*: one row of the digits perceptron by `/v2/models/digits/infer`, on the same Modelyard.
";

pub(super) fn render(
    machine: &Machine,
    versions: &[(&'static str, String)],
    plan: Plan,
    measured: &[OnThreads],
) -> Result<String> {
    let mut text = HEAD.to_owned();
    for on in measured {
        writeln!(text, "\n## {MODEL_SHOWN}, {}\n", threads(on.threads))?;
        targets(&mut text, on)?;
        text.push('\n');
        table(&mut text, on)?;
        if !on.agree {
            writeln!(text, "\nThe first eight tokens behind one prompt differ between the two servers.")?;
        }
    }
    beside(&mut text, measured)?;
    writeln!(text, "\n## Where and with what\n")?;
    let abilities = machine.abilities.join(", ");
    writeln!(text, "- {}; {} processors; {abilities}", machine.processor, machine.cores)?;
    writeln!(text, "- Linux {}; load before the measurement {:.2}", machine.kernel, machine.load_before)?;
    let Plan { rounds, seconds, threads } = plan;
    let option = threads.map_or_else(String::new, |count| format!(" --threads {count}"));
    let command = format!("cargo xtask bench llm --rounds {rounds} --seconds {seconds}{option}");
    writeln!(text, "- {}; `{command}`", machine.date)?;
    for (name, version) in versions {
        writeln!(text, "- {name} {version}")?;
    }
    writeln!(text, "- `llama-server --threads N --threads-batch N {}`", servers::peer_flags().join(" "))?;
    write!(text, "\n{READING}")?;
    Ok(text)
}

fn targets(text: &mut String, on: &OnThreads) -> Result<()> {
    writeln!(text, "| | Modelyard | llama-server | Modelyard does | target | met |")?;
    writeln!(text, "|---|---|---|---|---|---|")?;
    for one in judged::all(on) {
        let met = if one.is_met() { "yes" } else { "short" };
        let (does, target) = (one.shown(), one.target.shown());
        writeln!(text, "| {} | {} | {} | {does} | {target} | {met} |", one.what, one.ours, one.peer)?;
    }
    Ok(())
}

fn table(text: &mut String, on: &OnThreads) -> Result<()> {
    writeln!(
        text,
        "| Modelyard, llama-server | first token ms, p50 | p99 | between ms, p50 | p99 | tokens/s | the server's own us a token |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for one in &on.measured {
        let cells = [
            pair(one, |told| told.to_first_p50_ms, 1),
            pair(one, |told| told.to_first_p99_ms, 1),
            pair(one, |told| told.between_p50_ms, 2),
            pair(one, |told| told.between_p99_ms, 2),
            pair(one, |told| told.tokens_per_second, 0),
        ];
        let (kind, clients) = (name(one.work.kind), judged::clients(one.work.clients));
        writeln!(text, "| {kind}, {clients} | {} | {:.0} |", cells.join(" | "), one.overhead())?;
    }
    Ok(())
}

fn pair(one: &Measured, figure: fn(&Told) -> f64, digits: usize) -> String {
    format!("{:.digits$}, {:.digits$}", middle(&one.ours, figure), middle(&one.peer, figure))
}

fn beside(text: &mut String, measured: &[OnThreads]) -> Result<()> {
    let (connections, streams) = (neighbour::CONNECTIONS, servers::MOST_CLIENTS);
    writeln!(text, "\n## Beside an ONNX model\n")?;
    writeln!(
        text,
        "| {connections} connections ask the digits model | requests/s | p50 ms | p99 ms |\n|---|---|---|---|"
    )?;
    for on in measured {
        let model = format!("language model on {}", threads(on.threads));
        let alone = (format!("alone, {model}"), &on.neighbour.alone);
        let crowded = (format!("beside {streams} streams, {model}"), &on.neighbour.beside);
        for (name, loads) in [alone, crowded] {
            let of_rounds = |figure: fn(&Load) -> f64| median(loads.iter().map(figure));
            let speed = of_rounds(|load| load.per_second);
            let (p50, p99) = (of_rounds(|load| load.p50_ms), of_rounds(|load| load.p99_ms));
            writeln!(text, "| {name} | {speed:.0} | {p50:.2} | {p99:.2} |")?;
        }
    }
    Ok(())
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Private => "private",
        Kind::Schema => "schema",
        Kind::Long => "long",
        Kind::Shared => "shared",
    }
}

fn threads(count: u32) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

#[cfg(test)]
mod tests {
    use super::super::figures::examples;
    use super::*;

    #[test]
    fn both_stand_in_every_row_and_targets_say_whether_they_are_met() {
        let on = examples::on_threads();
        let mut text = String::new();
        targets(&mut text, &on).unwrap();
        table(&mut text, &on).unwrap();
        beside(&mut text, &[on]).unwrap();
        for row in [
            "| first token, 1 client | 50.0 ms | 150.0 ms | 3.00 x | >= 2.25 x | yes |",
            "| first token, shared beginning, 4 clients | 10.0 x sooner | 10.0 x sooner | 10.00 x | >= 5 x | yes |",
            "| tokens/s under a schema, 1 client | 0.80 of free | 0.80 of free | 0.80 x | >= 0.85 x | short |",
            "| the server's own time for a token | - | - | 50 us | <= 100 us | yes |",
            "| private, 16 clients | 50.0, 150.0 | 100.0, 300.0 | 6.25, 6.25 | 12.00, 12.00 | 300, 100 | 50 |",
            "| beside 16 streams, language model on 1 thread | 4000 | 0.75 | 2.50 |",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
