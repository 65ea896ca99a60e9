//! `completions`: what a shell needs to complete our command lines.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, output::Output};

/// Print a script that completes commands and options in a shell
///
/// For bash: `source <(modelyard completions bash)`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, output: Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "modelyard", &mut script);
    output.text(&String::from_utf8_lossy(&script))
}
