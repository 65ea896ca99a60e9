//! A version's life through the management API.

use std::num::NonZeroUsize;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{TestServer, digits_file, send};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_version_comes_into_being_and_can_be_read_back() {
    let server = TestServer::start().await;
    let bytes = std::fs::read(digits_file()).unwrap();
    let new = json!({"model": "digits", "note": "first", "facts": {"seed": "7"}});
    let upload = server.post("/api/v1/uploads", new).await.expect(201).json();
    let upload_path = format!("/api/v1/uploads/{}", upload["id"].as_str().unwrap());
    assert_eq!((&upload["state"], &upload["model"]), (&json!("receiving"), &json!("digits")));

    let put = |path: &str, digest: String, bytes: Vec<u8>| {
        let request = server.request(Method::PUT, &format!("{upload_path}/files/{path}"));
        send(request.header("x-content-sha256", digest).body(bytes))
    };
    let refused = put("model.onnx", hex(b"other"), bytes.clone()).await.expect(400);
    assert!(refused.error().contains("as announced"), "{}", refused.error());
    put("model.onnx", "nonsense".to_owned(), bytes.clone()).await.expect(400);
    put("..%2Fescape.onnx", hex(&bytes), bytes.clone()).await.expect(400);
    put("code.py", hex(b"x"), b"x".to_vec()).await.expect(400);
    let file = put("model.onnx", hex(&bytes), bytes.clone()).await.expect(201).json();
    assert_eq!(file, json!({"path": "model.onnx", "digest": hex(&bytes), "size": bytes.len()}));
    put("notes/about%20it.txt", hex(b"hello"), b"hello".to_vec()).await.expect(201);

    let committed = server.post(&format!("{upload_path}/commit"), json!({})).await.expect(201).json();
    let expected = json!({"model": "digits", "version": 1, "created": true, "aliases": ["production"]});
    assert_eq!(committed, expected);
    let upload = server.get(&upload_path).await.expect(200).json();
    assert_eq!((&upload["state"], &upload["version"]), (&json!("ready"), &json!(1)));

    let passport = server.get("/api/v1/models/digits/versions/production/passport").await.expect(200).json();
    assert_eq!(passport["files"].as_array().unwrap().len(), 2);
    assert_eq!(passport["provenance"], json!({"origin": "push", "note": "first", "facts": {"seed": "7"}}));
    assert_eq!(passport["signature"]["inputs"][0]["shape"], json!(["batch", "64"]));
    assert_eq!(passport["proof"]["joining"]["allowed"], true);
    assert_eq!(passport["alias_history"][0]["to"], 1);
    assert!(passport["created_at"].as_str().unwrap().ends_with('Z'));

    let base = "/api/v1/models/digits/versions/1/files";
    let files = server.get(base).await.expect(200).json();
    assert_eq!(files["files"], passport["files"]);
    let pulled = server.get(&format!("{base}/model.onnx")).await.expect(200);
    assert_eq!(pulled.header("x-content-sha256"), Some(hex(&pulled.body).as_str()));
    assert_eq!(pulled.body, bytes);
    assert_eq!(server.get(&format!("{base}/notes/about%20it.txt")).await.expect(200).body, b"hello");
    for absent in ["absent.onnx", "..%2F..%2Fdb", "%00"] {
        server.get(&format!("{base}/{absent}")).await.expect(404);
    }
}

#[tokio::test]
async fn identical_bytes_are_the_same_version_unless_a_new_one_is_wanted() {
    let server = TestServer::with_digits().await;
    let again = server.push_with("digits", &digits_file(), json!({})).await.expect(200).json();
    assert_eq!((&again["version"], &again["created"]), (&json!(1), &json!(false)));
    let new =
        server.push_with("digits", &digits_file(), json!({"new_version": true})).await.expect(201).json();
    assert_eq!((&new["version"], &new["aliases"]), (&json!(2), &json!([])));
    let models = server.get("/api/v1/models").await.expect(200).json();
    let model = &models["models"][0];
    assert_eq!((&model["latest_version"], &model["versions"]), (&json!(2), &json!(2)));
    assert_eq!(model["aliases"], json!({"production": 1}));
}

