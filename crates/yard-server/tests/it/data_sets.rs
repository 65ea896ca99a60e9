//! Data sets come in file by file and become versions that jobs can name.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    harness::{Answer, TestServer, send},
    jobs::ended,
};

async fn put(server: &TestServer, upload: &str, path: &str, content: &str, digest: Option<&str>) -> Answer {
    let request = server.request(Method::PUT, &format!("/api/v1/dataset-uploads/{upload}/files/{path}"));
    let request = match digest {
        Some(digest) => request.header("x-content-sha256", digest),
        None => request,
    };
    send(request.body(content.to_owned())).await
}

async fn begin(server: &TestServer, name: &str) -> String {
    let draft = server.post("/api/v1/dataset-uploads", json!({"name": name})).await.expect(201).json();
    draft["id"].as_str().unwrap().to_owned()
}

async fn add(server: &TestServer, name: &str, content: &str, commit: Value) -> Answer {
    let upload = begin(server, name).await;
    put(server, &upload, "rows.csv", content, None).await.expect(201);
    server.post(&format!("/api/v1/dataset-uploads/{upload}/commit"), commit).await
}

#[tokio::test]
async fn files_become_a_version_whose_description_is_kept() {
    let server = TestServer::start().await;
    let upload = begin(&server, "prices").await;
    let content = "a,label\n1,x\n";
    let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    put(&server, &upload, "rows.csv", content, Some(&"0".repeat(64))).await.expect(400);
    let file = put(&server, &upload, "rows.csv", content, Some(&digest)).await.expect(201).json();
    assert_eq!(file, json!({"path": "rows.csv", "digest": digest, "size": content.len()}));
    let draft = server.get(&format!("/api/v1/dataset-uploads/{upload}")).await.expect(200).json();
    assert_eq!((&draft["files"], &draft["bytes"]), (&json!(1), &json!(content.len())));
    let commit = json!({"schema": {"columns": []}, "statistics": {"rows": 1}});
    let path = format!("/api/v1/dataset-uploads/{upload}/commit");
    let reply = server.post(&path, commit.clone()).await.expect(201).json();
    assert_eq!(reply, json!({"name": "prices", "version": 1, "created": true}));
    server.post(&path, commit.clone()).await.expect(404);

    let again = add(&server, "prices", content, commit).await.expect(200).json();
    assert_eq!(again, json!({"name": "prices", "version": 1, "created": false}));
    add(&server, "prices", "a,label\n2,y\n", json!({})).await.expect(201);
    let list = server.get("/api/v1/datasets").await.expect(200).json();
    assert_eq!(list["data_sets"].as_array().unwrap().len(), 1);
    assert_eq!(list["data_sets"][0]["version"], 2);
    let versions = server.get("/api/v1/datasets/prices/versions").await.expect(200).json();
    assert_eq!(versions["data_sets"].as_array().unwrap().len(), 2);
    let first = server.get("/api/v1/datasets/prices/versions/1").await.expect(200).json();
    assert_eq!(first["statistics"], json!({"rows": 1}));
    assert_eq!(first["file_list"][0]["path"], "rows.csv");
    let newest = server.get("/api/v1/datasets/prices/versions/latest").await.expect(200).json();
    assert_eq!((&newest["version"], newest.get("schema")), (&json!(2), None));
    server.get("/api/v1/datasets/prices/versions/3").await.expect(404);
    server.get("/api/v1/datasets/absent/versions").await.expect(404);
    assert!(server.get("/api/v1/audit").await.expect(200).text().contains("dataset.add"));

    let abandoned = begin(&server, "prices").await;
    let path = format!("/api/v1/dataset-uploads/{abandoned}");
    send(server.request(Method::DELETE, &path)).await.expect(204);
    server.get(&path).await.expect(404);
    let empty = begin(&server, "prices").await;
    server.post(&format!("/api/v1/dataset-uploads/{empty}/commit"), json!({})).await.expect(400);
}

