//! `cargo xtask`: sets up what the tests need, runs every check that a change must pass, measures, and starts
//! the demo.
//!
//! Not part of what ships, and no place for rules of the product. It starts other programs (cargo, python3, pip) and
//! judges what they say; it opens no network connection of its own.

mod bench;
mod checks;
mod conformance;
mod demo;
mod places;
mod process;
mod product;
mod setup;
mod soak;
mod tally;
mod tests_run;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Set up, check, test and try Modelyard")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fill the per-user cache with what the tests need: a Python environment, real models, ONNX Runtime.
    Setup,
    /// The quick part of `test`: formatting, clippy, tidy.
    Check,
    /// Everything that CI runs, from set-up to real clients. Stops at the first stage that fails.
    Test,
    /// Run the scripts in python/conformance against the built server.
    Conformance {
        /// Run only scripts whose name contains this.
        filter: Option<String>,
    },
    /// Check that the committed digits are what their script makes of the data set.
    Digits,
    /// Check layers, licences, sources and house rules.
    Tidy,
    /// Build the documentation, with warnings denied.
    Doc,
    /// Measure Modelyard beside its peers, on a machine that does nothing else, and write the figures below bench/.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Ask a language model for thousands of samples by schema, then all sorts of things for minutes, and watch what it holds.
    Soak {
        /// Answers that are held to schemas, over thirty schemas.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
        samples: u32,
        /// Minutes of a mixed load after them: streams, some of which are left, embeddings, schemas.
        #[arg(long, default_value_t = 10)]
        minutes: u32,
    },
    /// Build Modelyard and show it: a real model trained, served and asked.
    Demo {
        /// Show something else instead.
        #[arg(value_enum)]
        instead: Option<demo::Instead>,
        /// Stop after the show instead of serving on.
        #[arg(long)]
        exit: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::set_up().map(|_| ExitCode::SUCCESS),
        Command::Check => checks::quick().map(|()| ExitCode::SUCCESS),
        Command::Test => tests_run::everything(),
        Command::Conformance { filter } => conformance::alone(filter.as_deref()),
        Command::Digits => checks::digits(&setup::set_up()?).map(|_| ExitCode::SUCCESS),
        Command::Tidy => tidy::tidy().map(|()| ExitCode::SUCCESS),
        Command::Doc => checks::documentation().map(|()| ExitCode::SUCCESS),
        Command::Bench(what) => bench::bench(what).map(|()| ExitCode::SUCCESS),
        Command::Soak { samples, minutes } => soak::soak(samples, minutes),
        Command::Demo { instead, exit } => demo::demo(instead, exit),
    }
}
