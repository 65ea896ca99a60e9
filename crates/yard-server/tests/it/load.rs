//! Versions swapped under load.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use reqwest::Method;
use serde_json::json;

use crate::{
    grpc::{authorized, client, infer_message},
    harness::{TestServer, digits_file, held_out, infer_body, send},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_versions_are_swapped() {
    let server = Arc::new(TestServer::with_digits().await);
    server.push_with("digits", &digits_file(), json!({"new_version": true})).await;
    let row = held_out(1).remove(0).0;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..6 {
        let (server, stop, answered, row) =
            (Arc::clone(&server), Arc::clone(&stop), Arc::clone(&answered), row.clone());
        clients.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let answer =
                    server.post("/v2/models/digits/infer", infer_body(std::slice::from_ref(&row))).await;
                let answer = answer.expect(200);
                assert!(["1", "2"].contains(&answer.header("x-modelyard-version").unwrap()));
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for _ in 0..2 {
        let (server, stop, answered, row) =
            (Arc::clone(&server), Arc::clone(&stop), Arc::clone(&answered), row.clone());
        clients.push(tokio::spawn(async move {
            let mut client = client(&server).await;
            while !stop.load(Ordering::SeqCst) {
                let message = infer_message("digits", "pixels", 64, std::slice::from_ref(&row));
                client.model_infer(authorized(&server, message)).await.unwrap();
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for round in 0..30 {
        let before = answered.load(Ordering::SeqCst);
        let version = json!({"version": 1 + (round + 1) % 2});
        send(server.request(Method::PUT, "/api/v1/models/digits/aliases/production").json(&version))
            .await
            .expect(200);
        crate::harness::until(|| answered.load(Ordering::SeqCst) > before).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert!(answered.load(Ordering::SeqCst) > 60);
}

#[tokio::test]
async fn a_promotion_that_cannot_be_loaded_changes_nothing() {
    let server = TestServer::start_with(|setting| {
        setting.serving.max_loaded_versions = std::num::NonZeroUsize::MIN;
    })
    .await;
    server.push("digits", &digits_file()).await;
    server.push_with("digits", &digits_file(), json!({"new_version": true})).await;
    let promote = send(
        server.request(Method::PUT, "/api/v1/models/digits/aliases/production").json(&json!({"version": 2})),
    );
    let answer = promote.await;
    // Two versions have to be in memory for a swap, and there is room for one.
    assert_eq!(answer.status, 503, "{}", answer.text());
    let model = server.get("/api/v1/models/digits").await.expect(200).json();
    assert_eq!(model["aliases"], json!({"production": 1}));
    let answer = server.post("/predict", json!({"inputs": [vec![0.0; 64]]})).await.expect(200);
    assert_eq!(answer.header("x-modelyard-version"), Some("1"));
}
