//! The client against servers that behave oddly: each answers one connection with bytes of the test's choosing.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod chats;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use yard_client::{ApiKey, Client, ClientError, ClientOptions, GrpcClient, ServerAddress};
use yard_types::{ErrorCode, Selector};

/// Answers the first request with these bytes, and then keeps the connection open. Gives its address, and the head of
/// the request once it came.
fn answering(bytes: impl Into<Vec<u8>>) -> (ServerAddress, mpsc::Receiver<Vec<String>>) {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        sender.send(head).unwrap();
        stream.write_all(&bytes).unwrap();
        // Open until the test's process ends: the client must not need the end of the connection.
        thread::park();
    });
    (address, receiver)
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nx-request-id: r7\r\nretry-after: 3\r\n\r\n{body}",
        body.len()
    )
}

fn client(address: ServerAddress, options: ClientOptions) -> Client {
    Client::new(address, Some(ApiKey::new("my_id_secret").unwrap()), options).unwrap()
}

async fn models_fail(bytes: impl Into<Vec<u8>>, options: ClientOptions) -> ClientError {
    let (address, _head) = answering(bytes);
    client(address, options).models().await.unwrap_err()
}

#[tokio::test]
async fn the_key_is_sent_as_a_bearer() {
    let (address, head) = answering(json("200 OK", r#"{"models":[]}"#));
    assert_eq!(client(address, ClientOptions::default()).models().await.unwrap(), []);
    let head = head.recv().unwrap();
    assert_eq!(head[0], "GET /api/v1/models HTTP/1.1");
    assert!(head.contains(&"authorization: Bearer my_id_secret".to_owned()), "{head:?}");
}

#[tokio::test]
async fn a_refusal_carries_everything_that_the_server_said() {
    let body = r#"{"error":{"code":"rate_limited","message":"slow down","param":"models"}}"#;
    let error = models_fail(json("429 Too Many Requests", body), ClientOptions::default()).await;
    let ClientError::Refused(refusal) = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, ErrorCode::RateLimited);
    assert_eq!((refusal.status, refusal.retry_after_seconds), (Some(429), Some(3)));
    assert_eq!(error.to_string(), "slow down (rate_limited, models, request r7)");
    assert_eq!(error.code(), Some(ErrorCode::RateLimited));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let error = models_fail(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        ClientOptions::default(),
    )
    .await;
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let options = ClientOptions { max_answer: 1000, ..ClientOptions::default() };
    // Says that a gigabyte follows, and sends a little more than is accepted.
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    bytes.extend([b' '; 1001]);
    let error = models_fail(bytes, options).await;
    assert!(error.to_string().contains("longer than 1000 bytes"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_told() {
    let error = models_fail(json("200 OK", "<html>"), ClientOptions::default()).await;
    assert!(error.to_string().contains("not the JSON that was expected"), "{error}");
}

#[tokio::test]
async fn silence_ends_after_the_time_allowed() {
    let options = ClientOptions { timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let error = models_fail("", options).await;
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_in_an_answer_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{").unwrap();
    });
    let error = client(address, ClientOptions::default()).models().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address_over_both_protocols() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address: ServerAddress = format!("http://{free}").parse().unwrap();
    let error = client(address.clone(), ClientOptions::default()).models().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");

    let grpc = GrpcClient::new(address, None, &ClientOptions::default()).unwrap();
    let error = grpc.infer(&"m".parse().unwrap(), &Selector::Production, &[]).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_server_is_not_trusted_with_places_on_this_machine() {
    let passport = r#"{"model":"m","version":1,"state":"ready","created_at":"","created_by":"","digest":"","size":1,
        "engine":"rten","aliases":[],"files":[{"path":"../escaped","digest":"","size":1}],
        "signature":{"inputs":[],"outputs":[]},"provenance":{"origin":"push"},
        "proof":{"engine":{"name":"rten","version":"1"},"main_file":"m","joining":{"allowed":false},"warm_up":{},
        "golden_samples":0,"memory_bytes":0},"alias_history":[]}"#;
    let (address, _head) = answering(json("200 OK", passport));
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    let sink = yard_client::ProgressSink::none();
    let pulled = client(address, ClientOptions::default())
        .pull(&"m".parse().unwrap(), "1".parse().unwrap(), &inside, &sink)
        .await;
    let error = pulled.unwrap_err();
    assert!(error.to_string().contains("'../escaped' is not a path inside a model package"), "{error}");
    assert!(!folder.path().join("escaped").exists());
}
