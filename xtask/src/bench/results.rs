//! Writing `bench/RESULTS.md`. Nobody else writes figures into it.

use std::fmt::Write as _;

use super::figures::{Contestant, EngineBound, Neighbour, Sample, Serving};
use super::machine::Machine;
use super::measure::{CONNECTIONS, Plan};
use super::targets;

/// What a run found, where and with what.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) machine: Machine,
    pub(super) versions: Vec<(String, String)>,
    pub(super) plan: Plan,
    pub(super) figures: Serving,
}

const HEAD: &str = "\
# Speed, measured

Written by `cargo xtask bench serving`, figures and all; do not edit it by hand. Language models have pages of
their own: [over HTTP](LANGUAGE_SERVICE.md), [the engine](LANGUAGE.md), [how right they are](LANGUAGE_QUALITY.md).
";

const READING: &str = "\
## How to read this

- The load generator runs on the same machine and shares its cores with the servers. It keeps a number of connections busy,
  one request in flight on each, from one thread; *generator* tells how much of a core it used. Near 100 %, the server could
  do more than the figure says.
- Everything is the median of the rounds. In a round each contestant is measured once, one after another; the others run
  idle meanwhile.
- Before it is measured, each contestant answers the request once and must be right to 1e-5. The bare handler has no model
  and must answer the sum of the row. One failed request makes the whole run void.
- CPU is the user and system time of the server and its descendants, by request. Memory is their resident memory at the end.
- *Bare axum handler* parses the same JSON with typed serde and answers ten numbers: no model, no key, no metrics. It has as
  many threads as Modelyard has for talking to clients.
- Modelyard runs with its default settings, requires a key and counts its metrics.
- *Triton, Python backend* is Triton's server with dynamic batching and ONNX Runtime in its Python backend, which joins the
  requests of a batch into one run. It says nothing about Triton's own ONNX Runtime backend, which is not in the wheel.
- FastAPI runs in one uvicorn process with uvloop and httptools, and has its handler in two forms: `def`, which it hands to a
  thread pool and advises for work that blocks, and `async def`, which is quicker for a model as small as this one.
- ONNX Runtime uses one thread for each run everywhere.
";

pub(super) fn render(document: &Document) -> String {
    let mut text = HEAD.to_owned();
    let figures = &document.figures;
    // Writing into a String cannot fail.
    let _ = write_all(&mut text, document, figures);
    text
}

fn write_all(text: &mut String, document: &Document, figures: &Serving) -> std::fmt::Result {
    write_targets(text, figures)?;
    write_one_row(text, figures)?;
    write_engine_bound(text, &figures.engine_bound)?;
    write_neighbours(text, &figures.neighbours)?;
    write_start(text, figures)?;
    write!(text, "\n{READING}")?;
    write_machine(text, document)?;
    write_commands(text, document.plan)
}

fn write_targets(text: &mut String, figures: &Serving) -> std::fmt::Result {
    let targets = targets::of_serving(figures);
    let met = targets.iter().filter(|target| target.met() == Some(true)).count();
    writeln!(text, "\n## Targets: {met} of {} met\n", targets.len())?;
    writeln!(text, "| work | target | measured | |\n|---|---|---|---|")?;
    for target in &targets {
        let (asked, measured) = (target.asked_text(), target.measured_text());
        writeln!(text, "| {} | {asked} | {measured} | {} |", target.work, target.verdict())?;
    }
    for (contestant, reason) in &figures.left_out {
        writeln!(text, "\n{} is not measured: {reason}.", contestant.label())?;
    }
    Ok(())
}

