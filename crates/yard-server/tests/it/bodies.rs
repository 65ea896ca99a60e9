//! Bodies and connections at their limits.

use std::{
    io::{Read, Write},
    time::Duration,
};

use flate2::{
    Compression,
    read::{GzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::harness::{TestServer, infer_body, send};

const INFER: &str = "/v2/models/digits/infer";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn small_server() -> TestServer {
    let server = TestServer::start_with(|setting| {
        let http = &mut setting.options.http;
        http.max_body_bytes = 200_000;
        http.header_timeout = Duration::from_millis(300);
        http.body_idle_timeout = Duration::from_millis(300);
        http.body_timeout = Duration::from_millis(900);
        http.max_header_bytes = 8 << 10;
    })
    .await;
    server.push("digits", &crate::harness::digits_file()).await;
    server
}

#[tokio::test]
async fn compressed_requests_are_taken_and_answers_compressed_on_request() {
    let server = TestServer::with_digits().await;
    let body = infer_body(&vec![vec![0.0; 64]; 100]).to_string();
    let plain = send(server.request(Method::POST, INFER).body(body.clone())).await.expect(200);
    assert_eq!(plain.header("content-encoding"), None);
    for (encoding, sent) in [("gzip", gzip(body.as_bytes())), ("deflate", deflate(body.as_bytes()))] {
        let request = server.request(Method::POST, INFER).header("content-encoding", encoding);
        let answer = send(request.header("accept-encoding", encoding).body(sent)).await.expect(200);
        assert_eq!(answer.header("content-encoding"), Some(encoding));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        let mut unpacked = Vec::new();
        match encoding {
            "gzip" => GzDecoder::new(&answer.body[..]).read_to_end(&mut unpacked).unwrap(),
            _ => ZlibDecoder::new(&answer.body[..]).read_to_end(&mut unpacked).unwrap(),
        };
        assert!(answer.body.len() < unpacked.len() / 2);
        assert_eq!(serde_json::from_slice::<Value>(&unpacked).unwrap(), plain.json());
    }
    let small = server.request(Method::GET, "/health/live").header("accept-encoding", "gzip");
    assert_eq!(send(small).await.expect(200).header("content-encoding"), None);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_whichever_way_they_come() {
    let server = small_server().await;
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 100_000);
    let request = server.request(Method::POST, INFER).header("content-encoding", "gzip");
    let refused = send(request.body(bomb)).await.expect(413);
    assert_eq!(refused.error(), "the request body is larger than the 200000 bytes allowed");
    // Announced, and so large that it does not fit into any buffer on the way: the answer must arrive all the same.
    let large = vec![b' '; 30 << 20];
    send(server.request(Method::POST, INFER).body(large.clone())).await.expect(413);
    // Not announced.
    let pieces =
        large.chunks(1 << 20).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(tokio_stream::iter(pieces));
    send(server.request(Method::POST, INFER).body(body)).await.expect(413);
    for encoding in ["br", "gzip, gzip"] {
        let request = server.request(Method::POST, INFER).header("content-encoding", encoding);
        send(request.body("x")).await.expect(400);
    }
    send(server.request(Method::POST, INFER).header("content-encoding", "gzip").body("no gzip"))
        .await
        .expect(400);
    server.post(INFER, infer_body(&[vec![0.0; 64]])).await.expect(200);
}

#[tokio::test]
async fn documents_have_a_smaller_limit_and_uploads_that_of_the_registry() {
    let server = small_server().await;
    let note = "x".repeat(150_000);
    server.post("/api/v1/uploads", json!({"model": "m", "note": note})).await.expect(400);
    let upload = server.post("/api/v1/uploads", json!({"model": "m"})).await.expect(201).json();
    let path = format!("/api/v1/uploads/{}/files/weights.data", upload["id"].as_str().unwrap());
    let large = vec![7_u8; 5 << 20];
    send(server.request(Method::PUT, &path).body(large)).await.expect(201);
}

async fn raw(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.server.http_address()).await.unwrap()
}

async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let server = small_server().await;
    let mut slow = raw(&server).await;
    slow.write_all(b"GET /health/live HTTP/1.1\r\nhost: local").await.unwrap();
    let start = Instant::now();
    until_closed(&mut slow).await;
    assert!(start.elapsed() >= Duration::from_millis(200), "it was given time");
    let mut idle = raw(&server).await;
    assert_eq!(until_closed(&mut idle).await, "");
    let mut kept = raw(&server).await;
    kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut kept).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn slow_bodies_are_given_up() {
    let server = small_server().await;
    let head = |length: &str| {
        format!("POST {INFER} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n{length}\r\n\r\n", server.admin)
    };
    let mut stalled = raw(&server).await;
    stalled.write_all(head("content-length: 1000").as_bytes()).await.unwrap();
    stalled.write_all(b"{").await.unwrap();
    let answer = until_closed(&mut stalled).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("came too slowly"), "{answer}");

    // Never idle for long, but never at its end either.
    let (mut reader, mut writer) = raw(&server).await.into_split();
    writer.write_all(head("transfer-encoding: chunked").as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = vec![0; 12];
    timeout(Duration::from_secs(10), reader.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 504");
    dripping.abort();

    let broken = raw(&server).await;
    let mut broken = broken;
    broken.write_all(head("content-length: 1000").as_bytes()).await.unwrap();
    drop(broken);
    send(server.bare(Method::GET, "/health/live")).await.expect(200);
}

#[tokio::test]
async fn heads_are_limited() {
    let server = small_server().await;
    let mut large = raw(&server).await;
    let head =
        format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(20 << 10));
    large.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut large).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut many = raw(&server).await;
    let lines = "a: b\r\n".repeat(200);
    let head = format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
    many.write_all(head.as_bytes()).await.unwrap();
    assert!(until_closed(&mut many).await.starts_with("HTTP/1.1 431"));
    let mut nonsense = raw(&server).await;
    nonsense.write_all(b"\x16\x03\x01 no http\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut nonsense).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn refused_bodies_are_not_asked_for() {
    let server = small_server().await;
    let mut stream = raw(&server).await;
    let head =
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn connections_are_limited_and_others_wait() {
    let server = TestServer::start_with(|setting| setting.options.http.max_connections = 2).await;
    let get = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = raw(&server).await;
        stream.write_all(get).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        held.push(stream);
    }
    let mut third = raw(&server).await;
    third.write_all(get).await.unwrap();
    let mut answer = [0; 12];
    let early = timeout(Duration::from_millis(200), third.read_exact(&mut answer)).await;
    assert!(early.is_err(), "a third connection is served while two are open");
    held.pop();
    timeout(Duration::from_secs(10), third.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_at_once_and_health_still_answers() {
    let server = TestServer::with_valve(|setting| setting.options.http.max_requests = 1).await;
    server.valve.close();
    let body = crate::harness::valve_body();
    let begun = server.valve.begun.load(std::sync::atomic::Ordering::SeqCst);
    let first = tokio::spawn(send(server.request(Method::POST, "/v2/models/valve/infer").json(&body)));
    server.valve.until_begun(begun + 1).await;
    let refused = server.post("/v2/models/valve/infer", body).await.expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let health = send(server.bare(Method::GET, "/health/ready")).await.expect(200).json();
    assert_eq!(health, json!({"ready": true, "stalled": false}));
    server.valve.open();
    first.await.unwrap().expect(200);
}

#[tokio::test]
async fn bodies_share_a_budget_of_memory() {
    let server = TestServer::start_with(|setting| setting.options.http.max_buffered_bytes = 100_000).await;
    server.push("digits", &crate::harness::digits_file()).await;
    let rows = vec![vec![0.0; 64]; 1000];
    let refused = server.post(INFER, infer_body(&rows)).await.expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    let mut client = crate::grpc::client(&server).await;
    let message = crate::grpc::infer_message("digits", "pixels", 64, &rows);
    let status = client.model_infer(crate::grpc::authorized(&server, message.clone())).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    // What was refused is given back.
    server.post(INFER, infer_body(&rows[..100])).await.expect(200);
    // Each message of a stream counts while it comes in, and no longer.
    let small = crate::grpc::infer_message("digits", "pixels", 64, &rows[..600]);
    let messages = (0..6).map(move |number| if number < 5 { small.clone() } else { message.clone() });
    let messages = crate::grpc::authorized(&server, tokio_stream::iter(messages));
    let mut answers = client.model_stream_infer(messages).await.unwrap().into_inner();
    for _ in 0..5 {
        assert_eq!(answers.message().await.unwrap().unwrap().error_message, "");
    }
    assert_eq!(answers.message().await.unwrap_err().code(), tonic::Code::Unavailable);
}
