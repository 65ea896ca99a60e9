use fs_err as fs;
use serde_json::json;

use crate::program::{TestServer, digits};

#[test]
fn a_version_is_pushed_once_promoted_rolled_back_and_archived() {
    let server = TestServer::start();
    assert_eq!(server.run(&["models"]).data(), "");
    server.push_digits();

    let again = server.run_on(&["push", "digits"], &digits(), &[]);
    assert!(again.stderr.contains("were a version already"), "{again:?}");
    assert_eq!(again.data(), "digits version 1");
    let new = server
        .run_on(&["push", "digits"], &digits(), &["--new-version", "--note", "second", "--json"])
        .json();
    assert_eq!(new, json!({"model": "digits", "version": 2, "created": true, "aliases": []}));

    assert_eq!(
        server.run(&["promote", "digits", "2"]).data(),
        "digits production is version 2 (was version 1)"
    );
    assert_eq!(
        server.run(&["promote", "digits", "2", "--alias", "canary", "--json"]).json(),
        json!({"model": "digits", "alias": "canary", "version": 2})
    );
    server.run(&["archive", "digits", "2"]).fails(1, "points at it");
    assert_eq!(server.run(&["rollback", "digits"]).data(), "digits production is version 1 (was version 2)");

    let table = server.run(&["models"]).data();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("MODEL   VERSIONS  LATEST  ALIASES                SINCE"), "{table}");
    assert!(lines[1].starts_with("digits  2         2       canary=2 production=1  2"), "{table}");

    let second = server.run(&["show", "digits@canary"]).data();
    assert!(second.starts_with("digits version 2\n"), "{second}");
    assert!(second.contains("Note         second"), "{second}");
    assert!(second.contains("pixels  FP32"), "{second}");
    let first = server.run(&["show", "digits", "--json"]).json();
    assert_eq!(first["version"], 1);
    assert_eq!(first["files"][0]["path"], "model.onnx");

    server.run_on(&["push", "digits"], &digits(), &["--new-version", "--alias", "canary"]).data();
    assert_eq!(server.run(&["archive", "digits", "2"]).data(), "digits version 2 is archived");
    assert!(server.run(&["gc"]).data().starts_with("deleted 0 contents"));
}

#[test]
fn a_pulled_version_is_what_was_pushed() {
    let server = TestServer::start();
    let package = server.folder.path().join("package");
    fs::create_dir_all(package.join("more")).unwrap();
    fs::copy(digits(), package.join("model.onnx")).unwrap();
    fs::write(package.join("more/labels.json"), "[]").unwrap();
    assert_eq!(server.run_on(&["push", "m"], &package, &[]).data(), "m version 1");

    let pulled = server.run(&["pull", "m", "here/there"]).data();
    assert_eq!(pulled, "here/there/model.onnx\nhere/there/more/labels.json");
    let place = server.folder.path().join("here/there");
    assert_eq!(fs::read(place.join("model.onnx")).unwrap(), fs::read(digits()).unwrap());
    let names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing unfinished is left: {names:?}");

    // Again: what is there stays. Changed: it is not overwritten.
    server.run(&["pull", "m:1", "here/there"]).data();
    fs::write(place.join("more/labels.json"), "changed").unwrap();
    server.run(&["pull", "m@production", "here/there"]).fails(1, "another file is there");
    assert_eq!(fs::read_to_string(place.join("more/labels.json")).unwrap(), "changed");
}

#[test]
fn serving_options_are_set_one_by_one_and_reset() {
    let server = TestServer::start();
    server.push_digits();
    let shown = server.run(&["options", "digits"]).data();
    assert!(shown.starts_with("max-batch                server's default\n"), "{shown}");
    server.run(&["options", "digits", "--max-batch", "8"]).data();
    let both = server.run(&["options", "digits", "--max-queue-delay", "250", "--json"]).json();
    assert_eq!(both, json!({"max_batch": 8, "max_queue_delay_microseconds": 250}));
    let shown = server.run(&["options", "digits"]).data();
    assert!(
        shown.contains("max-batch                8 rows\nmax-queue-delay          250 microseconds"),
        "{shown}"
    );
    assert_eq!(server.run(&["options", "digits", "--reset", "--json"]).json(), json!({}));
    server.run(&["options", "digits", "--max-batch", "0"]).fails(6, "max_batch");
    let shared = server.run(&["options", "digits", "--share-prefixes", "true", "--json"]).json();
    assert_eq!(shared, json!({"share_prefixes": true}));
    assert_eq!(server.run(&["options", "digits", "--share-prefixes", "false", "--json"]).json(), json!({}));
}