async fn running_version(server: &TestServer) -> Value {
    let answer = server.post("/models/digits/predict", json!({"inputs": [vec![0.0; 64]]})).await.expect(200);
    json!(answer.header("x-modelyard-version").unwrap().parse::<u32>().unwrap())
}

#[tokio::test]
async fn a_move_to_a_version_that_cannot_be_loaded_changes_nothing() {
    let server = TestServer::start_with(|setting| {
        setting.serving.max_loaded_versions = NonZeroUsize::new(2).unwrap();
    })
    .await;
    for _ in 1..=2 {
        server.push_with("digits", &digits_file(), json!({"new_version": true})).await;
    }
    let promote = |version: u32| {
        let path = "/api/v1/models/digits/aliases/production";
        send(server.request(Method::PUT, path).json(&json!({ "version": version })))
    };
    promote(2).await.expect(200);
    // Now there is no room for a third version beside the two.
    server.push("other", &digits_file()).await;
    // Else it would leave for the third one.
    server.post("/v2/repository/models/other/load", json!({})).await.expect(200);
    let trail = async || server.get("/api/v1/audit").await.expect(200).json();
    let moves = async || {
        let passport = server.get("/api/v1/models/digits/versions/1/passport").await.expect(200).json();
        passport["alias_history"].as_array().unwrap().len()
    };
    let before = (trail().await, moves().await);
    server.post("/api/v1/models/digits/rollback", json!({})).await.expect(503);
    promote(1).await.expect(503);
    assert_eq!((trail().await, moves().await), before);
    assert_eq!(running_version(&server).await, 2);
    // With room again, the same rollback is still there to be made.
    server.post("/v2/repository/models/other/unload", json!({})).await.expect(200);
    server.post("/api/v1/models/digits/rollback", json!({})).await.expect(200);
    assert_eq!(running_version(&server).await, 1);
    assert_eq!(moves().await, before.1 + 1);
}

#[tokio::test]
async fn versions_are_promoted_rolled_back_and_archived() {
    let server = TestServer::with_digits().await;
    for _ in 2..=3 {
        server.push_with("digits", &digits_file(), json!({"new_version": true})).await;
    }
    let promote = |alias: &str, version: u32| {
        let path = format!("/api/v1/models/digits/aliases/{alias}");
        send(server.request(Method::PUT, &path).json(&json!({ "version": version })))
    };
    let moved = promote("production", 3).await.expect(200).json();
    assert_eq!(moved, json!({"model": "digits", "alias": "production", "version": 3, "previous": 1}));
    assert_eq!(running_version(&server).await, 3);
    let new = promote("canary", 2).await.expect(200).json();
    assert_eq!(new.get("previous"), None);
    promote("production", 9).await.expect(404);
    promote("12", 1).await.expect(400);

    let archive = async |version: &str| {
        let path = format!("/api/v1/models/digits/versions/{version}/archive");
        server.post(&path, json!({})).await
    };
    let error = archive("3").await.expect(409).error();
    assert!(error.contains("production"), "{error}");
    let roll_back = |body: Value| server.post("/api/v1/models/digits/rollback", body);
    let back = roll_back(json!({})).await.expect(200).json();
    assert_eq!(back, json!({"model": "digits", "alias": "production", "from": 3, "version": 1}));
    assert_eq!(running_version(&server).await, 1);
    roll_back(json!({})).await.expect(409);
    roll_back(json!({"alias": "absent"})).await.expect(404);

    assert_eq!(archive("3").await.expect(200).json()["state"], "archived");
    promote("production", 3).await.expect(409);
    let refused =
        server.post("/v2/models/digits/versions/3/infer", crate::harness::infer_body(&[vec![0.0; 64]])).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    server.get("/api/v1/models/digits/versions/3/passport").await.expect(200);

    send(server.request(Method::DELETE, "/api/v1/models/digits/aliases/canary")).await.expect(204);
    send(server.request(Method::DELETE, "/api/v1/models/digits/aliases/canary")).await.expect(404);
    send(server.request(Method::DELETE, "/api/v1/models/digits/aliases/production")).await.expect(409);
    let aliases = server.get("/api/v1/models/digits/aliases").await.expect(200).json();
    assert_eq!(aliases["aliases"].as_array().unwrap().len(), 1);

    let actions = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };
    let trail = server.get("/api/v1/audit").await.expect(200).json();
    let expected = [
        "model.alias.remove",
        "model.archive",
        "model.rollback",
        "model.promote",
        "model.promote",
        "model.push",
        "model.push",
        "model.push",
        "key.create",
    ];
    assert_eq!(actions(&trail), expected);
    let page = server.get("/api/v1/audit?limit=2").await.expect(200).json();
    let next = format!("/api/v1/audit?limit=2&before={}", page["next_before"]);
    assert_eq!(actions(&server.get(&next).await.expect(200).json()), expected[2..4]);
    server.get("/api/v1/audit?limt=2").await.expect(400);
    server.get("/api/v1/audit?limit=x").await.expect(400);
}

