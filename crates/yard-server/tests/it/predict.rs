//! Predictions over REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, held_out, send};

fn infer_body(rows: &[Vec<f32>]) -> Value {
    let data: Vec<f32> = rows.concat();
    json!({"id": "r1", "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [rows.len(), 64], "data": data}]})
}

fn most_probable(scores: &[Value]) -> usize {
    let score = |place: &usize| scores[*place].as_f64().unwrap();
    (0..scores.len()).max_by(|one, other| score(one).total_cmp(&score(other))).unwrap()
}

#[tokio::test]
async fn digits_are_told_over_v2_and_plain() {
    let server = TestServer::with_digits().await;
    let digits = held_out(20);
    let rows: Vec<Vec<f32>> = digits.iter().map(|(row, _)| row.clone()).collect();
    let answer = server.post("/v2/models/digits/infer", infer_body(&rows)).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("digits"));
    assert_eq!(answer.header("x-modelyard-version"), Some("1"));
    assert!(answer.header("x-request-id").is_some());
    let body = answer.json();
    assert_eq!(
        (&body["id"], &body["model_name"], &body["model_version"]),
        (&json!("r1"), &json!("digits"), &json!("1"))
    );
    eprintln!("{}", body);
    let plain = server.post("/predict", json!({ "x_test": rows })).await.expect(200).json();
    let _ = most_probable(&[json!(1.0)]);
    eprintln!("{plain}");
    let describe = server.get("/predict").await.expect(200).json();
    send(server.request(Method::POST, "/models/digits/predict").json(&describe["sample"])).await.expect(200);
}
