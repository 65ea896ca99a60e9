//! Jobs are submitted, listed, shown and called off, as far as a key may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, send};

/// A sound specification for this model.
pub(crate) fn spec(model: &str) -> Value {
    json!({"name": model, "data": {"builtin": "digits"}, "model": {"kind": "logistic"}})
}

/// Submits a job that does this and gives its id.
pub(crate) async fn submit(server: &TestServer, model: &str, script: &str) -> String {
    server.lab.script(model, script);
    let job = server.post("/api/v1/jobs", json!({"spec": spec(model)})).await.expect(202).json();
    job["id"].as_str().unwrap().to_owned()
}

/// Waits until a job has come to its end.
pub(crate) async fn ended(server: &TestServer, id: &str) -> Value {
    let mut follower = server.jobs.follow(id.parse().unwrap());
    loop {
        let job = server.get(&format!("/api/v1/jobs/{id}")).await.expect(200).json();
        if matches!(job["state"].as_str().unwrap(), "succeeded" | "failed" | "cancelled") {
            return job;
        }
        follower.next().await;
    }
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_job_is_a_row_before_it_is_acknowledged_and_its_result_is_served() {
    let server = TestServer::start().await;
    server.lab.script("trained", "gate 1 save:1 2 finish");
    let job = server.post("/api/v1/jobs", json!({"spec": spec("trained")})).await.expect(202).json();
    assert_eq!(
        (&job["state"], &job["kind"], &job["model"]),
        (&json!("queued"), &json!("train"), &json!("trained"))
    );
    assert_eq!(job["memory_bytes"], 1 << 30);
    assert_eq!(job["spec"]["training"]["threads"], 1, "defaults are written out");
    let id = job["id"].as_str().unwrap();
    server.lab.children.at_gate().await;
    let running = server.get(&format!("/api/v1/jobs/{id}")).await.expect(200).json();
    assert_eq!((&running["state"], &running["attempt"]), (&json!("running"), &json!(1)));
    server.lab.children.open(1);

    let done = ended(&server, id).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    assert_eq!((&done["result"]["model"], &done["result"]["version"]), (&json!("trained"), &json!(1)));
    assert_eq!(done["result"]["summary"], json!({"accuracy": 0.97}));
    assert_eq!(done["progress"], json!({"phase": "epoch", "step": 2, "of": 10}));
    let passport = server.get("/api/v1/models/trained/versions/1/passport").await.expect(200).json();
    assert_eq!(passport["provenance"]["facts"]["job"], id);

    let metrics = server.get(&format!("/api/v1/jobs/{id}/metrics")).await.expect(200).json();
    let expected = json!([
        {"split": "train", "name": "loss", "step": 1, "value": 1.0},
        {"split": "train", "name": "loss", "step": 2, "value": 0.5},
    ]);
    assert_eq!(metrics["metrics"], expected);
    let log = server.get(&format!("/api/v1/jobs/{id}/log?limit=1")).await.expect(200).json();
    assert_eq!(log["lines"].as_array().unwrap().len(), 1);
    assert_eq!(log["lines"][0]["text"], "step 2");
    let trail = server.get("/api/v1/audit").await.expect(200).text();
    assert!(trail.contains("job.submit"), "{trail}");
    server.post("/models/trained/predict", json!({"inputs": [vec![0.0; 64]]})).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_specification_is_told_by_its_key() {
    let server = TestServer::start().await;
    let changed = |pointer: &str, value: Value| {
        let mut spec = spec("m");
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    };
    let path = json!({"path": "/etc/passwd"});
    for (spec, param, part) in [
        (json!({}), "spec.name", "is missing"),
        (json!({"name": "m", "model": {"kind": "logistic"}}), "spec.data", "data"),
        (changed("/model/kind", json!("forest")), "spec.model.kind", "forest"),
        (changed("/data", path.clone()), "spec.data.path", "modelyard data add"),
        (changed("/data", json!({"builtin": "digits", "test": path})), "spec.", ""),
        (changed("/data", json!({"dataset": "absent"})), "", "data set 'absent' is not found"),
        (changed("/name", json!("../m")), "spec.name", ""),
    ] {
        let answer = server.post("/api/v1/jobs", json!({"spec": spec})).await;
        let failure = answer.json()["error"].clone();
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{failure}");
        assert!(failure["param"].as_str().unwrap_or_default().starts_with(param), "{failure}");
        assert!(failure["message"].as_str().unwrap().contains(part), "{failure}");
    }
    for body in [json!({}), json!({"spec": spec("m"), "memory": 1}), json!({"spec": "text"})] {
        server.post("/api/v1/jobs", body).await.expect(400);
    }
    let little = json!({"spec": spec("m"), "memory_bytes": 1000});
    assert!(server.post("/api/v1/jobs", little).await.expect(400).error().contains("at least"));
    let much = json!({"spec": spec("m"), "memory_bytes": 1_u64 << 50});
    assert!(server.post("/api/v1/jobs", much).await.expect(400).error().contains("asks for"));
    assert_eq!(ids(&server.get("/api/v1/jobs").await.expect(200).json()), Vec::<String>::new());
}

#[tokio::test]
async fn queued_and_running_jobs_are_called_off_and_others_are_not() {
    let server = TestServer::start().await;
    let running = submit(&server, "one", "1 gate").await;
    server.lab.children.at_gate().await;
    let job = server.post(&format!("/api/v1/jobs/{running}/cancel"), json!({})).await.expect(200).json();
    assert_eq!(job["cancel_requested"], true);
    assert_eq!(ended(&server, &running).await["state"], "cancelled");
    let again = server.post(&format!("/api/v1/jobs/{running}/cancel"), json!({})).await.expect(409);
    assert!(again.error().contains("cancelled already"), "{}", again.error());
    let failed = submit(&server, "two", "refuse").await;
    let job = ended(&server, &failed).await;
    assert_eq!(job["error"]["code"], "invalid_argument");
    assert_eq!(job["error"]["message"], "column 'label' is missing");
    assert!(server.get("/api/v1/jobs/nonsense").await.expect(404).error().contains("no such job"));
}

#[tokio::test]
async fn lists_are_paged_newest_first_and_can_be_narrowed() {
    let server = TestServer::start().await;
    let mut submitted = Vec::new();
    for model in ["a", "b", "a", "b", "a"] {
        let id = submit(&server, model, "refuse").await;
        ended(&server, &id).await;
        submitted.insert(0, id);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/jobs?limit=2".to_owned());
    loop {
        let page = server.get(&path).await.expect(200).json();
        assert!(page["jobs"].as_array().unwrap().iter().all(|job| job.get("spec").is_none()));
        seen.extend(ids(&page));
        let Some(after) = page["next_after"].as_str() else { break };
        path = format!("/api/v1/jobs?limit=2&after={after}");
    }
    seen.sort();
    let mut all = submitted.clone();
    all.sort();
    assert_eq!(seen, all, "every job once");
    let of_b = server.get("/api/v1/jobs?model=b&state=failed").await.expect(200).json();
    assert_eq!(ids(&of_b).len(), 2);
    assert_eq!(ids(&server.get("/api/v1/jobs?state=running").await.expect(200).json()).len(), 0);
    for query in ["state=paused", "after=7", "model=..", "limit=x", "stat=failed"] {
        server.get(&format!("/api/v1/jobs?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn a_job_of_a_model_that_a_key_may_not_see_looks_like_a_missing_one() {
    let server = TestServer::start().await;
    let id = submit(&server, "secret", "gate").await;
    server.lab.children.at_gate().await;
    let key = server.key(json!({"name": "k", "role": "publisher", "models": ["mine*"]})).await;
    let ask = |method: Method, path: String, body: Option<Value>| {
        let request = server.bare(method, &path).bearer_auth(&key);
        send(if let Some(body) = body { request.json(&body) } else { request })
    };
    let told = |answer: &Answer, id: &str| answer.error().replace(id, "ID");
    let absent = "f".repeat(32);
    for (method, suffix, body) in [
        (Method::GET, "", None),
        (Method::GET, "/metrics", None),
        (Method::GET, "/log", None),
        (Method::GET, "/events", None),
        (Method::POST, "/cancel", Some(json!({}))),
    ] {
        let hidden =
            ask(method.clone(), format!("/api/v1/jobs/{id}{suffix}"), body.clone()).await.expect(404);
        let missing = ask(method, format!("/api/v1/jobs/{absent}{suffix}"), body).await.expect(404);
        assert_eq!(told(&hidden, &id), told(&missing, &absent));
    }
    assert_eq!(ids(&ask(Method::GET, "/api/v1/jobs".into(), None).await.expect(200).json()).len(), 0);
    let body = |model: &str| Some(json!({"spec": spec(model)}));
    ask(Method::POST, "/api/v1/jobs".into(), body("secret")).await.expect(403);
    ask(Method::POST, "/api/v1/jobs".into(), body("mine.1")).await.expect(202);
    assert_eq!(ids(&ask(Method::GET, "/api/v1/jobs".into(), None).await.expect(200).json()).len(), 1);
    let consumer = server.key(json!({"name": "c", "role": "consumer"})).await;
    let request = server.bare(Method::POST, "/api/v1/jobs").bearer_auth(&consumer);
    send(request.json(&json!({"spec": spec("secret")}))).await.expect(403);
    send(server.bare(Method::GET, &format!("/api/v1/jobs/{id}")).bearer_auth(&consumer)).await.expect(200);
}