#[tokio::test]
async fn serving_options_are_kept_with_the_model() {
    let server = TestServer::with_digits().await;
    let path = "/api/v1/models/digits/serving";
    assert_eq!(server.get(path).await.expect(200).json(), json!({}));
    let put = |body: Value| send(server.request(Method::PUT, path).json(&body));
    let options = json!({"max_batch": 8, "timeout_milliseconds": 500, "share_prefixes": true});
    assert_eq!(put(options.clone()).await.expect(200).json(), options);
    assert_eq!(server.get("/api/v1/models/digits").await.expect(200).json()["serving"], options);
    assert_eq!(server.get("/v2/models/digits/config").await.expect(200).json()["max_batch_size"], 8);
    let error = put(json!({"max_batch": 0})).await.expect(400).json();
    assert_eq!(error["error"]["param"], "max_batch");
    put(json!({"max_bach": 8})).await.expect(400);
    put(json!({})).await.expect(200);
    assert_eq!(server.get(path).await.expect(200).json(), json!({}));
    assert_eq!(running_version(&server).await, 1);
}

#[tokio::test]
async fn what_is_no_model_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    let upload = server.post("/api/v1/uploads", json!({"model": "bad"})).await.expect(201).json();
    let path = format!("/api/v1/uploads/{}", upload["id"].as_str().unwrap());
    server.post(&format!("{path}/commit"), json!({})).await.expect(400);
    send(server.request(Method::PUT, &format!("{path}/files/model.onnx")).body("garbage")).await.expect(201);
    let refused = server.post(&format!("{path}/commit"), json!({})).await.expect(400);
    assert!(refused.error().contains("model.onnx"), "{}", refused.error());
    let upload = server.get(&path).await.expect(200).json();
    assert_eq!(upload["state"], "failed");
    assert!(!upload["failure"].as_str().unwrap().is_empty());
    assert_eq!(server.get("/api/v1/models").await.expect(200).json()["models"], json!([]));
    for model in ["../etc", "", "a b", ".hidden"] {
        let error = server.post("/api/v1/uploads", json!({ "model": model })).await.expect(400).json();
        assert_eq!(error["error"]["param"], "model");
    }
    let report = server.post("/api/v1/gc", json!({})).await.expect(200).json();
    assert_eq!((&report["deleted"], &report["kept"]), (&json!(1), &json!(0)));
    let abandoned = server.post("/api/v1/uploads", json!({"model": "bad"})).await.expect(201).json();
    let path = format!("/api/v1/uploads/{}", abandoned["id"].as_str().unwrap());
    send(server.request(Method::DELETE, &path)).await.expect(204);
    assert_eq!(server.get(&path).await.expect(200).json()["state"], "failed");
}

