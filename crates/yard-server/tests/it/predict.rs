//! Predictions over REST: what is answered, and what is said of mistakes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, an_image, held_out, infer_body, most_probable, numbers, send};

#[tokio::test]
async fn digits_are_told_over_v2_and_plain() {
    let server = TestServer::with_digits().await;
    let digits = held_out(50);
    let rows: Vec<Vec<f32>> = digits.iter().map(|(row, _)| row.clone()).collect();
    let answer = server.post("/v2/models/digits/infer", infer_body(&rows)).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("digits"));
    assert_eq!(answer.header("x-modelyard-version"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert_eq!([&body["id"], &body["model_name"], &body["model_version"]], ["r1", "digits", "1"]);
    let output = &body["outputs"][0];
    assert_eq!((&output["name"], &output["shape"]), (&json!("probabilities"), &json!([50, 10])));
    let scores = numbers(&output["data"]);
    let right = digits.iter().zip(scores.chunks(10)).filter(|((_, label), row)| most_probable(row) == *label);
    assert!(right.count() >= 45, "a model that tells 97 of 100 digits");

    for (path, member) in [("/predict", "x_test"), ("/models/digits/predict", "inputs")] {
        let plain = server.post(path, json!({ member: rows })).await.expect(200);
        assert_eq!(plain.header("x-modelyard-version"), Some("1"));
        let plain: Vec<f64> = plain.json()["y_pred"].as_array().unwrap().iter().flat_map(numbers).collect();
        assert_eq!(plain, scores, "{path}");
    }
}

#[tokio::test]
async fn versions_and_aliases_name_what_is_run() {
    let server = TestServer::with_digits().await;
    let body = infer_body(&[an_image().0]);
    for version in ["1", "production"] {
        let path = format!("/v2/models/digits/versions/{version}/infer");
        assert_eq!(server.post(&path, body.clone()).await.expect(200).json()["model_version"], "1");
    }
    for version in ["2", "canary", "0", "%20"] {
        let path = format!("/v2/models/digits/versions/{version}/infer");
        let error = server.post(&path, body.clone()).await.expect(404).error();
        assert!(error.contains("model 'digits' has no version"), "{error}");
    }
}

#[tokio::test]
async fn binary_tensors_go_both_ways() {
    let server = TestServer::with_digits().await;
    let (row, label) = an_image();
    let header = json!({
        "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, 64], "parameters": {"binary_data_size": 256}}],
        "parameters": {"binary_data_output": true},
    })
    .to_string();
    let mut body = header.clone().into_bytes();
    body.extend(row.iter().flat_map(|pixel| pixel.to_le_bytes()));
    // As the real client does: without a content type.
    let request = server.request(Method::POST, "/v2/models/digits/infer");
    let request = request.header("inference-header-content-length", header.len()).body(body.clone());
    let answer = send(request).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let (head, data) = answer.body.split_at(length);
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 40);
    let scores = data.chunks(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())));
    assert_eq!(most_probable(&scores.collect::<Vec<_>>()), label);

    for (length, status) in [("99999", 400), ("-1", 400), ("x", 400), ("0", 400), ("10", 400)] {
        let request = server.request(Method::POST, "/v2/models/digits/infer");
        let answer = send(request.header("inference-header-content-length", length).body(body.clone())).await;
        assert_eq!(answer.status, status, "{length}: {}", answer.text());
    }
    send(server.request(Method::GET, "/v2/models/digits/ready")).await.expect(200);
}

#[tokio::test]
async fn outputs_can_be_chosen_and_classified() {
    let server = TestServer::with_digits().await;
    let (row, label) = an_image();
    let mut body = infer_body(&[row]);
    body["outputs"] = json!([{"name": "probabilities", "parameters": {"classification": 2}}]);
    let output =
        server.post("/v2/models/digits/infer", body.clone()).await.expect(200).json()["outputs"][0].clone();
    assert_eq!(output["datatype"], "BYTES");
    let first = output["data"][0].as_str().unwrap();
    assert_eq!(first.split(':').nth(1), Some(label.to_string().as_str()), "{first}");
    body["outputs"] = json!([{"name": "absent"}]);
    let error = server.post("/v2/models/digits/infer", body).await.expect(400).error();
    assert_eq!(error, "unexpected inference output 'absent' for model 'digits'");
}

