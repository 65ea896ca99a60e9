//! A server that stops finishes what it admitted and takes nothing new.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    grpc::{authorized, channel, client, infer_message},
    harness::{TestServer, send, until, valve_body},
};

#[tokio::test]
async fn admitted_requests_are_finished_and_new_connections_refused() {
    let server = TestServer::with_valve(|_| {}).await;
    server.valve.close();
    let begun = server.valve.begun.load(Ordering::SeqCst);
    let (address, grpc) = (server.server.http_address(), server.server.grpc_address().unwrap());
    let rest = tokio::spawn(send(server.request(Method::POST, "/v2/models/valve/infer").json(&valve_body())));
    server.valve.until_begun(begun + 1).await;
    let mut client = client(&server).await;
    let message = authorized(&server, infer_message("valve", "x", 1, &[vec![1.0]]));
    let call = tokio::spawn(async move { client.model_infer(message).await });
    let serving = server.server.application().serving().clone();
    until(|| serving.in_flight() == 2).await;
    let idle = TcpStream::connect(address).await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel(&server).await);
    let request = tonic_health::pb::HealthCheckRequest::default();
    let mut watch = health.watch(request).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    let TestServer { server, valve, .. } = server;
    let stopping = tokio::spawn(server.stop());
    for address in [address, grpc] {
        until(|| std::net::TcpStream::connect(address).is_err()).await;
    }
    assert!(!stopping.is_finished());
    valve.open();
    let answer = rest.await.unwrap().expect(200);
    assert_eq!(answer.header("connection"), Some("close"));
    call.await.unwrap().unwrap();
    // A watcher hears of it and its stream ends: nobody has to wait for it.
    while watch.message().await.is_ok_and(|message| message.is_some()) {}
    let report = stopping.await.unwrap();
    assert!(report.finished, "{report:?}");
    drop(idle);
}

#[tokio::test]
async fn who_has_said_nothing_holds_nobody_up() {
    let server = TestServer::with_digits().await;
    let TestServer { server, .. } = server;
    let mut silent = Vec::new();
    for address in [server.http_address(), server.grpc_address().unwrap()] {
        silent.push(TcpStream::connect(address).await.unwrap());
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"POST /v2/mod").await.unwrap();
        silent.push(half);
    }
    let state = server.application().serving().clone();
    until(|| state.is_ready()).await;
    // The head's own time is half a minute, and so is the grace.
    let report = timeout(Duration::from_secs(10), server.stop()).await.unwrap();
    assert!(report.finished, "{report:?}");
    drop(silent);
}

#[tokio::test]
async fn after_the_grace_what_is_left_is_cut() {
    let server = TestServer::with_valve(|setting| {
        setting.options.shutdown_grace = Duration::from_millis(100);
    })
    .await;
    server.valve.close();
    let begun = server.valve.begun.load(Ordering::SeqCst);
    let request = server.request(Method::POST, "/v2/models/valve/infer").json(&valve_body());
    let stuck = tokio::spawn(request.send());
    server.valve.until_begun(begun + 1).await;
    let TestServer { server, valve, .. } = server;
    let report = server.stop().await;
    assert_eq!((report.finished, report.abandoned), (false, 1));
    assert!(stuck.await.unwrap().is_err());
    valve.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_is_answered_or_never_taken() {
    let server = TestServer::with_digits().await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let body = json!({"inputs": [vec![0.0; 64]]});
        let (client, admin, url) = (server.client.clone(), server.admin.clone(), server.url.clone());
        clients.push(tokio::spawn(async move {
            let mut answered = 0;
            loop {
                let request = client.post(format!("{url}/predict")).bearer_auth(&admin).json(&body);
                match request.send().await {
                    Ok(response) if response.status() == 200 => {
                        // The whole body, not only its head.
                        response.bytes().await.unwrap();
                        answered += 1;
                    }
                    Ok(response) => panic!("{}", response.status()),
                    // Refused before it was taken: the connection could not be made, or ended while it was idle.
                    Err(_) => return answered,
                }
            }
        }));
    }
    let serving = server.server.application().serving().clone();
    until(|| serving.metrics().iter().map(|version| version.requests).sum::<u64>() > 200).await;
    let report = server.server.stop().await;
    assert!(report.finished, "{report:?}");
    let mut answered: u64 = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    let counted: u64 = serving.metrics().iter().map(|version| version.requests).sum();
    assert_eq!(answered, counted, "every request that was run was answered");
}
