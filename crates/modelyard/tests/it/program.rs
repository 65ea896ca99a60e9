//! Running the program and its server.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// The digits model, which both engines run.
pub(crate) fn digits() -> PathBuf {
    yard_fixtures::model("digits")
}

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The data, after checking that the run went well.
    #[track_caller]
    pub(crate) fn data(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.data()).unwrap()
    }

    /// Checks that the run failed as it should and printed no data.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, part_of_message: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.contains(part_of_message), "{self:?}");
    }
}

/// The program with an environment that says nothing to it, in a directory of its own.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelyard"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MODELYARD_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program without a server of ours.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    outcome(program(folder).args(arguments))
}

pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running server with a data directory of its own. Dropping it kills it.
pub(crate) struct TestServer {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    pub(crate) folder: TempDir,
    pub(crate) http: String,
    pub(crate) grpc: String,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    /// Starts on the data of `folder`.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        let mut child = program(folder.path())
            .args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value =
            serde_json::from_str(&line).expect("the server prints its addresses once it is ready");
        let address = |name: &str| format!("http://{}", ready[name].as_str().unwrap());
        let (http, grpc) = (address("http"), address("grpc"));
        Self { child, stdout, folder, http, grpc }
    }

    /// The program, talking to this server with its admin key.
    pub(crate) fn command(&self) -> Command {
        let mut command = program(self.folder.path());
        command.env("MODELYARD_SERVER", &self.http);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(self.command().args(arguments))
    }

    /// Runs a command on a file or directory.
    pub(crate) fn run_on(&self, arguments_before: &[&str], path: &Path, arguments_after: &[&str]) -> Outcome {
        outcome(self.command().args(arguments_before).arg(path).args(arguments_after))
    }

    #[track_caller]
    pub(crate) fn push_digits(&self) {
        assert_eq!(self.run_on(&["push", "digits"], &digits(), &[]).data(), "digits version 1");
    }

    /// Asks it to stop, and gives its status and what it printed after its first line.
    pub(crate) fn stop(mut self) -> (ExitStatus, String, TempDir) {
        signal(&self.child, Signal::TERM);
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, rest, folder)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