#[tokio::test]
async fn mistakes_are_told_in_the_words_that_clients_know() {
    let server = TestServer::with_digits().await;
    let input = |name: &str, datatype: &str, shape: Value, data: Value| json!({"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]});
    let pixels = vec![0.0_f32; 64];
    let wide = vec![0.0_f32; 65];
    let cases = [
        (
            input("x", "FP32", json!([1, 64]), json!(pixels)),
            "unexpected inference input 'x' for model 'digits'",
        ),
        (
            input("pixels", "INT64", json!([1, 64]), json!(vec![0; 64])),
            "inference input 'pixels' data-type is 'INT64', but model 'digits' expects 'FP32'",
        ),
        (
            input("pixels", "FP32", json!([1, 65]), json!(wide)),
            "unexpected shape for input 'pixels' for model 'digits'. Expected [-1,64], got [1,65]",
        ),
        (input("pixels", "FP32", json!([0, 64]), json!([])), "input 'pixels' for model 'digits' is empty"),
        (json!({"inputs": []}), "the request has no inputs"),
        (
            json!({"model_name": "other", "inputs": infer_body(std::slice::from_ref(&pixels))["inputs"]}),
            "another model than its path",
        ),
    ];
    for (body, expected) in cases {
        let answer = server.post("/v2/models/digits/infer", body).await.expect(400);
        assert!(answer.json()["error"].is_string(), "V2 errors are texts");
        assert!(answer.error().contains(expected), "{}", answer.error());
    }
    let unknown = server.post("/v2/models/absent/infer", json!({})).await.expect(404);
    assert_eq!(unknown.error(), "Request for unknown model: 'absent' is not found");
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused_and_the_server_goes_on() {
    let server = TestServer::with_digits().await;
    let good = infer_body(&[vec![0.0; 64]]).to_string();
    let nested = "[".repeat(100_000);
    let twice = r#"{"inputs":[],"inputs":[]}"#;
    let not_finite = good.replacen("0.0", "NaN", 1);
    let too_large = good.replacen("0.0", "1e999", 1);
    let negative = good.replace("[1,64]", "[-1,64]");
    let overflowing = good.replace("[1,64]", "[9223372036854775807,9223372036854775807]");
    let cut = &good[..good.len() - 2];
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\u{0}",
        cut,
        &nested,
        twice,
        &not_finite,
        &too_large,
        &negative,
        &overflowing,
        "{}x",
    ] {
        let shown: String = body.chars().take(60).collect();
        for path in ["/v2/models/digits/infer", "/predict"] {
            let answer = send(server.request(Method::POST, path).body(body.to_owned())).await;
            assert_eq!(answer.status, 400, "{path} {shown}: {}", answer.text());
            assert!(!answer.error().is_empty());
        }
    }
    send(server.request(Method::POST, "/v2/models/digits/infer").body(good)).await.expect(200);
}

#[tokio::test]
async fn a_model_describes_itself_with_a_sample_that_it_takes() {
    let server = TestServer::with_digits().await;
    for path in ["/predict", "/models/digits/predict"] {
        let description = server.get(path).await.expect(200).json();
        assert_eq!(description["inputs"][0]["shape"], json!([-1, 64]), "{path}");
        let answer = server.post(path, description["sample"].clone()).await.expect(200).json();
        assert_eq!(answer["y_pred"][0].as_array().unwrap().len(), 10);
    }
}

#[tokio::test]
async fn without_a_name_the_only_model_is_meant() {
    let server = TestServer::start().await;
    let rows = json!({"inputs": [vec![0.0; 64]]});
    let error = server.post("/predict", rows.clone()).await.expect(400).error();
    assert!(error.contains("no model"), "{error}");
    for name in ["digits", "second"] {
        server.push(name, &crate::harness::digits_file()).await;
    }
    let error = server.post("/predict", rows.clone()).await.expect(400).error();
    assert!(error.ends_with("one of digits, second"), "{error}");
    let key = server.key(json!({"name": "k", "role": "consumer", "models": ["second"]})).await;
    let answer = send(server.bare(Method::POST, "/predict").bearer_auth(key).json(&rows)).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("second"));

    let chosen =
        TestServer::start_with(|setting| setting.options.default_model = Some("digits".parse().unwrap()))
            .await;
    for name in ["digits", "second"] {
        chosen.push(name, &crate::harness::digits_file()).await;
    }
    let answer = chosen.post("/predict", rows.clone()).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("digits"));
    let key = chosen.key(json!({"name": "k", "role": "consumer", "models": ["second"]})).await;
    let answer = send(chosen.bare(Method::POST, "/predict").bearer_auth(key).json(&rows)).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("second"), "the name of a hidden model is not told");
    let key = chosen.key(json!({"name": "k", "role": "consumer", "models": ["third"]})).await;
    let none = send(chosen.bare(Method::POST, "/predict").bearer_auth(key).json(&rows)).await.expect(400);
    assert!(!none.error().contains("digits"), "{}", none.error());
}

