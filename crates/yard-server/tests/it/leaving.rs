//! Clients that leave: what they asked for is cancelled, unless it is to be finished.

use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::json;

use crate::{
    grpc::{authorized, client, infer_message},
    harness::{TestServer, send, until, valve_body},
};

/// A server that works on one request, which the test holds up.
async fn busy() -> (TestServer, tokio::task::JoinHandle<crate::harness::Answer>) {
    let server = TestServer::with_valve(|_| {}).await;
    server.valve.close();
    let begun = server.valve.begun.load(Ordering::SeqCst);
    let first = send(server.request(Method::POST, "/v2/models/valve/infer").json(&valve_body()));
    let first = tokio::spawn(first);
    server.valve.until_begun(begun + 1).await;
    (server, first)
}

/// Waits until serving has so many requests in hand.
async fn until_in_hand(server: &TestServer, count: usize) {
    until(|| server.server.application().serving().in_flight() == count).await;
}

#[tokio::test]
async fn queued_work_of_clients_that_leave_is_dropped_over_rest() {
    let (server, first) = busy().await;
    let request = server.request(Method::POST, "/v2/models/valve/infer").json(&valve_body());
    let second = tokio::spawn(send(request));
    until_in_hand(&server, 2).await;
    second.abort();
    until_in_hand(&server, 1).await;
    let begun = server.valve.begun.load(Ordering::SeqCst);
    server.valve.open();
    first.await.unwrap().expect(200);
    server.post("/v2/models/valve/infer", valve_body()).await.expect(200);
    assert_eq!(server.valve.begun.load(Ordering::SeqCst), begun + 1, "the one that left was never run");
}

#[tokio::test]
async fn queued_work_of_clients_that_leave_is_dropped_over_grpc() {
    let (server, first) = busy().await;
    let mut second = client(&server).await;
    let request = authorized(&server, infer_message("valve", "x", 1, &[vec![1.0]]));
    let second = tokio::spawn(async move { second.model_infer(request).await });
    until_in_hand(&server, 2).await;
    second.abort();
    until_in_hand(&server, 1).await;
    let mut third = client(&server).await;
    let messages = tokio_stream::iter([infer_message("valve", "x", 1, &[vec![1.0]])]);
    let request = authorized(&server, messages);
    let third =
        tokio::spawn(
            async move { third.model_stream_infer(request).await.unwrap().into_inner().message().await },
        );
    until_in_hand(&server, 2).await;
    third.abort();
    until_in_hand(&server, 1).await;
    let begun = server.valve.begun.load(Ordering::SeqCst);
    server.valve.open();
    first.await.unwrap().expect(200);
    server.post("/v2/models/valve/infer", valve_body()).await.expect(200);
    assert_eq!(server.valve.begun.load(Ordering::SeqCst), begun + 1, "those that left were never run");
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_is_stopped() {
    let (server, first) = busy().await;
    first.abort();
    until(|| server.valve.terminated.load(Ordering::SeqCst) == 1).await;
    server.valve.open();
}

#[tokio::test]
async fn a_commit_goes_on_without_its_client() {
    let server = TestServer::start().await;
    let upload = server.post("/api/v1/uploads", json!({"model": "valve"})).await.expect(201).json();
    let path = format!("/api/v1/uploads/{}", upload["id"].as_str().unwrap());
    let file = server.request(Method::PUT, &format!("{path}/files/model.onnx"));
    send(file.body(crate::harness::VALVE_MODEL)).await.expect(201);
    // The proof runs the model.
    server.valve.close();
    let commit = server.request(Method::POST, &format!("{path}/commit")).json(&json!({}));
    let commit = tokio::spawn(send(commit));
    server.valve.until_begun(1).await;
    commit.abort();
    server.valve.open();
    // The last thing that a commit does is to write that it was done.
    while !server.get("/api/v1/audit").await.expect(200).text().contains("model.push") {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.get(&path).await.expect(200).json()["state"], "ready");
    assert_eq!(
        server.get("/api/v1/models/valve").await.expect(200).json()["aliases"],
        json!({"production": 1})
    );
}
