//! The stages of a test run, each of which can be run alone.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::places::checkout;
use crate::process::{self, cargo};
use crate::setup::TestSupport;
use crate::tally::{self, Tally};
use crate::tidy;

/// What finds most mistakes in the least time.
pub(crate) fn quick() -> Result<()> {
    format()?;
    clippy()?;
    tidy::tidy()
}

pub(crate) fn format() -> Result<()> {
    require_component("fmt", "rustfmt")?;
    process::run(cargo().args(["fmt", "--all", "--check"]))
}

pub(crate) fn clippy() -> Result<()> {
    require_component("clippy", "clippy")?;
    process::run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn require_component(command: &str, component: &str) -> Result<()> {
    if !process::works(cargo().args([command, "--version"]))? {
        bail!("{component} is not installed for this toolchain: rustup component add {component}");
    }
    Ok(())
}

pub(crate) fn documentation() -> Result<()> {
    process::run(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--workspace",
        "--no-deps",
        "--quiet",
    ]))
}

/// Unit and integration tests of the workspace.
pub(crate) fn rust_tests(support: &TestSupport) -> Result<Tally> {
    if process::works(cargo().args(["nextest", "--version"]))? {
        let mut command = cargo();
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        count(support.describe_to(&mut command), tally::of_nextest_line)
    } else {
        let mut command = cargo();
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
        count(support.describe_to(&mut command), tally::of_cargo_test_line)
    }
}

/// The examples in the documentation, which nextest leaves out. Most crates have switched them off.
pub(crate) fn doc_tests(support: &TestSupport) -> Result<Tally> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--doc", "--no-fail-fast", "--quiet"]);
    count(support.describe_to(&mut command), tally::of_cargo_test_line)
}

pub(crate) fn digits(support: &TestSupport) -> Result<Tally> {
    let mut command = Command::new(&support.python);
    command.current_dir(checkout()).args(["data/digits/make.py", "--check"]);
    let tally = count(support.describe_to(&mut command), tally::of_plain_line)?;
    match tally.complaint() {
        Some(complaint) => bail!("the committed digits: {complaint}"),
        None => Ok(tally),
    }
}

/// Runs a test program with its output shown and adds up the lines that `read` understands.
pub(crate) fn count(command: &mut Command, read: fn(&str) -> Option<Tally>) -> Result<Tally> {
    let shown = process::show(command);
    let mut total = Tally::default();
    let mut counted = false;
    let status = process::watch(command, |line| {
        if let Some(tally) = read(line) {
            total += tally;
            counted = true;
        }
    })
    .with_context(|| format!("while running {shown}"))?;
    if !status.success() && total.failed == 0 {
        // It ended before it could count, or does not want to say what went wrong: one failure, its own.
        eprintln!("{shown}: {status}");
        total.failed = 1;
    } else if !counted && status.success() {
        eprintln!("{shown} ended well without telling how many tests it ran");
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, passed: u64, failed: u64) {
        let tally = count(Command::new("sh").args(["-c", script]), tally::of_plain_line).unwrap();
        assert_eq!(tally, Tally { passed, failed, skipped: 0 });
    }

    #[test]
    fn counts_of_both_streams_are_added_up() {
        check("echo '2 passed, 0 failed'; echo '3 passed, 0 failed' >&2", 5, 0);
    }

    #[test]
    fn a_program_that_ends_badly_counts_as_a_failure_whatever_it_said() {
        check("echo '2 passed, 0 failed'; exit 1", 2, 1);
        check("exit 7", 0, 1);
        check("echo '2 passed, 3 failed'; exit 1", 2, 3);
    }

    #[test]
    fn a_program_that_says_nothing_has_run_no_test() {
        check("echo hello", 0, 0);
    }
}
