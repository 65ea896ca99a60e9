//! `cargo xtask test`: every stage in order, the first failure ends it, and one closing line says how it went.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::tally::Tally;
use crate::{checks, conformance, setup, tidy};

pub(crate) fn everything() -> Result<ExitCode> {
    let mut total = Tally::default();
    let outcome = stages(&mut total);
    let line = closing_line(total, outcome.is_ok());
    if let Err(error) = &outcome {
        eprintln!("\nerror: {error:#}\n");
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stages(total: &mut Tally) -> Result<()> {
    let support = stage("set-up", "cargo xtask setup", setup::set_up)?;
    stage("format", "cargo fmt --all --check", checks::format)?;
    stage("clippy", "cargo clippy --workspace --all-targets -- -D warnings", checks::clippy)?;
    stage("tidy", "cargo xtask tidy", tidy::tidy)?;
    stage("documentation", "cargo xtask doc", checks::documentation)?;
    documentation_tests(total, &support)?;
    tested(total, "tests", "cargo nextest run --workspace, or cargo test --workspace", || {
        checks::rust_tests(&support)
    })?;
    tested(total, "conformance", "cargo xtask conformance", || conformance::run(&support, None))?;
    tested(total, "digits", "cargo xtask digits", || checks::digits(&support))
}

/// The one stage that may find nothing to run: an example in the documentation is welcome, not owed.
fn documentation_tests(total: &mut Tally, support: &setup::TestSupport) -> Result<()> {
    let (name, alone) = ("documentation tests", "cargo test --workspace --doc");
    stage(name, alone, || {
        let tally = checks::doc_tests(support)?;
        *total += tally;
        match tally.complaint() {
            Some(complaint) if tally != Tally::default() => bail!(complaint),
            _ => Ok(()),
        }
    })
}

/// Runs one stage and says which it was, how long it took and, where it fails, how to run it alone.
fn stage<T>(name: &str, alone: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("\n=== {name}");
    let started = Instant::now();
    let outcome = work();
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(value) => {
            eprintln!("=== {name}: done in {seconds:.1} s");
            Ok(value)
        }
        Err(error) => {
            eprintln!("=== {name}: failed after {seconds:.1} s");
            Err(error.context(format!("stage `{name}` failed (run it alone with: {alone})")))
        }
    }
}

/// A stage that counts tests: they are added to the total, whatever came of them.
fn tested(total: &mut Tally, name: &str, alone: &str, work: impl FnOnce() -> Result<Tally>) -> Result<()> {
    stage(name, alone, || {
        let tally = work()?;
        *total += tally;
        match tally.complaint() {
            Some(complaint) => bail!(complaint),
            None => Ok(()),
        }
    })
}

/// Whoever reads only this line must not take a run that broke off for a good one.
fn closing_line(total: Tally, good: bool) -> String {
    let failed = if good { total.failed } else { total.failed.max(1) };
    format!("modelyard: {} passed, {failed} failed", total.passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts_a_broken_off_run_as_a_failure() {
        let total = Tally { passed: 5, failed: 0, skipped: 0 };
        assert_eq!(closing_line(total, true), "modelyard: 5 passed, 0 failed");
        assert_eq!(closing_line(total, false), "modelyard: 5 passed, 1 failed");
        assert_eq!(closing_line(Tally { failed: 3, ..total }, false), "modelyard: 5 passed, 3 failed");
    }

    #[test]
    fn a_failed_stage_names_itself_and_the_command_to_run_it_alone() {
        let error = stage("tidy", "cargo xtask tidy", || -> Result<()> { bail!("too long") }).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "stage `tidy` failed (run it alone with: cargo xtask tidy): too long"
        );
    }

    #[test]
    fn failed_tests_are_in_the_total_and_fail_the_stage() {
        let mut total = Tally::default();
        let some_failed = Tally { passed: 2, failed: 1, skipped: 0 };
        tested(&mut total, "tests", "cargo test", || Ok(some_failed)).unwrap_err();
        assert_eq!(total, some_failed);
        let skipped = Tally { passed: 2, failed: 0, skipped: 1 };
        tested(&mut total, "tests", "cargo test", || Ok(skipped)).unwrap_err();
        tested(&mut total, "tests", "cargo test", || Ok(Tally::default())).unwrap_err();
    }
}
