//! How a worker ended, in words that help.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::Signal;

use crate::WorkerLimits;

/// How a worker process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// Its exit status, unless a signal ended it.
    pub status: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// What probably happened, for who decides upon it.
    pub cause: Option<ExitCause>,
    /// The same in words.
    pub hint: Option<String>,
}

/// Why a worker process probably ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// It could not have the memory it asked for.
    MemoryLimit {
        /// How much it asked for in one piece, where that is known.
        asked_bytes: Option<u64>,
    },
    /// It used its processor time up.
    ProcessorTime,
    /// It wrote a file that is larger than allowed.
    FileSize,
    /// It made a system call that is not allowed.
    SystemCall,
    /// Something outside killed it, be it the kernel when the machine ran out of memory.
    Killed,
    /// It crashed or overran its stack.
    Crash,
}

const SIGNAL_NAMES: [(Signal, &str); 12] = [
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::HUP, "SIGHUP"),
    (Signal::ILL, "SIGILL"),
    (Signal::INT, "SIGINT"),
    (Signal::KILL, "SIGKILL"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::SYS, "SIGSYS"),
    (Signal::TERM, "SIGTERM"),
    (Signal::XCPU, "SIGXCPU"),
    (Signal::XFSZ, "SIGXFSZ"),
];

/// What runtimes write on standard error when memory cannot be had.
const OUT_OF_MEMORY_WORDS: [&str; 5] =
    ["memory allocation of", "bad_alloc", "bad_array_new_length", "out of memory", "Cannot allocate memory"];

impl ExitReport {
    pub(crate) fn new(status: ExitStatus, limits: &WorkerLimits, stderr: &str) -> Self {
        let signal = status.signal();
        let cause = cause(signal.and_then(Signal::from_named_raw), limits, stderr);
        Self { status: status.code(), signal, cause, hint: cause.map(|cause| hint(cause, limits)) }
    }

    /// The name of the signal that ended it, such as `SIGKILL`.
    pub fn signal_name(&self) -> Option<&'static str> {
        let number = self.signal?;
        SIGNAL_NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
    }
}

fn cause(signal: Option<Signal>, limits: &WorkerLimits, stderr: &str) -> Option<ExitCause> {
    let out_of_memory = OUT_OF_MEMORY_WORDS.iter().any(|words| stderr.contains(words));
    match (signal?, limits.cpu_seconds) {
        (Signal::XCPU, Some(_)) => Some(ExitCause::ProcessorTime),
        (Signal::XFSZ, _) => Some(ExitCause::FileSize),
        (Signal::SYS, _) => Some(ExitCause::SystemCall),
        (Signal::KILL, _) => Some(ExitCause::Killed),
        _ if out_of_memory => Some(ExitCause::MemoryLimit { asked_bytes: asked_bytes(stderr) }),
        (Signal::SEGV | Signal::BUS, _) => Some(ExitCause::Crash),
        _ => None,
    }
}

/// What Rust's own runtime says that could not be had.
fn asked_bytes(stderr: &str) -> Option<u64> {
    let (_, rest) = stderr.rsplit_once("memory allocation of ")?;
    rest.split(' ').next()?.parse().ok()
}

fn hint(cause: ExitCause, limits: &WorkerLimits) -> String {
    match cause {
        ExitCause::MemoryLimit { .. } => {
            let (memory, space) = (limits.memory_bytes >> 20, limits.address_space_bytes >> 20);
            format!("it needed more than its {memory} MiB of memory or {space} MiB of address space")
        }
        ExitCause::ProcessorTime => {
            let seconds = limits.cpu_seconds.unwrap_or_default();
            format!("it used more than {seconds} s of processor time")
        }
        ExitCause::FileSize if limits.written_file_bytes == 0 => "it tried to write a file".to_owned(),
        ExitCause::FileSize => {
            format!("it tried to write a file of more than {} MiB", limits.written_file_bytes >> 20)
        }
        ExitCause::SystemCall => "it made a system call that is not allowed".to_owned(),
        ExitCause::Killed => {
            "something outside killed it, perhaps because the machine ran out of memory".to_owned()
        }
        ExitCause::Crash => "it crashed or overran its stack".to_owned(),
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.signal_name(), self.status) {
            (_, Some(name), _) => write!(formatter, "was ended by {name}")?,
            (Some(number), None, _) => write!(formatter, "was ended by signal {number}")?,
            (None, None, Some(status)) => write!(formatter, "exited with status {status}")?,
            (None, None, None) => formatter.write_str("ended")?,
        }
        match &self.hint {
            Some(hint) => write!(formatter, ": {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words_that_help() {
        let limits = WorkerLimits {
            cpu_seconds: Some(30),
            memory_bytes: 512 << 20,
            address_space_bytes: 3 << 30,
            ..WorkerLimits::default()
        };
        let exited = |status: i32| status << 8;
        let cases = [
            (exited(0), "", "exited with status 0"),
            (exited(101), "memory allocation of 1 bytes failed", "exited with status 101"),
            (24, "", "was ended by SIGXCPU: it used more than 30 s of processor time"),
            (
                6,
                "memory allocation of 9 bytes failed",
                "was ended by SIGABRT: it needed more than its 512 MiB of memory or 3072 MiB of address space",
            ),
            (
                6,
                "terminate called after throwing 'std::bad_alloc'",
                "was ended by SIGABRT: it needed more than its 512 MiB of memory or 3072 MiB of address space",
            ),
            (6, "assertion failed", "was ended by SIGABRT"),
            (11, "", "was ended by SIGSEGV: it crashed or overran its stack"),
            (
                9,
                "",
                "was ended by SIGKILL: something outside killed it, perhaps because the machine ran out of memory",
            ),
            (50, "", "was ended by signal 50"),
        ];
        for (raw, stderr, expected) in cases {
            let report = ExitReport::new(ExitStatus::from_raw(raw), &limits, stderr);
            assert_eq!(report.to_string(), expected);
        }
    }

    #[test]
    fn a_limit_that_was_not_set_is_not_blamed() {
        let limits = WorkerLimits { cpu_seconds: None, ..WorkerLimits::default() };
        assert_eq!(ExitReport::new(ExitStatus::from_raw(24), &limits, "").hint, None);
    }

    #[test]
    fn what_was_asked_for_last_is_told() {
        let cause = |stderr| ExitReport::new(ExitStatus::from_raw(6), &WorkerLimits::default(), stderr).cause;
        let memory = |asked_bytes| Some(ExitCause::MemoryLimit { asked_bytes });
        assert_eq!(
            cause("memory allocation of 1 x\nmemory allocation of 77 bytes failed\n"),
            memory(Some(77))
        );
        assert_eq!(cause("std::bad_alloc"), memory(None));
        assert_eq!(cause("memory allocation of much"), memory(None));
        assert_eq!(cause("assertion failed"), None);
    }

    #[test]
    fn a_file_that_is_too_large_is_told_with_its_limit() {
        let limits = WorkerLimits { written_file_bytes: 3 << 20, ..WorkerLimits::default() };
        let report = ExitReport::new(ExitStatus::from_raw(25), &limits, "");
        assert_eq!(report.to_string(), "was ended by SIGXFSZ: it tried to write a file of more than 3 MiB");
    }
}
