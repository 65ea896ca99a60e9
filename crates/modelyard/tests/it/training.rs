//! `modelyard train --local`: from a specification to a version, with no server.
//!
//! Jobs run in `modelyard-lab`, which is built with the workspace and stands beside `modelyard`.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use rustix::process::Signal;

use crate::program::{Outcome, TestServer, program, run, signal};

/// A specification that is trained within seconds, with the rows beside it.
fn write_spec(folder: &Path, extra: &str) {
    let mut rows = "height,colour,label\n".to_owned();
    for row in 0..120 {
        let (height, colour) = (row % 40, ["red", "green"][row % 2]);
        let label = if height + 20 * (row % 2) > 25 { "large" } else { "small" };
        rows.push_str(&format!("{height},{colour},{label}\n"));
    }
    std::fs::write(folder.join("rows.csv"), rows).unwrap();
    let spec = format!(
        "name = \"sizes\"\nseed = 7\n[data]\npath = \"rows.csv\"\nlabel = \"label\"\n[model]\nkind = \"logistic\"\n\
         [training]\nepochs = 20\n{extra}"
    );
    std::fs::write(folder.join("sizes.toml"), spec).unwrap();
}

fn train(folder: &Path, arguments: &[&str]) -> Outcome {
    run(folder, &[&["train", "sizes.toml", "--local"], arguments].concat())
}

#[test]
fn a_model_is_trained_registered_and_served() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "");
    let first = train(folder.path(), &[]);
    assert!(first.stderr.contains("loss  (* train, o validation)"), "{}", first.stderr);
    assert_eq!(first.data(), "sizes version 1");
    // Nothing of the job is left but its row.
    let jobs = folder.path().join("modelyard-data/jobs");
    assert_eq!(std::fs::read_dir(jobs).unwrap().count(), 0);

    let server = TestServer::start_in(folder);
    let shown = server.run(&["show", "sizes:1", "--json"]).json();
    let text = shown.to_string();
    assert!(
        text.contains("job ") && text.contains("sha256:") && text.contains("environment.engine"),
        "{text}"
    );
    let rows = server.folder.path().join("new.csv");
    std::fs::write(&rows, "height,colour\n39,green\n1,red\n").unwrap();
    let answer = server.run_on(&["predict", "sizes", "--input"], &rows, &[]).data();
    // The classes are sorted, so the first number is the probability of `large`.
    let large = |line: &str| line.split(',').next().unwrap().parse::<f64>().unwrap();
    let rows: Vec<f64> = answer.lines().skip(1).map(large).collect();
    assert!(rows.len() == 2 && rows[0] > 0.5 && rows[1] < 0.5, "{answer}");
}

#[test]
fn equal_runs_give_the_same_version() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "");
    let versions: Vec<_> = (0..2).map(|_| train(folder.path(), &["--json"]).json()).collect();
    assert_eq!(versions[0]["version"], 1);
    assert_eq!(versions[1]["version"], 1, "the second run gave other bytes");
    assert_eq!(versions[0]["model"], "sizes");
    assert!(versions[0]["summary"]["served"]["single_run_nanoseconds"].as_u64().unwrap() > 0);
    assert_ne!(versions[0]["job"], versions[1]["job"]);
}

#[test]
fn ctrl_c_calls_the_job_off() {
    let folder = tempfile::tempdir().unwrap();
    write_spec(folder.path(), "");
    let spec = folder.path().join("sizes.toml");
    let endless = std::fs::read_to_string(&spec).unwrap().replace("epochs = 20", "epochs = 100000");
    std::fs::write(&spec, endless).unwrap();
    let mut child = program(folder.path())
        .args(["train", "sizes.toml", "--local"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("job "), "{line}");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let jobs = folder.path().join("modelyard-data/jobs");
    assert!(!jobs.exists() || std::fs::read_dir(jobs).unwrap().count() == 0);
}

#[test]
fn what_is_wrong_is_said_before_and_during_the_job() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &[]).fails(5, "there is no file sizes.toml");
    write_spec(folder.path(), "epocks = 3\n");
    train(folder.path(), &[]).fails(6, "epocks");
    write_spec(folder.path(), "");
    std::fs::remove_file(folder.path().join("rows.csv")).unwrap();
    train(folder.path(), &[]).fails(5, "data: there is no file");
    std::fs::write(folder.path().join("rows.csv"), "height,colour,label\n1,red,a\n2,red,a\n").unwrap();
    train(folder.path(), &[]).fails(6, "one class");
}

#[test]
fn a_data_directory_that_a_server_has_open_is_left_alone() {
    let server = TestServer::start();
    write_spec(server.folder.path(), "");
    train(server.folder.path(), &[]).fails(1, "is in use by process");
}

#[test]
fn a_limit_on_memory_is_told_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let layers = "layers = [{ type = \"dense\", units = 16000, activation = \"relu\" }, { type = \"dense\", units = \
                  16000, activation = \"relu\" }, { type = \"dense\", units = 2, activation = \"softmax\" }]";
    write_spec(folder.path(), "");
    let spec = folder.path().join("sizes.toml");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, text.replace("kind = \"logistic\"", &format!("kind = \"network\"\n{layers}")))
        .unwrap();
    train(folder.path(), &["--memory", "512MiB"]).fails(6, "MiB of 512 MiB; lower batch_size");
}

#[test]
fn examples_are_listed_and_printed_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    let list = run(folder.path(), &["train", "--example", "list"]).data();
    assert!(list.lines().any(|line| line.starts_with("mlp ")), "{list}");
    let example = run(folder.path(), &["train", "--example", "mlp"]).data();
    assert!(example.contains("kind = \"network\""), "{example}");
    run(folder.path(), &["train", "--example", "mpl"]).fails(2, "--example list");
}
