use std::net::TcpListener;

use fs_err as fs;
use serde_json::Value;

use crate::program::{TestServer, run};

#[test]
fn what_cannot_be_pushed_is_refused_with_its_reason() {
    let server = TestServer::start();
    let folder = server.folder.path();
    server.run(&["push", "m", "missing.onnx"]).fails(5, "there is no file or directory missing.onnx");
    fs::write(folder.join("garbage.onnx"), "this is not ONNX").unwrap();
    server.run(&["push", "m", "garbage.onnx"]).fails(6, "invalid_argument");
    fs::create_dir(folder.join("empty")).unwrap();
    server.run(&["push", "m", "empty"]).fails(6, "holds no file");
    fs::create_dir(folder.join("text")).unwrap();
    fs::write(folder.join("text/README.md"), "no model").unwrap();
    server.run(&["push", "m", "text"]).fails(6, "invalid_argument");
    fs::write(folder.join("model.pkl"), b"\x80\x04pickle").unwrap();
    server.run(&["push", "m", "model.pkl"]).fails(6, "model.pkl");
    assert_eq!(server.run(&["models"]).data(), "", "nothing came of it");
}

#[test]
fn what_is_not_there_is_told_apart_from_what_went_wrong() {
    let server = TestServer::start();
    server.push_digits();
    server.run(&["show", "nothing"]).fails(5, "nothing");
    server.run(&["show", "digits:9"]).fails(5, "not_found");
    server.run(&["show", "digits@beta"]).fails(5, "model 'digits' has no alias 'beta'; it has production");
    server.run(&["promote", "digits", "9"]).fails(5, "not_found");
    server.run(&["keys", "revoke", "nobody"]).fails(5, "not_found");
    server.run(&["rollback", "digits"]).fails(1, "conflict");
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{address}");
    run(folder.path(), &["--server", &server, "models"])
        .fails(3, "is it running? `modelyard serve` starts one");
}

#[test]
fn a_wrong_command_line_is_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part_of_message) in [
        (&["pushh"][..], "unrecognized subcommand"),
        (&["push", "m"], "<PATH>"),
        (&["push", "bad name", "x"], "is not a name"),
        (&["promote", "m", "first"], "whole number"),
        (&["show", "m@7"], "digits alone"),
        (&["models", "--server", "localhost:8080"], "is not the address of a server"),
        (&["models", "--server", "https://localhost"], "no TLS"),
        (&["keys", "create", "k", "--role", "king"], "invalid value"),
    ] {
        run(folder.path(), arguments).fails(2, part_of_message);
    }
}

#[test]
fn with_json_a_failure_is_one_line_of_json() {
    let server = TestServer::start();
    let failed = server.run(&["show", "nothing", "--json"]);
    assert_eq!((failed.status, failed.stdout.as_str()), (Some(5), ""));
    let line: Value = serde_json::from_str(failed.stderr.trim_end()).unwrap();
    assert_eq!(line["error"]["code"], "not_found");
    assert_eq!(line["error"]["exit_status"], 5);
    assert!(line["error"]["request_id"].is_string(), "{line}");
}
