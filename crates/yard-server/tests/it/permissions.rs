//! Every route, asked for without a key, with keys of every role, and for models that a key may not see.

use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Code, Request, client::Grpc};
use tonic_prost::ProstCodec;
use yard_access::{Permission, Role};
use yard_server::{RouteSummary, routes};

use crate::harness::{Answer, TestServer, send};

/// The path of a route for this model; everything else in it exists nowhere.
fn path(route: &RouteSummary, model: &str) -> String {
    let path = route.path.replace("{model}", model).replace("{version}", "1").replace("{alias}", "canary");
    let path = path.replace("{upload}", &"0".repeat(32)).replace("{key}", &"0".repeat(12));
    let path = path.replace("{job}", &"0".repeat(32)).replace("{data_set}", "absent");
    path.replace("{*path}", "model.onnx")
}

async fn ask(server: &TestServer, route: &RouteSummary, model: &str, key: Option<&str>) -> Answer {
    let method: Method = route.method.parse().unwrap();
    let mut request = server.bare(method, &path(route, model));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    if matches!(route.method, "POST" | "PUT") {
        request = request.json(&json!({}));
    }
    send(request).await
}

async fn call(server: &TestServer, route: &RouteSummary, key: Option<&str>) -> Result<(), tonic::Status> {
    let address = format!("http://{}", server.server.grpc_address().unwrap());
    let channel = tonic::transport::Endpoint::new(address).unwrap().connect().await.unwrap();
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = Request::new(());
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let codec: ProstCodec<(), ()> = ProstCodec::default();
    let mut stream = client.server_streaming(request, route.path.parse().unwrap(), codec).await?.into_inner();
    stream.message().await.map(|_| ())
}

