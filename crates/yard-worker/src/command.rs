//! What to start and within which limits.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

/// The running program itself, also after its file was replaced by an update: parent and child are always one build.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// A worker to start.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program. Never looked for on `PATH`.
    pub program: PathBuf,
    /// Its arguments, such as the name of a subcommand.
    pub arguments: Vec<OsString>,
    /// Its whole environment. Nothing of ours is handed on.
    pub environment: Vec<(OsString, OsString)>,
    /// What it may use.
    pub limits: WorkerLimits,
    /// Files and directories that it may read besides the system's libraries, such as a package and an engine. Those that
    /// do not exist are left out. Everything else is closed to it as far as the kernel has Landlock.
    pub readable: Vec<PathBuf>,
    /// Directories in which it may make, write, rename and remove files and directories, and nowhere else. They must
    /// exist. Without [`WorkerLimits::written_file_bytes`] they help nothing.
    pub writable: Vec<PathBuf>,
}

/// What a worker may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Private writable memory, thread stacks included. Default: 4 GiB.
    pub memory_bytes: u64,
    /// All mapped memory, also that which is only reserved or read from files. Default: 64 GiB.
    pub address_space_bytes: u64,
    /// Processor time of all its threads together; `None` for as much as it takes. Default: 300 s.
    pub cpu_seconds: Option<u64>,
    /// Open files. Default: 256.
    pub open_files: u64,
    /// Largest file that it may write. Default: 0, it writes nothing.
    pub written_file_bytes: u64,
    /// How much nicer than its parent it is to others, 0 to 19. Default: 10.
    pub niceness: i32,
    /// Largest message in either direction, at most 4 GiB. Default: 16 MiB.
    pub max_message_bytes: u64,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            address_space_bytes: 64 << 30,
            cpu_seconds: Some(300),
            open_files: 256,
            written_file_bytes: 0,
            niceness: 10,
            max_message_bytes: 16 << 20,
        }
    }
}

impl WorkerCommand {
    /// A program at this place.
    pub fn at(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            limits: WorkerLimits::default(),
            readable: Vec::new(),
            writable: Vec::new(),
        }
    }

    /// The running program again, with other arguments.
    pub fn same_program(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::at(THIS_PROGRAM, arguments)
    }

    /// The program of this file name in the directory of the running one.
    pub fn beside(name: &str, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> io::Result<Self> {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name of a program holds no '/'"));
        }
        Ok(Self::at(env::current_exe()?.with_file_name(name), arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_beside_this_one_and_nowhere_else() {
        let directory = env::current_exe().unwrap().parent().unwrap().to_owned();
        let command = WorkerCommand::beside("modelyard-lab", ["worker"]).unwrap();
        assert_eq!(command.program, directory.join("modelyard-lab"));
        for name in ["", ".", "..", "a/b", "/bin/sh", "../x", "x/"] {
            assert!(WorkerCommand::beside(name, ["worker"]).is_err(), "{name:?}");
        }
    }
}
