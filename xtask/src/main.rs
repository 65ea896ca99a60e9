//! `cargo xtask`: sets up what the tests need, runs every check that a change must pass, and starts the demo.
//!
//! Not part of what ships, and no place for rules of the product. It starts other programs (cargo, python3, pip) and
//! judges what they say; it opens no network connection of its own.

mod places;
mod process;
mod setup;

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
    }
}
