//! The programs that ask language models: `ask` once, `streams` with many clients that read streams.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::bench::tools::Door;
use crate::process;

/// The programs, built for release.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) ask: PathBuf,
    pub(super) streams: PathBuf,
}

/// How many clients, how long, and what they ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clients<'a> {
    pub(super) count: usize,
    /// In which questions are begun; with none, each client asks once.
    pub(super) seconds: u32,
    /// One body a line.
    pub(super) bodies: &'a Path,
    /// How many tokens each answer has to have.
    pub(super) tokens: usize,
}

/// What `streams` reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    pub(super) tokens: f64,
    pub(super) tokens_per_second: f64,
    pub(super) to_first_p50_ms: f64,
    pub(super) to_first_p99_ms: f64,
    pub(super) between_p50_ms: f64,
    pub(super) between_p99_ms: f64,
}

/// Clients that go on while something else is measured.
#[derive(Debug)]
pub(super) struct Background {
    child: Child,
    shown: String,
}

impl Streams {
    /// Asks once, or until there is an answer, with the body in a file; without one it is a GET.
    pub(super) fn ask(&self, door: &Door, body: Option<&Path>, patience_seconds: u32) -> Result<Value> {
        let mut command = Command::new(&self.ask);
        address(&mut command, door);
        command.args(["--patience", &patience_seconds.to_string()]);
        if let Some(body) = body {
            command.arg("--body").arg(body);
        }
        let told =
            process::capture(&mut command).with_context(|| format!("{} does not answer", door.path))?;
        serde_json::from_str(&told).with_context(|| format!("{} answers no JSON: {told}", door.path))
    }

    /// Measures.
    pub(super) fn measure(&self, door: &Door, clients: Clients<'_>) -> Result<Told> {
        parse(&process::capture(&mut self.command(door, clients))?)
    }

    /// Starts clients that go on by themselves.
    pub(super) fn start(&self, door: &Door, clients: Clients<'_>) -> Result<Background> {
        let mut command = self.command(door, clients);
        let shown = process::show(&command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Background { child: child.with_context(|| format!("cannot start {shown}"))?, shown })
    }

    fn command(&self, door: &Door, clients: Clients<'_>) -> Command {
        let mut command = Command::new(&self.streams);
        address(&mut command, door);
        command.arg("--bodies").arg(clients.bodies);
        command.args(["--clients", &clients.count.to_string()]);
        command.args(["--seconds", &clients.seconds.to_string()]);
        command.args(["--tokens", &clients.tokens.to_string()]);
        command
    }
}

impl Background {
    /// Whether it is still at work.
    pub(super) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> Result<Told> {
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().context("the output was asked for")?;
        stdout.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{}: {status}", self.shown);
        }
        parse(&text)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(command: &mut Command, door: &Door) {
    command.arg(door.address.to_string()).arg(&door.path);
    command.args(["--header", "Content-Type: application/json"]);
    for header in &door.headers {
        command.args(["--header", header]);
    }
}

/// Refuses a measurement in which anything failed or nothing happened.
fn parse(report: &str) -> Result<Told> {
    let report: Value = serde_json::from_str(report).context("the report of the clients is not JSON")?;
    let number = |name: &str| report[name].as_f64().with_context(|| format!("the report has no {name}"));
    let failed = number("failed")?;
    if failed > 0.0 {
        bail!("{failed} clients failed, the first with: {}", report["first_failure"]);
    }
    let tokens = number("answer_tokens")?;
    if tokens == 0.0 {
        bail!("no token came in the time measured");
    }
    Ok(Told {
        tokens,
        tokens_per_second: number("tokens_per_second")?,
        to_first_p50_ms: number("to_first_p50_ms")?,
        to_first_p99_ms: number("to_first_p99_ms")?,
        between_p50_ms: number("between_p50_ms")?,
        between_p99_ms: number("between_p99_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failed: u64, tokens: u64) -> String {
        serde_json::json!({
            "failed": failed, "first_failure": "status 503: busy", "answer_tokens": tokens, "tokens_per_second": 100.5,
            "to_first_p50_ms": 9.0, "to_first_p99_ms": 12.0, "between_p50_ms": 5.0, "between_p99_ms": 8.0,
        })
        .to_string()
    }

    #[test]
    fn one_failed_client_and_a_time_without_tokens_void_the_run() {
        assert_eq!(parse(&report(0, 64)).unwrap().tokens_per_second, 100.5);
        let error = parse(&report(1, 64)).unwrap_err().to_string();
        assert!(error.contains("1 clients failed") && error.contains("busy"), "{error}");
        assert!(parse(&report(0, 0)).is_err());
        assert!(parse("").is_err());
    }
}
