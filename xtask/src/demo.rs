//! `cargo xtask demo`: from a fresh clone to a served model.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{process, product, setup};

/// What is shown instead of a model that is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instead {
    /// A language model, SmolLM2: asked a question, and held to a JSON schema
    Llm,
}

/// Builds, fetches what the show needs, and becomes `modelyard demo`.
pub(crate) fn demo(instead: Option<Instead>, exit: bool) -> Result<ExitCode> {
    let executable = product::build_alone()?;
    let mut command = Command::new(&executable);
    command.arg("demo");
    match instead {
        None => install_runtime(&executable),
        Some(Instead::Llm) => {
            command.arg("--language-model").arg(setup::set_up()?.language_model());
        }
    }
    if exit {
        command.arg("--exit");
    }
    // This process turns into the demo, so that its exit status and every signal are the demo's own.
    let shown = process::show(&command);
    Err(command.exec()).with_context(|| format!("cannot start {shown}"))
}

fn install_runtime(executable: &Path) {
    if let Err(error) = process::run(Command::new(executable).args(["engine", "install"])) {
        eprintln!("{error:#}");
        eprintln!("going on without ONNX Runtime, with the embedded RTen engine");
    }
}
