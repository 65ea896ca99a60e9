//! What every request passes before anything is done for it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, now, send};

#[tokio::test]
async fn keys_are_taken_where_clients_put_them() {
    let server = TestServer::start().await;
    let get = || server.bare(Method::GET, "/v2");
    send(get().header("x-api-key", &server.admin)).await.expect(200);
    send(get().header("authorization", format!("bearer {}", server.admin))).await.expect(200);
    send(get().header("x-api-key", &server.admin).bearer_auth(&server.admin)).await.expect(200);
    send(get().header("x-api-key", "other").bearer_auth(&server.admin)).await.expect(400);
    send(get().basic_auth("user", Some("password"))).await.expect(401);
    let mut altered = server.admin.clone();
    let last = if altered.pop() == Some('0') { '1' } else { '0' };
    altered.push(last);
    for wrong in ["", "my_000000000000_0", &altered] {
        let answer = send(get().bearer_auth(wrong)).await.expect(401);
        assert_eq!(answer.error(), "the API key is not valid");
    }
}

#[tokio::test]
async fn expired_and_revoked_keys_are_refused_at_once() {
    let server = TestServer::start().await;
    let created = server.post("/api/v1/keys", json!({"name": "k", "role": "consumer"})).await.expect(201);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let created = created.json();
    let (id, secret) = (created["key"]["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let ask = |key: &str| send(server.bare(Method::GET, "/v2").bearer_auth(key));
    ask(secret).await.expect(200);
    let rotated = server.post(&format!("/api/v1/keys/{id}/rotate"), json!({})).await.expect(200).json();
    ask(secret).await.expect(401);
    let rotated = rotated["secret"].as_str().unwrap();
    ask(rotated).await.expect(200);
    send(server.request(Method::DELETE, &format!("/api/v1/keys/{id}"))).await.expect(204);
    assert!(ask(rotated).await.expect(401).error().contains("revoked"));

    let past = jiff_text(now().0 - 1000);
    let body = json!({"name": "k", "role": "consumer", "expires_at": past});
    server.post("/api/v1/keys", body).await.expect(400);
    let soon = jiff_text(now().0 + 150);
    let expiring = server.key(json!({"name": "k", "role": "consumer", "expires_at": soon})).await;
    let end = now().0 + 10_000;
    let refused = loop {
        let answer = ask(&expiring).await;
        if answer.status == 401 || now().0 > end {
            break answer;
        }
    };
    assert!(refused.expect(401).error().contains("expired"));
}

fn jiff_text(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_string()
}

#[tokio::test]
async fn requests_carry_an_id() {
    let server = TestServer::start().await;
    let own =
        send(server.request(Method::GET, "/nothing").header("x-request-id", "mine-1")).await.expect(404);
    assert_eq!(own.header("x-request-id"), Some("mine-1"));
    assert_eq!(own.json()["error"]["request_id"], "mine-1");
    let made = server.get("/v2").await.expect(200);
    let other = server.get("/v2").await.expect(200);
    assert_ne!(made.header("x-request-id"), other.header("x-request-id"));
    let insane = send(server.request(Method::GET, "/v2").header("x-request-id", "a b<c>")).await;
    assert_ne!(insane.header("x-request-id"), Some("a b<c>"));
}

#[tokio::test]
async fn other_hosts_and_foreign_pages_are_refused() {
    let server = TestServer::start_with(|setting| {
        setting.options.allowed_hosts = vec!["models.example".to_owned()];
        setting.options.allowed_origins = vec!["https://console.example".to_owned()];
    })
    .await;
    let live = |host: &str, origin: Option<&str>| {
        let mut request = server.bare(Method::GET, "/health/live").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        send(request)
    };
    for host in ["localhost:1", "127.0.0.1", "[::1]:9", "models.example"] {
        live(host, None).await.expect(200);
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        live(host, None).await.expect(403);
    }
    live("localhost:1", Some("http://localhost:1")).await.expect(200);
    live("localhost:1", Some("https://console.example")).await.expect(200);
    for origin in ["https://evil.example", "null", "http://localhost:2"] {
        let refused = live("localhost:1", Some(origin)).await.expect(403);
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn other_methods_heads_and_options_are_answered_sensibly() {
    let server = TestServer::with_digits().await;
    let refused = send(server.request(Method::PATCH, "/predict")).await.expect(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(refused.json()["error"]["code"], "invalid_argument");
    send(server.bare(Method::PATCH, "/predict")).await.expect(401);
    let options = send(server.request(Method::OPTIONS, "/v2/models/digits/infer")).await.expect(204);
    assert_eq!(options.header("allow"), Some("OPTIONS, POST"));
    assert_eq!(options.header("access-control-allow-origin"), None);
    let get = server.get("/v2/models/digits").await.expect(200);
    let head = send(server.request(Method::HEAD, "/v2/models/digits")).await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.header("content-length"));
    send(server.request(Method::HEAD, "/v2/models/absent")).await.expect(404);
}

#[tokio::test]
async fn management_wants_json_to_be_declared_and_correct() {
    let server = TestServer::with_digits().await;
    let promote = |content_type: Option<&str>, body: &str| {
        let mut request =
            server.request(Method::PUT, "/api/v1/models/digits/aliases/canary").body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        send(request)
    };
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = promote(content_type, r#"{"version":1}"#).await.expect(400);
        assert_eq!(answer.json()["error"]["code"], "invalid_argument");
    }
    for body in ["", "{}", "[]", "{", r#"{"version":"1"}"#, r#"{"version":1,"other":2}"#, r#"{"version":0}"#]
    {
        promote(Some("application/json"), body).await.expect(400);
    }
    promote(Some("application/json; charset=utf-8"), r#"{"version":1}"#).await.expect(200);
}

#[tokio::test]
async fn the_rate_of_a_key_is_exact_under_concurrency() {
    let server = TestServer::with_digits().await;
    let limit = json!({"name": "k", "role": "consumer", "requests_per_minute": 1, "burst": 20});
    let key = server.key(limit).await;
    let body = json!({"inputs": [vec![0.0; 64]]});
    let requests = (0..50).map(|_| {
        let request = server.bare(Method::POST, "/predict").bearer_auth(&key).json(&body);
        tokio::spawn(send(request))
    });
    let mut passed = 0;
    for request in requests.collect::<Vec<_>>() {
        let answer = request.await.unwrap();
        if answer.status == 200 {
            passed += 1;
            continue;
        }
        let answer = answer.expect(429);
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("1"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("0"));
        assert_eq!(answer.json()["error"]["code"], "rate_limited");
    }
    assert_eq!(passed, 20);
    // Refused requests of one key cost the others nothing.
    server.get("/v2").await.expect(200);
}

#[tokio::test]
async fn without_keys_only_loopback_is_served() {
    let server = TestServer::start_with(|setting| setting.options.insecure_no_auth = true).await;
    send(server.bare(Method::GET, "/api/v1/keys")).await.expect(200);
    let mut options = yard_server::ServerOptions {
        http_address: ([0, 0, 0, 0], 0).into(),
        grpc_address: None,
        insecure_no_auth: true,
        ..Default::default()
    };
    let application = server.server.application().clone();
    let refused = yard_server::Server::start(application.clone(), options.clone()).await.unwrap_err();
    assert!(matches!(refused, yard_server::StartError::NoKeysBeyondLoopback { .. }), "{refused}");
    options.insecure_no_auth = false;
    let open = yard_server::Server::start(application, options).await.unwrap();
    assert_eq!(open.grpc_address(), None);
    open.stop().await;
}

#[tokio::test]
async fn health_says_the_same_in_status_and_body() {
    let server = TestServer::start().await;
    let health: Value = send(server.bare(Method::GET, "/health/ready")).await.expect(200).json();
    assert_eq!(health, json!({"ready": true, "stalled": false}));
    assert_eq!(
        send(server.bare(Method::GET, "/health/live")).await.expect(200).json(),
        json!({"live": true})
    );
}

#[tokio::test]
async fn a_model_that_does_not_move_is_told_from_one_that_is_busy() {
    let server = TestServer::with_valve(|setting| {
        setting.serving.stall_after = std::time::Duration::from_millis(100);
    })
    .await;
    let health = || send(server.bare(Method::GET, "/health/ready"));
    server.valve.close();
    let stuck = server.request(Method::POST, "/v2/models/valve/infer").json(&crate::harness::valve_body());
    let stuck = tokio::spawn(send(stuck));
    while health().await.expect(200).json()["stalled"] == false {
        tokio::task::yield_now().await;
    }
    // The server can still take work for its other models; this one cannot.
    assert_eq!(health().await.expect(200).json()["ready"], true);
    assert_eq!(server.get("/v2/models/valve/ready").await.expect(503).json()["ready"], false);
    assert!(server.get("/metrics").await.expect(200).text().contains("modelyard_stalled 1"));
    assert_eq!(server.get("/api/v1/status").await.expect(200).json()["served"][0]["stalled"], true);
    send(server.bare(Method::GET, "/health/live")).await.expect(200);
    server.valve.open();
    stuck.await.unwrap().expect(200);
    assert_eq!(health().await.expect(200).json()["stalled"], false);
    server.get("/v2/models/valve/ready").await.expect(200);
}
