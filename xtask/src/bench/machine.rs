//! The machine that was measured on, without anything that names it.

use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::process;

/// Above this many waiting processes, something else is at work.
const QUIET: f64 = 0.5;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Machine {
    pub(super) date: String,
    pub(super) processor: String,
    /// Those of the processor's abilities that matter to the kernels of ONNX Runtime.
    pub(super) abilities: Vec<&'static str>,
    pub(super) cores: usize,
    pub(super) memory_bytes: u64,
    pub(super) kernel: String,
    /// Processes at work or waiting, over the minute before the measurement.
    pub(super) load_before: f64,
}

const ABILITIES: [&str; 5] = ["avx2", "avx512f", "avx512_vnni", "amx_int8", "asimddp"];

pub(super) fn look() -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let (processor, abilities) = processor_of(&processors);
    let memory = fs::read_to_string("/proc/meminfo")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(Machine {
        date: process::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned(),
        processor,
        abilities,
        cores: std::thread::available_parallelism()?.get(),
        memory_bytes: memory_of(&memory).context("the size of the memory is not told")?,
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        load_before: load.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
    })
}

impl Machine {
    /// What to tell whoever measures on a machine that does something else as well.
    pub(super) fn warning(&self) -> Option<String> {
        (self.load_before > QUIET).then(|| {
            format!(
                "this machine is busy (load {:.2} over the last minute): trust the ratios a little, the rest not at all",
                self.load_before
            )
        })
    }
}

fn processor_of(text: &str) -> (String, Vec<&'static str>) {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    let flags: Vec<&str> =
        value("flags").or_else(|| value("Features")).unwrap_or_default().split_whitespace().collect();
    let abilities = ABILITIES.into_iter().filter(|ability| flags.contains(ability)).collect();
    (value("model name").unwrap_or(std::env::consts::ARCH).to_owned(), abilities)
}

fn memory_of(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_first_one_told() {
        let text = "processor\t: 0\nmodel name\t: Chip 9000\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(processor_of(text), ("Chip 9000".to_owned(), vec!["avx2", "avx512_vnni"]));
        assert_eq!(processor_of("").0, std::env::consts::ARCH);
    }

    #[test]
    fn memory_is_told_in_kibibytes() {
        assert_eq!(memory_of("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1 << 20));
        assert_eq!(memory_of("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = look().unwrap();
        assert!(machine.cores > 0 && machine.memory_bytes > 1 << 20);
        assert_eq!(machine.date.len(), 10);
    }
}
