//! Building the `modelyard` executable, and `modelyard-lab` beside it.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use crate::process::{self, cargo};

/// Builds the executable with the features that the tests' build has, so that after `cargo nextest run` nothing is
/// compiled again. Returns its path.
pub(crate) fn build_as_tested() -> Result<PathBuf> {
    build(&["--workspace", "--bins", "--tests"])
}

/// Builds the two executables that make up the product, and nothing else. Returns the path of `modelyard`.
pub(crate) fn build_alone() -> Result<PathBuf> {
    build(&["--package", "modelyard", "--package", "modelyard-lab", "--bins"])
}

/// Builds `modelyard` as it is shipped, for what measures or takes hours. Returns its path.
pub(crate) fn build_for_release() -> Result<PathBuf> {
    build(&["--release", "--package", "modelyard", "--bins"])
}

fn build(selection: &[&str]) -> Result<PathBuf> {
    let mut command = cargo();
    command.arg("build").args(selection).arg("--message-format=json-render-diagnostics");
    let shown = process::show(&command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {shown}"))?;
    let stdout = child.stdout.take().context("the output was asked for")?;
    let mut executable = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == "modelyard"
            && !artifact.profile.test
            && let Some(path) = artifact.executable
        {
            executable = Some(path.into_std_path_buf());
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    executable.with_context(|| format!("{shown} made no executable modelyard"))
}
