//! The child puts itself under its limits. None of this can be undone.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt, path::Path};

use bytes::Bytes;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, Signal},
};

use crate::envelope;

/// How far the kernel confines a worker to its own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// It reads its own files and the system's libraries and writes in its own directories, and nothing else; it runs and
    /// connects to nothing.
    Enforced,
    /// The same for files, but the kernel is too old for something else, such as network connections.
    Partial,
    /// The kernel has no Landlock or has it turned off: only the other limits hold.
    Absent,
}

/// Why the child could not be confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error("the resource limit on {what} was refused")]
    Limit {
        what: &'static str,
        #[source]
        source: Errno,
    },
    #[error("{what} was refused")]
    Process {
        what: &'static str,
        #[source]
        source: Errno,
    },
    #[error("the process has {0} threads, and confines only the one that asks")]
    Threads(usize),
    #[error("the process cannot count its threads")]
    CountThreads(#[source] io::Error),
    #[error("a directory to write in cannot be opened")]
    Writable(#[source] PathFdError),
    #[error("Landlock was refused")]
    Landlock(#[from] RulesetError),
}

/// The newest rules this crate asks for; an older kernel enforces those it knows.
const RULES: ABI = ABI::V6;

/// What native engines and the language's runtime read of the system. Left out where missing.
const SYSTEM_FILES: [&str; 20] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/etc/ld.so.cache",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
];

/// What is done before a byte is read: dies with the parent, gains no privileges.
pub(crate) fn tie_to_parent() -> Result<(), ConfineError> {
    let refused = |what| move |source| ConfineError::Process { what, source };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(refused("the signal at the parent's death"))?;
    rustix::thread::set_no_new_privs(true).map_err(refused("giving up privileges"))
}

/// Puts this process under all limits of the set-up. Fails when it has more than one thread: Landlock and
/// `no_new_privs` hold for the thread that asks and those it starts.
pub(crate) fn confine(setup: &envelope::Setup) -> Result<Landlock, ConfineError> {
    let threads = fs::read_dir("/proc/self/task").map_err(ConfineError::CountThreads)?.count();
    if threads != 1 {
        return Err(ConfineError::Threads(threads));
    }
    // Before the limits: it opens each of the files.
    let landlock = restrict_files(paths(&setup.readable), paths(&setup.writable))?;
    limit("core dumps", Resource::Core, 0)?;
    limit("written files", Resource::Fsize, setup.written_file_bytes)?;
    limit("open files", Resource::Nofile, setup.open_files)?;
    if let Some(seconds) = setup.cpu_seconds {
        limit("processor time", Resource::Cpu, seconds)?;
    }
    limit("memory", Resource::Data, setup.memory_bytes)?;
    limit("address space", Resource::As, setup.address_space_bytes)?;
    rustix::process::nice(setup.niceness.clamp(0, 19))
        .map_err(|source| ConfineError::Process { what: "niceness", source })?;
    Ok(landlock)
}

fn paths(bytes: &[Bytes]) -> impl Iterator<Item = &Path> {
    bytes.iter().map(|path| Path::new(OsStr::from_bytes(path)))
}

/// Lowers a limit; one that is lower already stays.
fn limit(what: &'static str, resource: Resource, most: u64) -> Result<(), ConfineError> {
    let present = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    // Of processor time, the lower limit brings the signal that says so, and a second later the upper one plain death.
    let maximum = match resource {
        Resource::Cpu => most.saturating_add(1),
        _ => most,
    };
    let limit = Rlimit { current: Some(most.min(present)), maximum: Some(maximum.min(present)) };
    rustix::process::setrlimit(resource, limit).map_err(|source| ConfineError::Limit { what, source })
}

fn restrict_files<'a>(
    readable: impl Iterator<Item = &'a Path>,
    writable: impl Iterator<Item = &'a Path>,
) -> Result<Landlock, ConfineError> {
    // Reading only: a library that is mapped needs no right to execute, and nothing is executed.
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // Plain files and directories: no links out of the directory, no devices, no sockets.
    let write = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?;
    for path in SYSTEM_FILES.iter().map(Path::new).chain(readable) {
        // What cannot be opened now cannot be read later either: there is nothing to allow.
        let Ok(opened) = PathFd::new(path) else { continue };
        let is_directory = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
        let rights = if is_directory { read } else { BitFlags::from(AccessFs::ReadFile) };
        rules = rules.add_rule(PathBeneath::new(opened, rights))?;
    }
    for path in writable {
        let opened = PathFd::new(path).map_err(ConfineError::Writable)?;
        rules = rules.add_rule(PathBeneath::new(opened, read | write))?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Enforced,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Absent,
    })
}

impl From<Landlock> for envelope::Landlock {
    fn from(landlock: Landlock) -> Self {
        match landlock {
            Landlock::Enforced => Self::Enforced,
            Landlock::Partial => Self::Partial,
            Landlock::Absent => Self::Absent,
        }
    }
}

impl TryFrom<envelope::Landlock> for Landlock {
    type Error = ();

    fn try_from(landlock: envelope::Landlock) -> Result<Self, ()> {
        match landlock {
            envelope::Landlock::Enforced => Ok(Self::Enforced),
            envelope::Landlock::Partial => Ok(Self::Partial),
            envelope::Landlock::Absent => Ok(Self::Absent),
            envelope::Landlock::Unspecified => Err(()),
        }
    }
}
