//! `cargo xtask bench`: Modelyard beside its peers, in one run, as ratios.
//!
//! Every figure is a median over rounds in which the contestants take turns, so that a machine whose speed drifts
//! slows them all. Whatever is measured must answer right, and what trains must learn; one failure makes the whole run void.
//! Results are written to `bench/RESULTS.md`, `bench/TRAINING.md`, `bench/LANGUAGE.md` and `bench/LANGUAGE_SERVICE.md` with the
//! machine, the versions and the commands.

mod contestants;
mod environment;
mod figures;
mod language;
mod llm_service;
mod machine;
mod measure;
mod question;
mod results;
mod running;
mod targets;
mod tools;
mod training;
mod usage;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::places;

/// What can be measured.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Bench {
    /// ONNX models over REST: requests a second, latency, CPU, memory and start time.
    Serving {
        /// Rounds in which every contestant is measured once.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
    /// Training on one thread beside PyTorch: samples a second of a perceptron and a convolutional network.
    Training {
        /// Rounds in which each of the two is measured once.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// An interpreter that has PyTorch.
        #[arg(long, default_value = "python3")]
        python: PathBuf,
    },
    /// Language models beside llama.cpp, which is fetched and built: reading prompts, streams, start, memory.
    LlmEngine {
        /// Rounds in which each of the two is asked everything once.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Measure only models whose file name holds this, and print the figures instead of writing them down.
        #[arg(long)]
        only: Option<String>,
        /// Measure only on so many threads.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2))]
        threads: Option<u32>,
    },
    /// Language models over HTTP beside llama.cpp's server: first token, streams, kept beginnings, schemas, and an ONNX model
    /// beside them.
    Llm {
        /// Rounds in which each of the two is asked everything once.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Seconds in which the clients of a measurement begin to ask.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// Measure only on so many threads.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2))]
        threads: Option<u32>,
    },
    /// How right language models are, beside llama.cpp and a reference in numpy. Fails where it is worse than asked for.
    LlmQuality {
        /// Look only at models whose file name holds this, and print what is found instead of writing it down.
        #[arg(long)]
        only: Option<String>,
        /// Only write llama.cpp's continuations to this file, as the tests of yard-llm read them.
        #[arg(long, conflicts_with = "only")]
        write: Option<PathBuf>,
    },
}

pub(crate) fn bench(what: Bench) -> Result<()> {
    match what {
        Bench::Serving { rounds, seconds } => serving(measure::Plan { rounds, seconds }),
        Bench::Training { rounds, python } => training::training(rounds, &python),
        Bench::LlmEngine { rounds, only, threads } => language::language(rounds, only.as_deref(), threads),
        Bench::Llm { rounds, seconds, threads } => {
            llm_service::service(llm_service::Plan { rounds, seconds, threads })
        }
        Bench::LlmQuality { only, write } => language::quality(only.as_deref(), write.as_deref()),
    }
}

fn serving(plan: measure::Plan) -> Result<()> {
    let environment = environment::prepare()?;
    let machine = machine::look()?;
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let figures = measure::serving(&environment, plan)?;
    let versions = environment::versions(&environment)?;
    let text = results::render(&results::Document { machine, versions, plan, figures });
    let path = places::checkout().join("bench/RESULTS.md");
    fs_err::write(&path, text)?;
    eprintln!("written: bench/RESULTS.md");
    Ok(())
}