fn write_one_row(text: &mut String, figures: &Serving) -> std::fmt::Result {
    writeln!(text, "\n## One row of a 100-128-10 perceptron, V2 JSON")?;
    for connections in CONNECTIONS {
        let plural = if connections == 1 { "" } else { "s" };
        writeln!(text, "\n{connections} connection{plural}:\n")?;
        writeln!(
            text,
            "| | requests/s | Modelyard does | p50 ms | p99 ms | server CPU us a request | generator | memory MB |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|---|")?;
        for row in &figures.one_row {
            let Some(sample) = figures.point(row.contestant, connections) else { continue };
            let ratio = match figures.ratio_to(row.contestant, connections) {
                Some(ratio) if row.contestant != Contestant::Modelyard => format!("{ratio:.2} x"),
                _ => String::new(),
            };
            writeln!(
                text,
                "| {} | {:.0} | {ratio} | {} | {:.1} | {} | {} |",
                row.contestant.label(),
                sample.per_second,
                latencies(&sample),
                sample.server_cpu_us,
                generator(&sample),
                megabytes(row.memory)
            )?;
        }
    }
    Ok(())
}

fn write_engine_bound(text: &mut String, rows: &[EngineBound]) -> std::fmt::Result {
    writeln!(text, "\n## Models whose own work outweighs the serving, V2 with binary tensors\n")?;
    writeln!(
        text,
        "| model | one request | ONNX Runtime alone: threads, runs/s | Modelyard: connections, requests/s | share | p50 ms | p99 ms | server CPU us a request |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|")?;
    for row in rows {
        writeln!(
            text,
            "| {} | {} | {}, {:.1} | {}, {:.1} | {:.1} % | {} | {:.0} |",
            row.model,
            row.input,
            row.threads,
            row.alone_per_second,
            row.connections,
            row.served.per_second,
            row.share() * 100.0,
            latencies(&row.served),
            row.served.server_cpu_us
        )?;
    }
    Ok(())
}

fn write_neighbours(text: &mut String, rows: &[Neighbour]) -> std::fmt::Result {
    writeln!(text, "\n## A small model beside a heavy one")?;
    writeln!(
        text,
        "\nThe perceptron, alone and while minilm-int8 in the same server gets all the requests it can take.\n"
    )?;
    writeln!(text, "| connections | | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")?;
    for row in rows {
        for (what, sample) in [("alone", &row.alone), ("beside minilm-int8", &row.beside)] {
            let (per_second, latencies) = (sample.per_second, latencies(sample));
            writeln!(text, "| {} | {what} | {per_second:.0} | {latencies} |", row.connections)?;
        }
    }
    Ok(())
}

fn write_start(text: &mut String, figures: &Serving) -> std::fmt::Result {
    let start = &figures.start;
    writeln!(text, "\n## Start and idle memory")?;
    writeln!(
        text,
        "\nWith a data directory that holds the digits model already, files in the system's cache, ONNX Runtime as engine: \
         {:.0} ms from starting the process to its first prediction (median of 5).\n",
        start.first_answer.as_secs_f64() * 1e3
    )?;
    writeln!(text, "| idle | resident MB | of that private, not mapped from files, MB |\n|---|---|---|")?;
    for (when, memory) in
        [("after the start", start.memory_before), ("after the first answer", start.memory_after)]
    {
        writeln!(text, "| {when} | {} | {} |", megabytes(memory.resident), megabytes(memory.private))?;
    }
    Ok(())
}

fn write_machine(text: &mut String, document: &Document) -> std::fmt::Result {
    let machine = &document.machine;
    writeln!(text, "\n## Machine and versions\n")?;
    writeln!(text, "| | |\n|---|---|")?;
    let abilities = match machine.abilities.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    writeln!(text, "| date | {} |", machine.date)?;
    writeln!(text, "| processor | {}{abilities}, {} cores |", machine.processor, machine.cores)?;
    writeln!(text, "| memory | {:.0} GB |", machine.memory_bytes as f64 / 1e9)?;
    writeln!(text, "| kernel | Linux {} |", machine.kernel)?;
    writeln!(text, "| load over the minute before | {:.2} |", machine.load_before)?;
    for (name, version) in &document.versions {
        writeln!(text, "| {name} | {version} |")?;
    }
    if let Some(version) = &document.figures.triton {
        writeln!(text, "| Triton | {version} |")?;
    }
    Ok(())
}