#[tokio::test]
async fn keys_are_listed_without_their_secrets() {
    let server = TestServer::start().await;
    let body = json!({
        "name": "ci", "role": "publisher", "models": ["team-a.*"], "requests_per_minute": 60, "burst": 5,
        "expires_at": "2999-01-31T12:00:00Z",
    });
    let secret = server.key(body).await;
    let listed = server.get("/api/v1/keys").await.expect(200);
    assert!(!listed.text().contains(secret.rsplit('_').next().unwrap()));
    let key =
        listed.json()["keys"].as_array().unwrap().iter().find(|key| key["name"] == "ci").unwrap().clone();
    assert_eq!((&key["models"], &key["burst"]), (&json!(["team-a.*"]), &json!(5)));
    assert_eq!(key["expires_at"], "2999-01-31T12:00:00Z");
    for (body, param) in [
        (json!({"name": "k", "role": "root"}), Some("role")),
        (json!({"name": "k", "role": "consumer", "models": ["*a"]}), Some("models")),
        (json!({"name": "k", "role": "consumer", "burst": 5}), Some("burst")),
        (json!({"name": "k", "role": "consumer", "expires_at": "soon"}), Some("expires_at")),
        (json!({"name": "", "role": "consumer"}), None),
        (json!({"name": "k", "role": "admin", "models": ["a"]}), None),
    ] {
        let error = server.post("/api/v1/keys", body).await.expect(400).json();
        assert_eq!(error["error"].get("param").and_then(Value::as_str), param, "{error}");
    }
    let admin = server.get("/api/v1/keys").await.expect(200).json()["keys"][0]["id"].clone();
    let last =
        send(server.request(Method::DELETE, &format!("/api/v1/keys/{}", admin.as_str().unwrap()))).await;
    assert!(last.expect(409).error().contains("last admin key"));
    send(server.request(Method::DELETE, "/api/v1/keys/000000000000")).await.expect(404);
}

#[tokio::test]
async fn budgets_of_tokens_are_shown_and_usage_is_told_to_whom_it_concerns() {
    let server = TestServer::start().await;
    let budget = json!({"name": "app", "role": "consumer", "tokens_per_day": 100, "tokens_per_request": 40, "weight": 3});
    let secret = server.key(budget).await;
    let listed = server.get("/api/v1/keys").await.expect(200).json();
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["name"] == "app").unwrap().clone();
    assert_eq!((&key["tokens_per_day"], &key["tokens_per_request"]), (&json!(100), &json!(40)));
    assert_eq!(key.get("tokens_per_minute"), None);
    assert_eq!((&key["weight"], &listed["keys"][0]["weight"]), (&json!(3), &json!(1)));
    let rotated = format!("/api/v1/keys/{}/rotate", key["id"].as_str().unwrap());
    let rotated = server.post(&rotated, json!({"grace_seconds": 3600})).await.expect(200).json();
    assert_eq!(rotated["key"]["weight"], 3);
    for (name, value) in [("tokens_per_month", 0), ("weight", 0), ("weight", 1_001)] {
        let mut wrong = json!({"name": "k", "role": "consumer"});
        wrong[name] = json!(value);
        server.post("/api/v1/keys", wrong).await.expect(400);
    }

    let nothing = json!({"usage": [], "truncated": false});
    assert_eq!(server.get("/api/v1/usage").await.expect(200).json(), nothing);
    let own = server.bare(Method::GET, "/api/v1/usage?from=2026-01-01&to=2026-12-31").bearer_auth(&secret);
    assert_eq!(send(own).await.expect(200).json(), nothing);
    for query in ["from=2026-02-30", "from=2026-02-02&to=2026-02-01", "day=2026-02-01"] {
        server.get(&format!("/api/v1/usage?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn the_server_describes_its_api_and_its_state() {
    let server = TestServer::with_digits().await;
    let description = server.get("/api/openapi.json").await.expect(200).json();
    assert!(description["paths"]["/v2/models/{model}/infer"]["post"].is_object());
    let status = server.get("/api/v1/status").await.expect(200).json();
    assert_eq!(status["version"], "0.0.0-test");
    assert_eq!(status["served"][0]["state"], "ready");
    assert!(status["engines"].as_array().unwrap().iter().any(|engine| engine["name"] == "rten"));
}