#[tokio::test]
async fn without_a_key_only_health_answers() {
    let server = TestServer::with_digits().await;
    for route in routes().filter(|route| !route.is_call) {
        let answer = ask(&server, &route, "digits", None).await;
        match route.permission {
            None => assert_eq!(answer.status, 200, "{route:?}"),
            Some(_) => {
                assert_eq!(answer.status, 401, "{route:?}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                assert!(answer.error().starts_with("an API key is needed"), "{}", answer.error());
            }
        }
    }
    for path in ["/", "/nothing", "/api/v1/nothing", "/v2/models"] {
        send(server.bare(Method::GET, path)).await.expect(401);
        send(server.request(Method::GET, path)).await.expect(404);
    }
    for route in routes().filter(|route| route.is_call) {
        let outcome = call(&server, &route, None).await;
        match route.permission {
            None => assert!(outcome.is_ok(), "{route:?} {outcome:?}"),
            Some(_) => assert_eq!(outcome.unwrap_err().code(), Code::Unauthenticated, "{route:?}"),
        }
    }
}

#[tokio::test]
async fn each_role_may_do_what_its_row_of_the_table_says() {
    let server = TestServer::with_digits().await;
    for role in [Role::Consumer, Role::Publisher] {
        let key = server.key(json!({"name": "k", "role": role.as_str()})).await;
        for route in routes() {
            let Some(permission) = route.permission else { continue };
            let allowed = role.grants(permission);
            let forbidden = if route.is_call {
                call(&server, &route, Some(&key))
                    .await
                    .is_err_and(|status| status.code() == Code::PermissionDenied)
            } else {
                let answer = ask(&server, &route, "digits", Some(&key)).await;
                assert_ne!(answer.status, 401, "{route:?}");
                if answer.status == 403 {
                    assert!(answer.error().contains(permission.action()), "{}", answer.error());
                }
                answer.status == 403
            };
            assert_eq!(forbidden, !allowed, "{role} {route:?}");
        }
    }
}

/// An answer without what may differ: the request's id and the model's name.
fn comparable(answer: &Answer, model: &str) -> (u16, String) {
    let mut body = answer.text();
    if let Some(id) = answer.header("x-request-id") {
        body = body.replace(id, "ID");
    }
    (answer.status.as_u16(), body.replace(model, "MODEL"))
}

#[tokio::test]
async fn a_model_that_a_key_may_not_see_looks_like_a_missing_one() {
    let server = TestServer::with_digits().await;
    for role in ["consumer", "publisher"] {
        let key = server.key(json!({"name": "k", "role": role, "models": ["mine*"]})).await;
        for route in routes().filter(|route| route.path.contains("{model}")) {
            let hidden = ask(&server, &route, "digits", Some(&key)).await;
            let missing = ask(&server, &route, "absent", Some(&key)).await;
            assert_eq!(comparable(&hidden, "digits"), comparable(&missing, "absent"), "{route:?}");
            assert_eq!(hidden.status, 404, "{route:?} {}", hidden.text());
            let names = |answer: &Answer| {
                let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
                names.sort();
                names
            };
            assert_eq!(names(&hidden), names(&missing), "{route:?}");
        }
        // As a key that sees all models hears of a missing one.
        let all = server.key(json!({"name": "k", "role": role})).await;
        for route in routes().filter(|route| route.path.contains("{model}")) {
            if !Role::Consumer.grants(route.permission.unwrap_or(Permission::ManageKeys)) {
                continue;
            }
            let hidden = ask(&server, &route, "digits", Some(&key)).await;
            let missing = ask(&server, &route, "absent", Some(&all)).await;
            // A body that is none is told after the model was found, so both are 404 here.
            assert_eq!(comparable(&hidden, "digits"), comparable(&missing, "absent"), "{route:?}");
        }
    }
}

#[tokio::test]
async fn lists_and_metrics_show_what_the_key_may_see() {
    let server = TestServer::with_digits().await;
    server.push("mine", &crate::harness::digits_file()).await;
    for model in ["digits", "mine"] {
        let path = format!("/models/{model}/predict");
        server.post(&path, json!({"inputs": [vec![0.0; 64]]})).await.expect(200);
    }
    let key = server.key(json!({"name": "k", "role": "consumer", "models": ["mine"]})).await;
    for (method, path) in [
        ("GET", "/api/v1/models"),
        ("POST", "/v2/repository/index"),
        ("GET", "/v2/models/stats"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
    ] {
        let request = server.bare(method.parse().unwrap(), path).bearer_auth(&key);
        let text = send(request).await.expect(200).text();
        assert!(text.contains("mine") && !text.contains("digits"), "{path}: {text}");
    }
    let all = server.get("/metrics").await.expect(200).text();
    assert!(all.contains("modelyard_model_requests_total{model=\"digits\",version=\"1\"} 1"), "{all}");
    assert!(all.contains("modelyard_requests_total{endpoint=\"predict_model\",status=\"200\"} 2"), "{all}");
}

#[tokio::test]
async fn uploads_of_models_that_a_key_may_not_see_are_hidden() {
    let server = TestServer::start().await;
    let id =
        server.post("/api/v1/uploads", json!({"model": "secret"})).await.expect(201).json()["id"].clone();
    let id = id.as_str().unwrap();
    let key = server.key(json!({"name": "k", "role": "publisher", "models": ["mine*"]})).await;
    let ask = |method: Method, path: String, body: Option<Value>| {
        let mut request = server.bare(method, &path).bearer_auth(&key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request)
    };
    let absent = "f".repeat(32);
    for (method, suffix, body) in [
        (Method::GET, "", None),
        (Method::DELETE, "", None),
        (Method::POST, "/commit", Some(json!({}))),
        (Method::PUT, "/files/model.onnx", Some(json!("bytes"))),
    ] {
        let hidden =
            ask(method.clone(), format!("/api/v1/uploads/{id}{suffix}"), body.clone()).await.expect(404);
        let missing = ask(method, format!("/api/v1/uploads/{absent}{suffix}"), body).await.expect(404);
        assert_eq!(comparable(&hidden, id), comparable(&missing, &absent));
    }
    let refused =
        ask(Method::POST, "/api/v1/uploads".to_owned(), Some(json!({"model": "secret"}))).await.expect(403);
    let fresh =
        ask(Method::POST, "/api/v1/uploads".to_owned(), Some(json!({"model": "absent"}))).await.expect(403);
    assert_eq!(comparable(&refused, "secret"), comparable(&fresh, "absent"));
}