fn write_commands(text: &mut String, plan: Plan) -> std::fmt::Result {
    let Plan { rounds, seconds } = plan;
    writeln!(text, "\n## To repeat it\n")?;
    writeln!(text, "```\ncargo xtask bench serving --rounds {rounds} --seconds {seconds}\n```\n")?;
    writeln!(
        text,
        "It sets up what it needs (Python packages, models, Triton's wheel), builds for release, and starts these servers:\n"
    )?;
    writeln!(
        text,
        "```\n\
         modelyard serve --data-dir DATA --http 127.0.0.1:0 --grpc 127.0.0.1:0\n\
         bare-axum --address 127.0.0.1:PORT --threads N\n\
         python -m uvicorn fastapi_app:app --workers 1 --log-level warning --no-access-log --port PORT\n\
         tritonserver --model-repository DIR --backend-directory DIR --http-port PORT --grpc-port PORT --allow-metrics false\n\
         load 127.0.0.1:PORT /v2/models/mlp/infer --body FILE --connections N --seconds {seconds} --warm-up 0.5\n\
         ```"
    )
}

fn latencies(sample: &Sample) -> String {
    let digits = if sample.p99_ms < 10.0 { 3 } else { 1 };
    format!("{:.digits$} | {:.digits$}", sample.p50_ms, sample.p99_ms)
}

fn generator(sample: &Sample) -> String {
    sample.generator_share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::figures::examples;
    use super::*;

    fn document() -> Document {
        Document {
            machine: Machine {
                date: "2026-01-02".to_owned(),
                processor: "Chip 9000".to_owned(),
                abilities: vec!["avx2"],
                cores: 2,
                memory_bytes: 24_000_000_000,
                kernel: "6.1.0".to_owned(),
                load_before: 0.07,
            },
            versions: vec![("FastAPI".to_owned(), "0.1".to_owned())],
            plan: Plan { rounds: 3, seconds: 4 },
            figures: examples::serving(),
        }
    }

    #[track_caller]
    fn check(document: &Document, line: &str) {
        let text = render(document);
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn every_figure_stands_in_its_place() {
        let document = document();
        check(&document, "## Targets: 13 of 16 met");
        check(
            &document,
            "| one row, 64 connections: requests/s, of the bare axum handler's | >= 90 % | 80.0 % | **not met** |",
        );
        check(&document, "| Modelyard | 60000 |  | 0.500 | 2.000 | 15.0 | 75 % | 50.0 |");
        check(&document, "| Triton, Python backend | 10000 | 6.00 x | 0.500 | 2.000 | 15.0 | 75 % | 50.0 |");
        check(
            &document,
            "| minilm-int8 | 1 x 128 tokens | 2, 100.0 | 4, 97.0 | 97.0 % | 0.500 | 2.000 | 15 |",
        );
        check(&document, "| 1 | beside minilm-int8 | 8000 | 0.500 | 2.000 |");
        check(&document, "| processor | Chip 9000 (avx2), 2 cores |");
        check(&document, "| FastAPI | 0.1 |");
        check(&document, "| Triton | 2.51.0 |");
        check(&document, "cargo xtask bench serving --rounds 3 --seconds 4");
        let text = render(&document);
        assert!(text.contains("120 ms from starting the process"), "{text}");
        check(&document, "| after the first answer | 39.0 | 15.0 |");
    }

    #[test]
    fn a_peer_that_was_left_out_is_named_with_the_reason_and_has_no_row() {
        let mut document = document();
        document.figures.one_row.retain(|row| row.contestant != Contestant::Triton);
        document.figures.left_out =
            vec![(Contestant::Triton, "its wheel cannot be installed on this machine")];
        document.figures.triton = None;
        check(
            &document,
            "Triton, Python backend is not measured: its wheel cannot be installed on this machine.",
        );
        let text = render(&document);
        assert!(!text.contains("| Triton, Python backend | "), "{text}");
        assert!(!text.contains("| Triton | "), "{text}");
    }

    #[test]
    fn tables_are_rectangular() {
        let text = render(&document());
        let mut columns = None;
        for line in text.lines() {
            let count = line.starts_with('|').then(|| line.matches('|').count());
            if count.is_some() && columns.is_some() {
                assert_eq!(count, columns, "{line}");
            }
            columns = count;
        }
    }
}
