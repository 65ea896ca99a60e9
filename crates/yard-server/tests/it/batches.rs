//! Files and batches over HTTP, with lines that no model answers: what comes of those stands in the error file.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use yard_batches::{
    BatchOptions, Batches, Runner, SystemClock,
    testing::{MemoryBatchStore, MemoryContents},
};

use crate::harness::{Answer, TestServer, send};

const COMPLETIONS: &str = "/v1/completions";

struct World {
    server: TestServer,
    _runner: Runner,
}

impl World {
    async fn start() -> Self {
        let server = TestServer::with_digits().await;
        let options =
            BatchOptions { max_file_bytes: 10_000, max_files: 6, max_open: 2, ..BatchOptions::default() };
        let (store, contents) = (Arc::new(MemoryBatchStore::default()), Arc::new(MemoryContents::default()));
        let batches = Batches::new(store, contents, Arc::new(SystemClock), options);
        server.server.application().attach_batches(batches.clone());
        let runner = Runner::start(&batches, server.server.batch_lines());
        Self { server, _runner: runner }
    }

    /// Sends a form with these members, the last of which is the file.
    async fn upload(&self, key: &str, members: &[(&str, &str)], content: &str) -> Answer {
        let mut form = String::new();
        for (name, value) in members {
            form += &format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        let file = "content-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"";
        form += &format!("--b\r\n{file}\r\n\r\n{content}\r\n--b--\r\n");
        let request = self.server.bare(Method::POST, "/v1/files").bearer_auth(key);
        send(request.header("content-type", "multipart/form-data; boundary=b").body(form)).await
    }

    async fn file(&self, key: &str, content: &str) -> String {
        let file = self.upload(key, &[("purpose", "batch")], content).await.expect(200).json();
        file["id"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, key: &str, method: Method, path: &str) -> Answer {
        send(self.server.bare(method, path).bearer_auth(key)).await
    }

    async fn create(&self, key: &str, file: &str) -> Answer {
        let body = json!({"input_file_id": file, "endpoint": COMPLETIONS, "completion_window": "24h"});
        send(self.server.bare(Method::POST, "/v1/batches").bearer_auth(key).json(&body)).await
    }

    async fn ended(&self, key: &str, batch: &Value) -> Value {
        let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
        loop {
            let now = self.ask(key, Method::GET, &path).await.expect(200).json();
            if matches!(now["status"].as_str(), Some("completed" | "failed" | "expired" | "cancelled")) {
                return now;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn line(name: &str, model: &str) -> String {
    let body = json!({"model": model, "prompt": "x"});
    format!("{}\n", json!({"custom_id": name, "method": "POST", "url": COMPLETIONS, "body": body}))
}

#[tokio::test]
async fn files_are_kept_listed_read_and_deleted() {
    let world = World::start().await;
    let key = world.server.admin.clone();
    let content = "{}\r\n--c no end\r\n".repeat(50);
    let file = world.upload(&key, &[("purpose", "batch")], &content).await.expect(200).json();
    assert_eq!((&file["bytes"], &file["filename"]), (&json!(content.len()), &json!("in.jsonl")));
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(world.ask(&key, Method::GET, &path).await.expect(200).json(), file);
    let read = world.ask(&key, Method::GET, &format!("/openai{path}/content")).await.expect(200);
    assert_eq!(read.text(), content);
    let second = world.file(&key, "{}").await;
    let page = world.ask(&key, Method::GET, "/v1/files?limit=1").await.expect(200).json();
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(second), &json!(true)));
    let page = world.ask(&key, Method::GET, &format!("/v1/files?after={second}")).await.expect(200).json();
    assert_eq!((&page["data"][0], &page["has_more"]), (&file, &json!(false)));
    let deleted = world.ask(&key, Method::DELETE, &path).await.expect(200).json();
    assert_eq!(deleted, json!({"id": file["id"], "object": "file", "deleted": true}));
    for (method, path) in
        [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::GET, path + "/content")]
    {
        world.ask(&key, method, &path).await.expect(404);
    }
}

#[tokio::test]
async fn forms_that_cannot_be_kept_are_refused_by_name() {
    let world = World::start().await;
    let key = world.server.admin.clone();
    let param = |answer: Answer| answer.json()["error"]["param"].clone();
    assert_eq!(param(world.upload(&key, &[], "{}").await.expect(400)), "purpose");
    assert_eq!(param(world.upload(&key, &[("purpose", "vision")], "{}").await.expect(400)), "purpose");
    let more = [("purpose", "batch"), ("colour", "red")];
    assert_eq!(param(world.upload(&key, &more, "{}").await.expect(400)), "colour");
    let short =
        [("purpose", "batch"), ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "5")];
    assert_eq!(param(world.upload(&key, &short, "{}").await.expect(400)), "expires_after");
    let large = "x".repeat(10_001);
    assert_eq!(param(world.upload(&key, &[("purpose", "batch")], &large).await.expect(413)), "file");
    for _ in 0..6 {
        world.file(&key, "{}").await;
    }
    world.upload(&key, &[("purpose", "batch")], "{}").await.expect(409);
}

#[tokio::test]
async fn lines_are_asked_as_requests_of_their_owner() {
    let world = World::start().await;
    let key = world.server.key(json!({"name": "k", "role": "consumer"})).await;
    let file = world.file(&key, &(line("one", "digits") + &line("two", "absent"))).await;
    let made = world.create(&key, &file).await.expect(200).json();
    assert_eq!((&made["status"], &made["object"]), (&json!("validating"), &json!("batch")));
    let ended = world.ended(&key, &made).await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["request_counts"], json!({"total": 2, "completed": 0, "failed": 2}));
    let path = format!("/v1/files/{}/content", ended["error_file_id"].as_str().unwrap());
    let text = world.ask(&key, Method::GET, &path).await.expect(200).text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> =
        lines.iter().map(|line| (&line["custom_id"], &line["response"]["status_code"])).collect();
    assert_eq!(said, [(&json!("one"), &json!(400)), (&json!("two"), &json!(404))]);
    assert_eq!(lines[1]["response"]["body"]["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn another_key_sees_nothing() {
    let world = World::start().await;
    let (one, other) =
        (world.server.admin.clone(), world.server.key(json!({"name": "k", "role": "consumer"})).await);
    let file = world.file(&one, &line("one", "absent")).await;
    let made = world.create(&one, &file).await.expect(200).json();
    let (file_path, batch) =
        (format!("/v1/files/{file}"), format!("/v1/batches/{}", made["id"].as_str().unwrap()));
    for (method, path) in [
        (Method::GET, file_path.clone()),
        (Method::GET, format!("{file_path}/content")),
        (Method::DELETE, file_path.clone()),
        (Method::GET, batch.clone()),
        (Method::POST, format!("{batch}/cancel")),
    ] {
        world.ask(&other, method, &path).await.expect(404);
    }
    world.create(&other, &file).await.expect(404);
    for path in ["/v1/files", "/v1/batches"] {
        let page = world.ask(&other, Method::GET, path).await.expect(200).json();
        assert_eq!((&page["data"], &page["has_more"]), (&json!([]), &json!(false)));
    }
    assert_eq!(world.ended(&one, &made).await["status"], "completed");
}

#[tokio::test]
async fn what_is_wrong_with_a_batch_is_named() {
    let world = World::start().await;
    let key = world.server.admin.clone();
    let file = world.file(&key, "no json").await;
    let good = json!({"input_file_id": file, "endpoint": COMPLETIONS, "completion_window": "24h"});
    for (member, value, status) in [
        ("endpoint", json!("/v1/models"), 400),
        ("completion_window", json!("25 hours"), 400),
        ("input_file_id", json!("nothing"), 400),
        ("input_file_id", json!("file-000000000000000000000000"), 404),
        ("colour", json!("red"), 400),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let request = world.server.bare(Method::POST, "/v1/batches").bearer_auth(&key).json(&body);
        send(request).await.expect(status);
    }
    let made = world.create(&key, &file).await.expect(200).json();
    let ended = world.ended(&key, &made).await;
    assert_eq!(ended["status"], "failed");
    let error = &ended["errors"]["data"][0];
    assert_eq!((&error["line"], &error["code"]), (&json!(1), &json!("invalid_json_line")));
    world
        .ask(&key, Method::POST, &format!("/v1/batches/{}/cancel", ended["id"].as_str().unwrap()))
        .await
        .expect(409);
}
