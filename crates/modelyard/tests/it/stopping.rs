//! Ctrl-C in the middle of a push, against a server that never takes the file.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use rustix::process::Signal;

use crate::program::{digits, program, signal};

/// The first line of the next request of a connection; its head and any short body are read past.
fn request_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    if first.starts_with("POST") {
        std::io::copy(&mut std::io::Read::take(reader, length), &mut std::io::sink()).ok()?;
    }
    Some(first.trim_end().to_owned())
}

#[test]
fn ctrl_c_gives_the_upload_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(["--server", &server, "push", "m"])
        .arg(digits())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    // The upload is begun, and the file is never taken.
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert_eq!(request_line(&mut reader).unwrap(), "POST /api/v1/uploads HTTP/1.1");
    let body =
        r#"{"id":"u1","model":"m","state":"receiving","created_at":"2026-11-22T00:00:00Z","files":[]}"#;
    write!(
        stream,
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert_eq!(request_line(&mut reader).unwrap(), "PUT /api/v1/uploads/u1/files/model.onnx HTTP/1.1");
    signal(&child, Signal::INT);

    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert_eq!(request_line(&mut reader).unwrap(), "DELETE /api/v1/uploads/u1 HTTP/1.1");
    write!(stream, "HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
