//! A server that runs for a measurement, its CPU time and its memory.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::process;

/// Stopped when dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
}

/// What a server used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// User and system time of the process and its descendants.
    pub(super) cpu: Duration,
    /// Resident bytes of the process and its descendants.
    pub(super) memory: u64,
}

impl Running {
    /// Starts a server whose output goes to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = fs::File::create(log)?.into_parts().0;
        let shown = process::show(command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn().with_context(|| format!("cannot start {shown}"))? })
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
            bail!("{shown} ended before it was ready; see {}", log.display());
        }
        Ok((running, line))
    }

    /// Waits until something listens.
    pub(super) fn wait_for(&mut self, address: SocketAddr, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if Instant::now() > end {
                bail!("nothing listens on {address} after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let mut total = Usage { cpu: Duration::ZERO, memory: 0 };
        for process in family(self.child.id())? {
            // A process that ended meanwhile counts for nothing.
            if let Some(usage) = usage_of(process) {
                total.cpu += usage.cpu;
                total.memory += usage.memory;
            }
        }
        Ok(total)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Politely first: Triton's backend processes would outlive a parent that is killed.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        let end = Instant::now() + Duration::from_secs(10);
        while asked.is_ok() && Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process and all its descendants.
fn family(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        if let Some(parent) = stat_fields(process).and_then(|fields| fields.get(1)?.parse().ok()) {
            parents.push((process, parent));
        }
    }
    let mut members = vec![root];
    let mut next = 0;
    while let Some(member) = members.get(next).copied() {
        members.extend(parents.iter().filter(|(_, parent)| *parent == member).map(|(process, _)| *process));
        next += 1;
    }
    Ok(members)
}

/// The fields of `/proc/PID/stat` after the name, which may hold blanks.
fn stat_fields(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn usage_of(process: u32) -> Option<Usage> {
    // Linux counts in hundredths of a second on every architecture that we measure on.
    const TICK: Duration = Duration::from_millis(10);
    const PAGE: u64 = 4096;
    let fields = stat_fields(process)?;
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let ticks = u32::try_from(number(11)? + number(12)?).ok()?;
    Some(Usage { cpu: TICK * ticks, memory: number(21)? * PAGE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_cpu_and_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "(while :; do :; done) & wait"]);
        let running = Running::start(&mut command, &folder.path().join("log")).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while running.usage().unwrap().cpu < Duration::from_millis(50) {
            assert!(Instant::now() < end, "the child of the child is not counted");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(running.usage().unwrap().memory > 4096);
        let members = family(running.child.id()).unwrap();
        assert!(members.len() >= 2, "{members:?}");
        let _ = Command::new("kill").args(members[1..].iter().map(u32::to_string)).status();
    }
}
