//! `modelyard train`: from a specification to a registered version.

mod curve;
mod examples;
mod figures;
mod local;
mod outcome;
mod remote;
mod spec;
mod watch;

use std::path::PathBuf;

use anyhow::Result;

use crate::{cli::GlobalArgs, exit::UsageError, output::Output};

pub(super) use {curve::draw as draw_curve, remote::metrics_of};

pub(crate) use spec::SpecFileError;

/// Train a model from a specification and register it
///
/// A specification says which data, which model and how to fit it; `modelyard train --example list` names some to start
/// from. A server does it as a job, which this command follows: Ctrl-C stops following, and the job goes on. With
/// `--local` it is done here, and Ctrl-C calls it off. Prints `NAME version N` once the version is registered.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    modelyard train --example mlp > digits.toml\n  \
    modelyard train digits.toml\n  \
    modelyard train digits.toml --local")]
pub(crate) struct TrainArgs {
    /// File with the specification, in TOML or (ending in .json) JSON; `-` reads TOML from stdin. Paths in it start from
    /// its directory
    #[arg(required_unless_present = "example")]
    spec: Option<PathBuf>,

    /// Print an example instead of training: `list` names them all
    #[arg(long, value_name = "KIND", conflicts_with = "spec")]
    example: Option<String>,

    /// Train on this machine without a server, in the data directory, which no server may have open
    #[arg(long)]
    local: bool,

    /// Submit the job to the server and print its id, without following it
    #[arg(long, conflicts_with = "local")]
    detach: bool,

    /// Most memory of the job, such as 512MiB or 4GiB [default: the server's; 4GiB with --local]
    #[arg(long, value_name = "SIZE", value_parser = spec::memory)]
    memory: Option<u64>,

    /// ONNX Runtime's library [default: where `modelyard engine install` put it]
    #[arg(long, value_name = "FILE", env = "ORT_DYLIB_PATH")]
    onnxruntime: Option<PathBuf>,
}

/// Prints an example, or trains.
pub(crate) fn run(args: &TrainArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    if let Some(kind) = &args.example {
        return examples::print(kind, output);
    }
    let Some(file) = &args.spec else {
        return Err(
            UsageError("a specification is needed: see `modelyard train --example list`".to_owned()).into()
        );
    };
    let spec = spec::read(file)?;
    if !args.local {
        return remote::run(&spec, args, global, output);
    }
    local::run(spec, args, global, output)
}
