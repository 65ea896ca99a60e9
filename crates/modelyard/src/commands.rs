//! The commands, one file each, and how one of them is run.

pub(crate) mod archive;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod engine;
mod follow;
pub(crate) mod gc;
pub(crate) mod generate;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod leaderboard;
pub(crate) mod models;
pub(crate) mod options;
pub(crate) mod predict;
pub(crate) mod promote;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod show;
pub(crate) mod train;
pub(crate) mod usage;

use anyhow::{Context as _, Result};
use yard_client::Client;

use crate::{
    cli::{Cli, Command, GlobalArgs, ServerCommand},
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
        Command::Demo(args) => demo::run(&args, &global, output),
        Command::Serve(args) => serve::run(&args, &global),
        Command::Train(args) => train::run(&args, &global, output),
        Command::Data(args) => data::run(args, &global, output),
        Command::Leaderboard(args) => leaderboard::run(&args, &global, output),
        Command::Generate(args) => generate::run(&args, output),
        Command::Worker(args) => worker::run(&args),
        Command::AtServer(command) => on_runtime(at_server(command, &global, output)),
        Command::Engine(args) => engine::run(&args, &global, output),
        Command::Doctor(args) => doctor::run(&args, &global, output),
        Command::Completions(args) => completions::run(&args, output),
    }
}

/// A session with the server that the line names.
fn session(global: &GlobalArgs, output: Output) -> Result<Session> {
    Ok(Session { client: connection::client(global)?, output })
}

async fn at_server(command: ServerCommand, global: &GlobalArgs, output: Output) -> Result<()> {
    let session = session(global, output)?;
    let handles_interrupts = match &command {
        // One gives its upload up on Ctrl-C, which takes one more request; the other stops an answer, and goes on.
        ServerCommand::Push(_) | ServerCommand::Chat(_) => true,
        ServerCommand::Jobs(args) => args.handles_interrupts(),
        _ => false,
    };
    if handles_interrupts {
        return at_session(command, &session).await;
    }
    tokio::select! {
        result = at_session(command, &session) => result,
        _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
    }
}

async fn at_session(command: ServerCommand, session: &Session) -> Result<()> {
    match command {
        ServerCommand::Push(args) => push::run(args, session).await,
        ServerCommand::Pull(args) => pull::run(&args, session).await,
        ServerCommand::Models(args) => models::run(&args, session).await,
        ServerCommand::Show(args) => show::run(&args, session).await,
        ServerCommand::Promote(args) => promote::run(&args, session).await,
        ServerCommand::Rollback(args) => promote::roll_back(&args, session).await,
        ServerCommand::Archive(args) => archive::run(&args, session).await,
        ServerCommand::Options(args) => options::run(&args, session).await,
        ServerCommand::Predict(args) => predict::run(&args, session).await,
        ServerCommand::Chat(args) => chat::run(args, session).await,
        ServerCommand::Jobs(args) => jobs::run(args, session).await,
        ServerCommand::Keys(args) => keys::run(args, session).await,
        ServerCommand::Usage(args) => usage::run(args, session).await,
        ServerCommand::Gc(args) => gc::run(&args, session).await,
    }
}

/// Runs a command on a runtime of one thread.
fn on_runtime<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let result = runtime.block_on(command);
    // A blocking read of a large file must not hold up the end.
    runtime.shutdown_background();
    result
}
