//! What reads data: `modelyard-lab`, which stands beside this program.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::value::RawValue;
use yard_api::management::CommitDataSetBody;

use crate::{output::Output, wiring::find_lab};

/// A server takes documents of 1 MiB; what is around the description is small.
const MAX_DESCRIPTION: usize = 1_000_000;

/// Becomes `modelyard-lab data COMMAND`: input, output and exit status are its own.
pub(super) fn run(command: &str, arguments: &[OsString], output: Output) -> Result<()> {
    let mut lab = Command::new(find_lab()?);
    lab.arg0("modelyard").args(["data", command]).args(arguments);
    // A schema is JSON in any case.
    if output.is_json() && command != "schema" && !arguments.iter().any(|argument| argument == "--json") {
        lab.arg("--json");
    }
    // Comes back only when it cannot be started.
    Err(lab.exec()).context("modelyard-lab cannot be started")
}

/// No description.
pub(super) fn nothing() -> CommitDataSetBody {
    CommitDataSetBody::default()
}

/// What the files are and hold, as JSON.
pub(in crate::commands) fn description(paths: &[PathBuf], output: Output) -> Result<CommitDataSetBody> {
    let program = find_lab()?;
    let ask = |arguments: &[&str], paths: &[PathBuf]| -> Result<Box<RawValue>> {
        let mut lab = Command::new(&program);
        lab.arg("data").args(arguments).arg("--").args(paths).stdin(Stdio::null());
        let done = lab.output().context("modelyard-lab cannot be started")?;
        if !done.status.success() {
            let told = String::from_utf8_lossy(&done.stderr);
            let told = told.trim().trim_start_matches("error: ").to_owned();
            return Err(anyhow!(told));
        }
        let text = String::from_utf8(done.stdout).context("modelyard-lab printed no text")?;
        RawValue::from_string(text.trim().to_owned()).context("modelyard-lab printed no JSON")
    };
    let Some(first) = paths.first() else { bail!("there are no files") };
    output.talk("looking at what the files hold");
    let schema = ask(&["schema"], std::slice::from_ref(first))?;
    let statistics = ask(&["describe", "--json"], paths)?;
    let mut body = CommitDataSetBody { schema: Some(schema), statistics: Some(statistics) };
    let length = |part: &Option<Box<RawValue>>| part.as_ref().map_or(0, |part| part.get().len());
    if length(&body.schema) + length(&body.statistics) > MAX_DESCRIPTION {
        output.talk("what the columns hold is too long to be kept with them; it is left out");
        body.statistics = None;
        if length(&body.schema) > MAX_DESCRIPTION {
            body.schema = None;
        }
    }
    Ok(body)
}
