//! CPU time and memory of a process and its descendants, from `/proc`.

use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;

/// What a family of processes used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system time, with that of children that have ended.
    pub(super) cpu: Duration,
    /// Resident bytes; what two members share counts twice.
    pub(super) memory: u64,
}

/// Resident bytes of one process, and how much of them it does not share with the files it was loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) private: u64,
}

pub(super) fn memory_of(process: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_memory(&text).context("the system does not tell how much memory a process has")
}

/// One process as `/proc/PID/stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    usage: Usage,
}

/// What a process and its descendants used until now.
pub(super) fn of_family(root: u32) -> Result<Usage> {
    let processes = all()?;
    let mut total = Usage { cpu: Duration::ZERO, memory: 0 };
    for member in family(root, &processes) {
        if let Some((_, stat)) = processes.iter().find(|(process, _)| *process == member) {
            total.cpu += stat.usage.cpu;
            total.memory += stat.usage.memory;
        }
    }
    Ok(total)
}

/// User and system time of one process, without any other's.
pub(super) fn cpu_alone(process: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse_own_cpu(&text).context("the system does not tell how long a process has computed")
}

/// A process and its descendants.
pub(super) fn members(root: u32) -> Result<Vec<u32>> {
    Ok(family(root, &all()?))
}

fn all() -> Result<Vec<(u32, Stat)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("the CPU time of a server is read from /proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that has ended meanwhile counts for nothing.
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if let Some(stat) = parse(&text) {
            found.push((process, stat));
        }
    }
    Ok(found)
}

fn family(root: u32, processes: &[(u32, Stat)]) -> Vec<u32> {
    let mut members = vec![root];
    let mut next = 0;
    while let Some(parent) = members.get(next).copied() {
        let children = processes.iter().filter(|(_, stat)| stat.parent == parent);
        members.extend(children.map(|(process, _)| *process));
        next += 1;
    }
    members
}

/// Linux counts in hundredths of a second and, where we measure, in pages of 4 KiB.
const TICK: Duration = Duration::from_millis(10);
const PAGE: u64 = 4096;

fn parse_own_cpu(text: &str) -> Option<Duration> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

/// The fields after the name, which stands in brackets and may itself hold blanks and brackets.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let own = number(11)? + number(12)?;
    let of_ended_children = number(13)? + number(14)?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        usage: Usage { cpu: TICK * u32::try_from(own + of_ended_children).ok()?, memory: number(21)? * PAGE },
    })
}

fn parse_memory(text: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { resident: bytes("VmRSS")?, private: bytes("RssAnon")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: u32, cpu_ms: u64, memory: u64) -> Stat {
        Stat { parent, usage: Usage { cpu: Duration::from_millis(cpu_ms), memory } }
    }

    #[test]
    fn a_line_is_read_even_if_the_name_looks_like_fields() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 5 0 12345 999 5 18446744073709551615";
        assert_eq!(parse(line), Some(stat(3, 1100, 5 * 4096)));
        assert_eq!(parse_own_cpu(line), Some(Duration::from_millis(330)));
        assert_eq!(parse("7 (short) S 3"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_family_has_children_and_their_children_and_nobody_else() {
        let processes = [(1, stat(0, 1, 1)), (5, stat(1, 1, 1)), (6, stat(5, 1, 1)), (7, stat(6, 1, 1))];
        assert_eq!(family(5, &processes), [5, 6, 7]);
        assert_eq!(family(7, &processes), [7]);
    }

    #[test]
    fn memory_is_read_by_name() {
        let text = "Name:\tx\nVmRSS:\t   40 kB\nRssAnon:\t   10 kB\nRssFile:\t   30 kB\n";
        assert_eq!(parse_memory(text), Some(Memory { resident: 40 << 10, private: 10 << 10 }));
        assert_eq!(parse_memory("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_knows_its_own_memory() {
        let usage = of_family(std::process::id()).unwrap();
        assert!(usage.memory > 100_000, "{usage:?}");
    }
}