#[tokio::test]
async fn a_job_names_the_version_that_was_the_newest_when_it_was_submitted() {
    let server = TestServer::start().await;
    add(&server, "prices", "a,label\n1,x\n", json!({})).await.expect(201);
    server.lab.script("m", "refuse");
    let spec = json!({"name": "m", "data": {"dataset": "prices"}, "model": {"kind": "logistic"}});
    let job = server.post("/api/v1/jobs", json!({"spec": spec})).await.expect(202).json();
    assert_eq!(job["spec"]["data"]["dataset"], "prices:1");
    ended(&server, job["id"].as_str().unwrap()).await;
    let spec = json!({"name": "m", "data": {"dataset": "prices:9"}, "model": {"kind": "logistic"}});
    server.post("/api/v1/jobs", json!({"spec": spec})).await.expect(404);
}

#[tokio::test]
async fn a_version_is_deleted_once_no_job_reads_it_and_its_space_is_freed() {
    let server = TestServer::start().await;
    add(&server, "prices", "a,label\n1,x\n", json!({})).await.expect(201);
    add(&server, "prices", "a,label\n2,y\n", json!({})).await.expect(201);
    let delete = |path: &str| send(server.request(Method::DELETE, &format!("/api/v1/datasets/{path}")));

    server.lab.script("m", "gate");
    let spec = json!({
        "name": "m",
        "data": {"builtin": "iris", "test": {"dataset": "prices:1"}},
        "split": {"train": 0.8, "validation": 0.2, "test": 0.0},
        "model": {"kind": "logistic"},
    });
    let job = server.post("/api/v1/jobs", json!({"spec": spec})).await.expect(202).json();
    let job = job["id"].as_str().unwrap();
    let refused = delete("prices/versions/1").await.expect(409).error();
    let expected = format!(
        "data set 'prices:1' is still read by job {job}: wait for its end, or call it off (modelyard jobs cancel)"
    );
    assert_eq!(refused, expected);
    delete("prices/versions/latest").await.expect(400);
    delete("prices/versions/2").await.expect(204);
    server.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(200);
    ended(&server, job).await;
    delete("prices/versions/1").await.expect(204);

    for gone in ["prices/versions/1", "prices/versions/2", "absent/versions/1"] {
        delete(gone).await.expect(404);
    }
    server.get("/api/v1/datasets/prices/versions").await.expect(404);
    assert_eq!(server.get("/api/v1/datasets").await.expect(200).json(), json!({"data_sets": []}));
    let collected = server.post("/api/v1/gc", json!({})).await.expect(200).json();
    assert_eq!(collected["deleted"], 2, "{collected}");
    assert!(server.get("/api/v1/audit").await.expect(200).text().contains("dataset.remove"));
    // A number is not used twice.
    let next = add(&server, "prices", "a,label\n3,z\n", json!({})).await.expect(201).json();
    assert_eq!(next["version"], 3);
}

#[tokio::test]
async fn a_data_set_whose_name_a_key_may_not_see_looks_like_a_missing_one() {
    let server = TestServer::start().await;
    add(&server, "secret", "a\n1\n", json!({})).await.expect(201);
    let upload = begin(&server, "secret").await;
    let key = server.key(json!({"name": "k", "role": "publisher", "models": ["mine*"]})).await;
    let get = |path: String| send(server.bare(Method::GET, &path).bearer_auth(&key));
    for path in ["versions", "versions/1", "versions/latest"] {
        let hidden = get(format!("/api/v1/datasets/secret/{path}")).await.expect(404);
        let missing = get(format!("/api/v1/datasets/absent/{path}")).await.expect(404);
        assert_eq!(hidden.error().replace("secret", "NAME"), missing.error().replace("absent", "NAME"));
    }
    let delete = |path: &str| send(server.bare(Method::DELETE, path).bearer_auth(&key));
    delete("/api/v1/datasets/secret/versions/1").await.expect(404);
    server.get("/api/v1/datasets/secret/versions/1").await.expect(200);
    get(format!("/api/v1/dataset-uploads/{upload}")).await.expect(404);
    assert_eq!(get("/api/v1/datasets".to_owned()).await.expect(200).json(), json!({"data_sets": []}));
    let post = |path: &str, body: Value| send(server.bare(Method::POST, path).bearer_auth(&key).json(&body));
    post("/api/v1/dataset-uploads", json!({"name": "secret"})).await.expect(403);
    let spec = json!({"name": "mine", "data": {"dataset": "secret"}, "model": {"kind": "logistic"}});
    let refused = post("/api/v1/jobs", json!({"spec": spec})).await.expect(404);
    assert_eq!(refused.error(), "data set 'secret' is not found");
}
