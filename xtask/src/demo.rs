//! `cargo xtask demo`: from a fresh clone to a served model.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{process, product};

/// Builds, fetches ONNX Runtime, and becomes `modelyard demo`.
pub(crate) fn demo(exit: bool) -> Result<ExitCode> {
    let executable = product::build_alone()?;
    if let Err(error) = process::run(Command::new(&executable).args(["engine", "install"])) {
        eprintln!("{error:#}");
        eprintln!("going on without ONNX Runtime, with the embedded RTen engine");
    }
    let mut command = Command::new(&executable);
    command.arg("demo");
    if exit {
        command.arg("--exit");
    }
    // This process turns into the demo, so that its exit status and every signal are the demo's own.
    let shown = process::show(&command);
    Err(command.exec()).with_context(|| format!("cannot start {shown}"))
}
