use std::process::Stdio;

use crate::program::{TestServer, outcome, program};

#[test]
fn serve_prints_one_line_and_stops_when_asked() {
    let server = TestServer::start();
    server.push_digits();
    let (status, rest, folder) = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(rest, "", "nothing else is printed on stdout");

    // The same data, served again.
    let server = TestServer::start_in(folder);
    assert!(server.run(&["models"]).data().contains("production=1"));
}

#[test]
fn a_data_directory_has_one_server() {
    let server = TestServer::start();
    let mut second = program(server.folder.path());
    second.args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
    outcome(&mut second).fails(1, "is in use by process");
}

#[test]
fn completions_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = crate::program::run(folder.path(), &["completions", shell]).data();
        assert!(script.contains("rollback") && script.contains("modelyard"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
