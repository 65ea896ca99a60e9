//! gRPC: what clients send that is too much, too little or nonsense.

use std::{convert::Infallible, io::Write, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;

use crate::{
    grpc::{authorized, client, infer_message, with_key},
    harness::{TestServer, send},
};

const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

/// A connection on which bytes are sent as they are.
struct Raw(SendRequest<Full<Bytes>>);

impl Raw {
    async fn connect(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.server.grpc_address().unwrap()).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a call and tells its status and message.
    async fn call(&self, path: &str, key: Option<&str>, encoding: &str, body: Vec<u8>) -> (Code, String) {
        let mut request = Request::post(format!("http://127.0.0.1{path}"))
            .header("content-type", "application/grpc")
            .header("grpc-encoding", encoding)
            .header("te", "trailers");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.0.clone().send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let headers = match collected.trailers() {
            Some(trailers) if trailers.contains_key("grpc-status") => trailers,
            _ => &head.headers,
        };
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let message = text("grpc-message").unwrap_or_default();
        let message = percent_encoding::percent_decode_str(&message).decode_utf8().unwrap().into_owned();
        (Code::from_i32(text("grpc-status").unwrap().parse().unwrap()), message)
    }
}

fn framed(compressed: bool, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(compressed)];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn small_messages_that_become_large_are_refused_before_they_do() {
    let server = TestServer::with_digits().await;
    let raw = Raw::connect(&server).await;
    let key = Some(server.admin.as_str());
    // Two bytes each: an empty input, an empty output, an empty raw content.
    for (field, what) in [(0x2a, "inputs"), (0x32, "requested outputs"), (0x3a, "raw input contents")] {
        let message = [field, 0].repeat(8 << 20);
        let expected = (Code::InvalidArgument, format!("the request has more than 512 {what}"));
        assert_eq!(raw.call(INFER, key, "identity", framed(false, &message)).await, expected);
        assert_eq!(raw.call(INFER, key, "gzip", framed(true, &gzip(&message))).await, expected);
    }
    // Texts without a character: they would take sixteen times and more of what they are here.
    let texts = [0x42, 0].repeat(15 << 20);
    let mut contents = vec![0x2a];
    write_length(&mut contents, texts.len());
    contents.extend(texts);
    let mut input = vec![0x2a];
    write_length(&mut input, contents.len());
    input.extend(contents);
    let (code, message) = raw.call(INFER, key, "gzip", framed(true, &gzip(&input))).await;
    assert_eq!(code, Code::ResourceExhausted, "{message}");
    assert!(message.contains("raw_input_contents"), "{message}");
    let rows = vec![vec![0.0; 64]; 2000];
    let whole = infer_message("digits", "pixels", 64, &rows);
    client(&server).await.model_infer(authorized(&server, whole)).await.unwrap();
}

fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

#[tokio::test]
async fn nonsense_and_too_much_are_the_callers_fault() {
    let server = TestServer::start_with(|setting| setting.options.grpc.max_message_bytes = 2 << 20).await;
    let raw = Raw::connect(&server).await;
    let key = Some(server.admin.as_str());
    let large = vec![0; (2 << 20) + 1];
    for (encoding, body, code) in [
        ("identity", framed(false, &[0xff; 30]), Code::InvalidArgument),
        // A name that is not UTF-8.
        ("identity", framed(false, &[0x0a, 1, 0xff]), Code::InvalidArgument),
        ("identity", framed(true, &[]), Code::InvalidArgument),
        ("gzip", framed(true, b"no gzip"), Code::InvalidArgument),
        ("identity", vec![7, 0, 0, 0, 0], Code::InvalidArgument),
        ("identity", vec![0, 0], Code::InvalidArgument),
        ("identity", framed(false, &[1; 10])[..9].to_vec(), Code::InvalidArgument),
        ("identity", [framed(false, &[]), framed(false, &[])].concat(), Code::InvalidArgument),
        ("identity", framed(false, &large), Code::ResourceExhausted),
        ("gzip", framed(true, &gzip(&large)), Code::ResourceExhausted),
    ] {
        let start = body[..body.len().min(20)].to_vec();
        let (got, message) = raw.call(INFER, key, encoding, body).await;
        assert_eq!(got, code, "{encoding} {start:?} {message}");
    }
    let ready = "/inference.GRPCInferenceService/ModelReady";
    for message in [&[0x0a, 1, 0xff][..], &[0xff; 30]] {
        let (code, message) = raw.call(ready, key, "identity", framed(false, message)).await;
        assert_eq!(code, Code::InvalidArgument, "{message}");
    }
    assert_eq!(raw.call(ready, key, "identity", Vec::new()).await.0, Code::InvalidArgument);
}

#[tokio::test]
async fn without_a_key_nobody_holds_memory_or_time() {
    let server =
        TestServer::start_with(|setting| setting.options.http.header_timeout = Duration::from_millis(200))
            .await;
    let raw = Raw::connect(&server).await;
    for call in ["inference.GRPCInferenceService/ServerLive", "grpc.health.v1.Health/Check"] {
        let path = format!("/{call}");
        assert_eq!(raw.call(&path, None, "identity", framed(false, &[])).await.0, Code::Ok);
        // Only the beginning of what is announced: it is refused without waiting for the rest.
        let announced = vec![0, 0, 0x10, 0, 1];
        let (code, message) = raw.call(&path, None, "identity", announced).await;
        assert_eq!((code, message.contains("4096 bytes")), (Code::ResourceExhausted, true), "{message}");
        // A message that never comes to its end.
        let (_held, rest) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
        let rest = tokio_stream::wrappers::UnboundedReceiverStream::new(rest);
        let start = tokio_stream::once(Ok(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 9, 1]))));
        let body = StreamBody::new(tokio_stream::StreamExt::chain(start, rest));
        let stream = TcpStream::connect(server.server.grpc_address().unwrap()).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://127.0.0.1{path}"))
            .header("content-type", "application/grpc")
            .body(body)
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let code = (Code::DeadlineExceeded as i32).to_string();
        assert_eq!(response.headers()["grpc-status"], code.as_str());
    }
    // Names need no megabytes, with a key or without.
    let metadata = "/inference.GRPCInferenceService/ModelMetadata";
    let (code, _) =
        raw.call(metadata, Some(&server.admin), "identity", framed(false, &vec![0; 1 << 21])).await;
    assert_eq!(code, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let server = TestServer::with_digits().await;
    let made = server.post("/api/v1/keys", json!({"name": "k", "role": "consumer"})).await.expect(201).json();
    let (sender, messages) = tokio::sync::mpsc::unbounded_channel();
    let messages = tokio_stream::wrappers::UnboundedReceiverStream::new(messages);
    let request = with_key(made["secret"].as_str().unwrap(), messages);
    let message = || infer_message("digits", "pixels", 64, &[vec![0.0; 64]]);
    sender.send(message()).unwrap();
    let mut answers = client(&server).await.model_stream_infer(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().error_message, "");
    let revoke = format!("/api/v1/keys/{}", made["key"]["id"].as_str().unwrap());
    assert!(send(server.request(Method::DELETE, &revoke)).await.status.is_success());
    sender.send(message()).unwrap();
    let status = answers.message().await.unwrap_err();
    assert_eq!((status.code(), status.message().contains("revoked")), (Code::Unauthenticated, true));
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn connections_that_say_too_little_are_closed() {
    let server =
        TestServer::start_with(|setting| setting.options.http.header_timeout = Duration::from_millis(200))
            .await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for said in [&[][..], &preface[..10], preface] {
        let mut stream = TcpStream::connect(server.server.grpc_address().unwrap()).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        // Ends, in good order or not, long before anything else would end it.
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "{said:?}");
    }
    // Who has said enough may be silent as long as it likes.
    let raw = Raw::connect(&server).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let live = "/inference.GRPCInferenceService/ServerLive";
    assert_eq!(raw.call(live, None, "identity", framed(false, &[])).await.0, Code::Ok);
}
