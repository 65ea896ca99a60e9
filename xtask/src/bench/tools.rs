//! The programs that ask: `ask` once, `load` as fast as the server answers, and ONNX Runtime alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::question::Question;
use crate::process;

/// Where a question is asked.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) path: String,
    /// What a caller has to show, such as a key.
    pub(super) headers: Vec<String>,
}

/// The programs, built for release.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) ask: PathBuf,
    pub(super) load: PathBuf,
}

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strength {
    pub(super) connections: usize,
    pub(super) seconds: f64,
    pub(super) warm_up: f64,
}

/// What `load` reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Also before and after the time measured.
    pub(super) answered_in_all: u64,
    pub(super) generator_share: Option<f64>,
}

/// A load that runs while something else is measured.
#[derive(Debug)]
pub(super) struct Background {
    child: Child,
    shown: String,
}

impl Tools {
    /// Asks until there is an answer and gives its body.
    pub(super) fn ask(&self, door: &Door, body: Option<&Question>, patience_seconds: u32) -> Result<Vec<u8>> {
        let mut command = Command::new(&self.ask);
        address(&mut command, door, body);
        command.args(["--patience", &patience_seconds.to_string()]).stdin(Stdio::null());
        let output = command.output().context("cannot start ask")?;
        if !output.status.success() {
            bail!("{} does not answer: {}", door.path, String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(output.stdout)
    }

    /// Asks once, waiting if need be, and refuses a wrong answer: nothing idle is ever measured.
    pub(super) fn check(&self, door: &Door, question: &Question) -> Result<()> {
        let answer = self.ask(door, Some(question), 60)?;
        question.judge(&answer).with_context(|| format!("{} answers wrongly", door.path))
    }

    /// Measures.
    pub(super) fn load(&self, door: &Door, question: &Question, strength: Strength) -> Result<Load> {
        parse(&process::capture(&mut self.load_command(door, question, strength))?)
    }

    /// Starts a load that goes on by itself.
    pub(super) fn load_in_background(
        &self,
        door: &Door,
        question: &Question,
        strength: Strength,
    ) -> Result<Background> {
        let mut command = self.load_command(door, question, strength);
        let shown = process::show(&command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Background { child: child.with_context(|| format!("cannot start {shown}"))?, shown })
    }

    fn load_command(&self, door: &Door, question: &Question, strength: Strength) -> Command {
        let mut command = Command::new(&self.load);
        address(&mut command, door, Some(question));
        command.args(["--connections", &strength.connections.to_string()]);
        command.args(["--seconds", &strength.seconds.to_string()]);
        command.args(["--warm-up", &strength.warm_up.to_string()]);
        command
    }
}

impl Background {
    /// Whether it is still at work.
    pub(super) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> Result<Load> {
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().context("the output was asked for")?;
        std::io::Read::read_to_string(&mut stdout, &mut text)?;
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

fn address(command: &mut Command, door: &Door, body: Option<&Question>) {
    command.arg(door.address.to_string()).arg(&door.path);
    for header in &door.headers {
        command.args(["--header", header]);
    }
    if let Some(question) = body {
        for header in &question.headers {
            command.args(["--header", header]);
        }
        command.arg("--body").arg(&question.body);
    }
}

/// Refuses a measurement in which anything failed or nothing happened.
fn parse(report: &str) -> Result<Load> {
    let report: Value = serde_json::from_str(report).context("the load generator's report is not JSON")?;
    let count = |name: &str| report[name].as_u64().with_context(|| format!("the report has no {name}"));
    let number = |name: &str| report[name].as_f64().with_context(|| format!("the report has no {name}"));
    let failed = count("failed")?;
    if failed > 0 {
        bail!("{failed} requests failed, the first with: {}", report["first_failure"]);
    }
    if count("answered")? == 0 {
        bail!("no request was answered in the time measured");
    }
    Ok(Load {
        per_second: number("per_second")?,
        p50_ms: number("p50_ms")?,
        p99_ms: number("p99_ms")?,
        answered_in_all: count("answered_in_all")?,
        generator_share: report["generator_share"].as_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(answered: u64, failed: u64) -> String {
        serde_json::json!({
            "answered": answered, "answered_in_all": answered + 10, "failed": failed, "first_failure": "status 503: busy",
            "per_second": 50.5, "p50_ms": 1.0, "p99_ms": 2.0, "generator_share": null,
        })
        .to_string()
    }

    #[test]
    fn a_report_without_failures_is_taken() {
        let load = parse(&report(100, 0)).unwrap();
        let expected =
            Load { per_second: 50.5, p50_ms: 1.0, p99_ms: 2.0, answered_in_all: 110, generator_share: None };
        assert_eq!(load, expected);
    }

    #[test]
    fn one_failed_request_and_a_time_without_answers_void_the_run() {
        let error = parse(&report(100, 1)).unwrap_err().to_string();
        assert!(error.contains("1 requests failed") && error.contains("busy"), "{error}");
        assert!(parse(&report(0, 0)).is_err());
        assert!(parse("").is_err());
    }
}
