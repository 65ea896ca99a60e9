//! A server that runs for a measurement.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::usage::{self, Memory, Usage};
use crate::process;

/// Stopped when dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
}

/// An address that was free a moment ago, for servers that cannot tell which one they took.
pub(super) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

impl Running {
    /// Starts a server whose output goes to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = fs::File::create(log)?.into_parts().0;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {}", process::show(command)))?;
        Ok(Self { child })
    }

    /// Starts a server that writes one line on standard output when it is ready; gives the line.
    pub(super) fn start_and_read_line(command: &mut Command, log: &Path) -> Result<(Self, String)> {
        let file = fs::File::create(log)?.into_parts().0;
        let shown = process::show(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().with_context(|| format!("cannot start {shown}"))?;
        let stdout = child.stdout.take().context("the output was asked for")?;
        let running = Self { child };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            bail!("{shown} ended before it was ready; it said:\n{}", last_lines(log));
        }
        Ok((running, line))
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        usage::of_family(self.child.id())
    }

    /// Of the server alone, without descendants.
    pub(super) fn cpu_alone(&self) -> Result<Duration> {
        usage::cpu_alone(self.child.id())
    }

    /// Of the server alone, without descendants.
    pub(super) fn memory(&self) -> Result<Memory> {
        usage::memory_of(self.child.id())
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Politely first: the backend processes of Triton outlive a parent that is killed.
        let members = usage::members(self.child.id()).unwrap_or_default();
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(20);
        while asked.is_ok() && Instant::now() < end && self.is_alive() {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_alive() {
            let ids = members.iter().map(u32::to_string);
            let _ = Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
    }
}

/// The end of a log, for an error message.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Shows what a server warned of: a figure that surprises often has its reason there.
pub(super) fn show_warnings(log: &Path) {
    let text = fs::read(log).unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines().filter(|line| is_warning(line)) {
        eprintln!("the server said: {line}");
    }
}

fn is_warning(line: &str) -> bool {
    line.split_whitespace().any(|word| word == "WARN" || word == "ERROR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_of_a_child_counts_and_stopping_is_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'kill $!; exit' TERM; (while :; do :; done) & wait"]);
        let running = Running::start(&mut command, &folder.path().join("log")).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while running.usage().unwrap().cpu < Duration::from_millis(50) {
            assert!(Instant::now() < end, "the child of the child is not counted");
            std::thread::yield_now();
        }
        let members = usage::members(running.child.id()).unwrap();
        assert_eq!(members.len(), 2, "{members:?}");
        let started = Instant::now();
        drop(running);
        assert!(started.elapsed() < Duration::from_secs(19), "it had to be killed");
    }

    #[test]
    fn warnings_are_told_from_the_rest_of_a_log() {
        assert!(is_warning("2026-01-01T00:00:00Z  WARN runs move to the compute threads"));
        assert!(!is_warning("2026-01-01T00:00:00Z  INFO ready reason=\"no WARNING\""));
    }

    #[test]
    fn a_server_that_ends_at_once_shows_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such port >&2; exit 1"]);
        let error = Running::start_and_read_line(&mut command, &folder.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("no such port\n") || error.to_string().ends_with("no such port"));
    }
}
