//! Request bodies made of the samples of a model.

use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};

/// A body and the headers that describe it.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) headers: Vec<String>,
}

fn first_inputs(assets: &Path, model: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(assets.join("models").join(model).join("samples.json"))?;
    let samples: Value = serde_json::from_str(&text)?;
    let inputs = samples[0]["inputs"].as_array().context("the first sample has no inputs")?;
    Ok(inputs.clone())
}

/// One row as an Open Inference Protocol request in JSON, its numbers rounded as an application would send them.
pub(super) fn json(assets: &Path, model: &str) -> Result<Body> {
    let mut inputs = first_inputs(assets, model)?;
    for input in &mut inputs {
        for number in input["data"].as_array_mut().context("an input has no data")? {
            if let Some(value) = number.as_f64().filter(|_| number.is_f64()) {
                *number = json!((value * 1e4).round() / 1e4);
            }
        }
    }
    let bytes = serde_json::to_vec(&json!({ "inputs": inputs }))?;
    Ok(Body { bytes, headers: vec!["Content-Type: application/json".to_owned()] })
}

/// The same with binary tensors, both ways.
pub(super) fn binary(assets: &Path, model: &str) -> Result<Body> {
    let mut described = Vec::new();
    let mut tensors = Vec::new();
    for input in first_inputs(assets, model)? {
        let before = tensors.len();
        for number in input["data"].as_array().context("an input has no data")? {
            match input["datatype"].as_str() {
                #[expect(clippy::cast_possible_truncation, reason = "the samples are f32 values")]
                Some("FP32") => {
                    let value = number.as_f64().context("not a number")? as f32;
                    tensors.extend(value.to_le_bytes());
                }
                Some("INT64") => tensors.extend(number.as_i64().context("not a whole number")?.to_le_bytes()),
                other => bail!("{model} has an input of type {other:?}"),
            }
        }
        described.push(json!({
            "name": input["name"], "shape": input["shape"], "datatype": input["datatype"],
            "parameters": { "binary_data_size": tensors.len() - before },
        }));
    }
    let mut bytes =
        serde_json::to_vec(&json!({ "inputs": described, "parameters": { "binary_data_output": true } }))?;
    let headers = vec![
        "Content-Type: application/octet-stream".to_owned(),
        format!("Inference-Header-Content-Length: {}", bytes.len()),
    ];
    bytes.extend(tensors);
    Ok(Body { bytes, headers })
}
