//! What operators see of a language model.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use fs_err as fs;
use serde_json::Value;

use crate::{
    program::TestServer,
    small_language_model::{Options, write},
};

/// The body of an answer with the status 200.
#[track_caller]
fn ask(server: &TestServer, request: &str, body: &str) -> String {
    let address = server.http.strip_prefix("http://").unwrap();
    let key = fs::read_to_string(server.folder.path().join("modelyard-data/admin.key")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        key.trim(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{request}: {answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The value of a metric of the model, with these labels behind its own.
fn metric(page: &str, name: &str, labels: &str) -> Option<f64> {
    let sample = format!("modelyard_language_{name}{{model=\"tiny\",version=\"1\"{labels}}} ");
    page.lines().find_map(|line| line.strip_prefix(&sample))?.parse().ok()
}

#[test]
fn metrics_and_status_tell_of_a_language_model() {
    let server = TestServer::start();
    assert!(!ask(&server, "GET /metrics", "").contains("modelyard_language"));
    let file = server.folder.path().join("tiny.gguf");
    write(&file, Options::default());
    server.run_on(&["push", "tiny"], &file, &[]).data();

    let asked = r#"{"model": "tiny", "prompt": [70, 71, 72, 73], "max_tokens": 6, "temperature": 0}"#;
    let answer: Value = serde_json::from_str(&ask(&server, "POST /v1/completions", asked)).unwrap();
    let written = answer["usage"]["completion_tokens"].as_u64().unwrap() as f64;
    let embedded = r#"{"model": "tiny", "input": [70, 71], "encoding_format": "float"}"#;
    ask(&server, "POST /v1/embeddings", embedded);

    let page = ask(&server, "GET /metrics", "");
    let counted = |name: &str| metric(&page, name, "").unwrap_or_else(|| panic!("{name}\n{page}"));
    let ended = |reason: &str| metric(&page, "requests_total", &format!(",reason=\"{reason}\"")).unwrap();
    assert_eq!(ended("stop") + ended("length"), 1.0, "{page}");
    assert_eq!(ended("cancelled") + ended("deadline") + ended("refused") + ended("failed"), 0.0, "{page}");
    for (name, expected) in [
        ("up", 1.0),
        ("restarts_total", 0.0),
        ("answers_in_flight", 0.0),
        ("prompt_tokens_total", 4.0 + 2.0),
        ("answer_tokens_total", written),
        ("embeddings_total", 1.0),
        ("time_to_first_token_seconds_count", 1.0),
        ("inter_token_seconds_count", written - 1.0),
    ] {
        assert_eq!(counted(name), expected, "{name}\n{page}");
    }
    assert!(counted("time_to_first_token_seconds_sum") > 0.0, "{page}");

    // What the process says of itself comes a moment later.
    let began = Instant::now();
    let free = loop {
        let page = ask(&server, "GET /metrics", "");
        if let Some(free) = metric(&page, "kv_pages", ",state=\"free\"") {
            assert_eq!(metric(&page, "waiting", ""), Some(0.0), "{page}");
            break free;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{page}");
    };
    assert!(free > 0.0);

    let status: Value = serde_json::from_str(&ask(&server, "GET /api/v1/status", "")).unwrap();
    let expected = serde_json::json!({"running": true, "restarts": 0, "answers_in_flight": 0});
    assert_eq!(status["served"][0]["language"], expected, "{status}");
}
