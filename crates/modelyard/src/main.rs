//! `modelyard`: the command line, the server and its children in one executable.
//!
//! Here are the commands, the settings and the wiring of the crates that do the work. There are no rules of any kind
//! here: what a name may be, what a key may do and when a version is ready is decided in the crates below.

mod chat_template;
mod cli;
mod commands;
mod connection;
mod engines;
mod exit;
mod home;
mod input;
mod model_ref;
mod output;
mod serve;
mod settings;
mod wiring;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

/// Serving makes many small buffers, which this allocator hands out faster and gives back better than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    let output = output::Output::new(arguments.global.json);
    match commands::run(arguments, output) {
        Ok(()) => exit::Status::Done.into(),
        Err(error) => {
            output.failure(&error);
            exit::status_of(&error).into()
        }
    }
}
