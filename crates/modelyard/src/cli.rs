//! The command line: which commands there are and what all of them take.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::{commands, connection::ConnectionArgs, exit, home::HomeArgs, serve, worker};

/// Serve, version and use machine-learning models
///
/// Start with `modelyard demo`, which shows the whole story on real data. Data goes to stdout, talk to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "modelyard",
    version,
    after_help = exit::TABLE,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GlobalArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Directory of a server's data, where its admin key is found too [default: ./modelyard-data]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MODELYARD_DATA_DIR",
        help_heading = "Global options"
    )]
    data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) home: HomeArgs,

    /// Print data as JSON on one line, and nothing but failures on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
}

impl GlobalArgs {
    /// The data directory, as given or the default.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir_given().unwrap_or(Path::new("modelyard-data"))
    }

    /// The data directory, if one is given.
    pub(crate) fn data_dir_given(&self) -> Option<&Path> {
        self.data_dir.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::DemoArgs),
    Serve(serve::ServeArgs),
    Train(commands::train::TrainArgs),
    Data(commands::data::DataArgs),
    Leaderboard(commands::leaderboard::LeaderboardArgs),
    #[command(hide = true)]
    Generate(commands::generate::GenerateArgs),
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    #[command(flatten)]
    AtServer(ServerCommand),
    Engine(commands::engine::EngineArgs),
    Doctor(commands::doctor::DoctorArgs),
    Completions(commands::completions::CompletionsArgs),
}

/// The commands that ask a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    Push(commands::push::PushArgs),
    Pull(commands::pull::PullArgs),
    Models(commands::models::ModelsArgs),
    Show(commands::show::ShowArgs),
    Promote(commands::promote::PromoteArgs),
    Rollback(commands::promote::RollbackArgs),
    Archive(commands::archive::ArchiveArgs),
    Options(commands::options::OptionsArgs),
    Predict(commands::predict::PredictArgs),
    Chat(commands::chat::ChatArgs),
    Jobs(commands::jobs::JobsArgs),
    Keys(commands::keys::KeysArgs),
    Usage(commands::usage::UsageArgs),
    Gc(commands::gc::GcArgs),
}

#[cfg(test)]
mod tests;