#[tokio::test]
async fn the_protocol_tells_of_server_and_models() {
    let server = TestServer::with_digits().await;
    let metadata = server.get("/v2").await.expect(200).json();
    assert_eq!(metadata["name"], "modelyard");
    assert!(metadata["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
    let model = server.get("/v2/models/digits").await.expect(200).json();
    assert_eq!((&model["versions"], &model["inputs"][0]["shape"]), (&json!(["1"]), &json!([-1, 64])));
    assert_eq!(
        server.get("/v2/models/digits/ready").await.expect(200).json(),
        json!({"name": "digits", "ready": true})
    );
    let config = server.get("/v2/models/digits/config").await.expect(200).json();
    assert_eq!((&config["max_batch_size"], &config["input"][0]["dims"]), (&json!(64), &json!([64])));
    for (path, key) in [("/v2/health/live", "live"), ("/v2/health/ready", "ready")] {
        assert_eq!(send(server.bare(Method::GET, path)).await.expect(200).json(), json!({ key: true }));
    }
    server.post("/v2/models/digits/infer", infer_body(&[vec![0.0; 64], vec![1.0; 64]])).await.expect(200);
    for path in ["/v2/models/digits/stats", "/v2/models/digits/versions/1/stats", "/v2/models/stats"] {
        let stats = server.get(path).await.expect(200).json()["model_stats"][0].clone();
        assert_eq!((&stats["name"], &stats["inference_count"]), (&json!("digits"), &json!(2)), "{path}");
        assert_eq!(stats["inference_stats"]["success"]["count"], 1);
        assert!(stats["last_inference"].as_u64().unwrap() > 1_700_000_000_000);
    }
    for path in [
        "/v2/models/absent",
        "/v2/models/absent/config",
        "/v2/models/absent/ready",
        "/v2/models/absent/stats",
    ] {
        let error = server.get(path).await.expect(404).error();
        assert_eq!(error, "Request for unknown model: 'absent' is not found", "{path}");
    }
}

#[tokio::test]
async fn the_repository_is_listed_loaded_and_unloaded() {
    let server = TestServer::with_digits().await;
    let index = |ready: bool| server.post("/v2/repository/index", json!({ "ready": ready }));
    assert_eq!(
        index(false).await.expect(200).json(),
        json!([{"name": "digits", "version": "1", "state": "READY", "reason": ""}])
    );
    let load = "/v2/repository/models/digits/load";
    let unload = "/v2/repository/models/digits/unload";
    send(server.request(Method::POST, unload)).await.expect(200);
    assert_eq!(index(true).await.expect(200).json(), json!([]));
    assert_eq!(index(false).await.expect(200).json()[0]["state"], "UNAVAILABLE");
    assert_eq!(server.get("/v2/models/digits/ready").await.expect(503).json()["ready"], false);
    let refused = server.post("/v2/models/digits/infer", infer_body(&[vec![0.0; 64]])).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    send(server.request(Method::POST, load)).await.expect(200);
    server.post("/v2/models/digits/infer", infer_body(&[vec![0.0; 64]])).await.expect(200);
    for name in ["config", "file:1/model.onnx"] {
        let answer = server.post(load, json!({"parameters": { name: "x" }})).await.expect(501);
        assert!(answer.error().contains("push a new version instead"), "{}", answer.error());
    }
    let error =
        send(server.request(Method::POST, "/v2/repository/models/absent/load")).await.expect(404).error();
    assert_eq!(error, "Request for unknown model: 'absent' is not found");
}

#[tokio::test]
async fn a_language_model_is_listed_and_not_meant_by_requests_with_rows() {
    let server = TestServer::start().await;
    server.push_named("tiny", "tiny.gguf", b"GGUF".to_vec(), json!({})).await;
    let rows = json!({"inputs": [vec![0.0; 64]]});
    let error = server.post("/predict", rows.clone()).await.expect(400).error();
    assert!(error.contains("no model yet that takes rows"), "{error}");
    server.push("digits", &crate::harness::digits_file()).await;
    let answer = server.post("/predict", rows.clone()).await.expect(200);
    assert_eq!(answer.header("x-modelyard-model"), Some("digits"));

    let version = server.get("/api/v1/models/tiny/versions/1").await.expect(200).json();
    assert_eq!(
        version["language"],
        json!({"architecture": "llama", "parameters": 1000, "context": 96, "vocabulary": 261, "width": 64,
            "quantization": "Q8_0", "tokenizer": "sentence pieces", "tokens_per_second": 61.5,
            "weight_bytes": 1060})
    );
    let other = server.get("/api/v1/models/digits/versions/1").await.expect(200).json();
    assert_eq!(other.get("language"), None);
    let metadata = server.get("/v2/models/tiny").await.expect(200).json();
    assert_eq!((&metadata["platform"], &metadata["inputs"]), (&json!("modelyard-llm_gguf"), &json!([])));
    let index = send(server.request(Method::POST, "/v2/repository/index")).await.expect(200).json();
    assert_eq!(index.as_array().unwrap().len(), 2, "{index}");
}
