//! The commands, one file each, and how one of them is run.

pub(crate) mod archive;
pub(crate) mod completions;
pub(crate) mod engine;
pub(crate) mod gc;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod options;
pub(crate) mod predict;
pub(crate) mod promote;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod show;

use anyhow::{Context as _, Result};
use yard_client::Client;

use crate::{
    cli::{Cli, Command, GlobalArgs},
    connection,
    exit::Interrupted,
    output::Output,
    serve, worker,
};

/// What a command that talks to a server works with.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

/// Runs the command that the line names.
pub(crate) fn run(arguments: Cli, output: Output) -> Result<()> {
    let Cli { command, global } = arguments;
    match command {
        Command::Serve(args) => serve::run(&args, &global),
        Command::Worker(args) => worker::run(&args),
        Command::Completions(args) => completions::run(&args, output),
        Command::Engine(args) => engine::run(&args, &global, output),
        remote => on_runtime(at_server(remote, &global, output)),
    }
}

async fn at_server(command: Command, global: &GlobalArgs, output: Output) -> Result<()> {
    let session = Session { client: connection::client(global)?, output };
    match command {
        Command::Push(args) => push::run(args, &session).await,
        Command::Pull(args) => pull::run(&args, &session).await,
        Command::Models(args) => models::run(&args, &session).await,
        Command::Show(args) => show::run(&args, &session).await,
        Command::Predict(args) => predict::run(&args, &session).await,
        Command::Promote(args) => promote::run(&args, &session).await,
        Command::Rollback(args) => promote::roll_back(&args, &session).await,
        Command::Archive(args) => archive::run(&args, &session).await,
        Command::Options(args) => options::run(&args, &session).await,
        Command::Keys(args) => keys::run(args, &session).await,
        Command::Gc(args) => gc::run(&args, &session).await,
        Command::Serve(_) | Command::Worker(_) | Command::Completions(_) | Command::Engine(_) => Ok(()),
    }
}

/// Runs a command to its end, or until Ctrl-C, when what it had begun is dropped and cleans up after itself.
fn on_runtime(command: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = command => result,
            _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
        }
    });
    // A blocking read of a large file must not hold up the end.
    runtime.shutdown_background();
    result
}
