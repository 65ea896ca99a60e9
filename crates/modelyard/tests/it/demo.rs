use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{TestServer, digits, outcome, program, run, signal};

#[test]
fn the_demo_tells_the_whole_story_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let story = run(folder.path(), &["demo", "--exit"]);
    for part in [
        "registering the data set",
        "(* train, o validation)",
        "digits version 1 is ready",
        "the server has stopped",
    ] {
        assert!(story.stderr.contains(part), "{story:?}");
    }
    let story = story.data();
    for part in ["██", "REST  0     0", "gRPC  ", "All 360 digits that the model has not seen: 35"] {
        assert!(story.contains(part), "{story}");
    }
    let left = fs_err::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left where it was run");
}

#[test]
fn the_demo_leaves_its_findings_in_a_data_directory_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    let report = outcome(command.args(["demo", "--exit", "--json", "--data-dir", "kept"])).json();
    assert_eq!((report["held_out"].as_u64(), report["version"].as_u64()), (Some(360), Some(1)));
    assert!(report["accuracy"].as_f64().unwrap() >= 0.97, "{report}");
    assert!(report["trained_in_seconds"].as_f64().unwrap() > 0.0, "{report}");
    assert!(folder.path().join("kept/admin.key").is_file());
}

#[test]
fn a_second_demo_shows_what_it_has_trained_whatever_is_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let demo = |folder: &TempDir| {
        let mut command = program(folder.path());
        outcome(command.args(["demo", "--exit", "--json", "--data-dir", "modelyard-data"])).json()
    };
    assert_eq!(demo(&folder)["version"], 1);
    // Another model of the name, whose input has another name, goes into production.
    let server = TestServer::start_in(folder);
    let other = server.run_on(&["push", "digits"], &digits(), &["--alias", "production"]).data();
    assert_eq!(other, "digits version 2");
    let (_, _, folder) = server.stop();
    let again = demo(&folder);
    assert_eq!(again["version"], 1, "the same data and specification make the same version: {again}");
    assert!(again["accuracy"].as_f64().unwrap() >= 0.97, "{again}");
}

#[test]
fn the_demo_serves_until_it_is_stopped_and_leaves_no_server_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(["demo", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let report: Value = serde_json::from_str(&line).unwrap();
    let server = report["server"].as_str().unwrap();
    let key = fs_err::read_to_string(format!("{}/admin.key", report["data_dir"].as_str().unwrap())).unwrap();
    let models = run(folder.path(), &["--server", server, "--api-key", key.trim(), "models"]).data();
    assert!(models.contains("digits"), "{models}");

    signal(&child, Signal::INT);
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{status}: {said}");
    assert!(TcpStream::connect(server.replace("http://", "")).is_err(), "the server is still there");
}
