//! `modelyard-lab`: the child process in which jobs of `modelyard` run, and the commands that read data.
//!
//! It stands beside `modelyard` and links what the server must not: training, Arrow, Parquet. It knows no HTTP and no
//! database: what a job reads it is given as files, what it makes are files.

mod data;
mod worker;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Jobs take and give back much memory on several threads, which this allocator does faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit status where the data are not as they should be, so that a script can stop here.
const OBJECTIONS: u8 = 1;
/// The exit status where a command could not do its work.
const TROUBLE: u8 = 2;

/// The part of Modelyard that reads data and trains
#[derive(Debug, Parser)]
#[command(name = "modelyard-lab", version, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run jobs for the program that started this process
    #[command(hide = true)]
    Worker,
    /// Describe, check and compare files of data
    #[command(subcommand)]
    Data(data::DataCommand),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Worker => worker::run().map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from),
        Command::Data(command) => look_at(&command),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(TROUBLE)
    })
}

fn look_at(command: &data::DataCommand) -> anyhow::Result<ExitCode> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let outcome = data::run(command, &mut stdout)?;
    stdout.flush()?;
    Ok(match outcome {
        data::Outcome::Fine => ExitCode::SUCCESS,
        data::Outcome::Objections => ExitCode::from(OBJECTIONS),
    })
}
