//! `cargo xtask soak`: language models for hours, with schemas, cancels and embeddings, while memory and pages are watched.
//!
//! Too long for `cargo xtask test`. `python/conformance/_soak.py` asks and judges; here it gets a release build and what
//! the tests have set up.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::places::checkout;
use crate::{process, product, setup};

const SCRIPT: &str = "python/conformance/_soak.py";

/// Fails when a sample is invalid, an answer fails, a page stays in use or a process grows.
pub(crate) fn soak(samples: u32, minutes: u32) -> Result<ExitCode> {
    let support = setup::set_up()?;
    let binary = product::build_for_release()?;
    let mut command = Command::new(&support.python);
    command.current_dir(checkout()).arg(SCRIPT).env("MODELYARD_BIN", &binary);
    command.args(["--samples", &samples.to_string(), "--minutes", &minutes.to_string()]);
    let shown = process::show(&command);
    let status =
        support.describe_to(&mut command).status().with_context(|| format!("cannot start {shown}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
