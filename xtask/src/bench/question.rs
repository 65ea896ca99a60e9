//! What a server is asked, and what it has to answer.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};

/// How far an answer may lie from the reference.
const TOLERANCE: f64 = 1e-5;

/// A request in a file, and the numbers expected.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The body, ready to send.
    pub(super) body: PathBuf,
    /// The headers that describe it.
    pub(super) headers: Vec<String>,
    expected: Vec<Expected>,
}

#[derive(Debug, Clone)]
struct Expected {
    output: String,
    values: Vec<f64>,
}

/// Inputs and outputs of one sample, as Open Inference Protocol tensors.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) inputs: Value,
    pub(super) outputs: Value,
}

impl Sample {
    /// The first sample of a model of the test assets.
    pub(super) fn first_of(folder: &Path) -> Result<Self> {
        let path = folder.join("samples.json");
        let samples: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        let first = &samples[0];
        if !first["inputs"].is_array() || !first["outputs"].is_array() {
            bail!("{} holds no sample", path.display());
        }
        Ok(Self { inputs: first["inputs"].clone(), outputs: first["outputs"].clone() })
    }

    /// A JSON question; each number is written as briefly as its 32 bits allow.
    pub(super) fn json(&self, file: PathBuf) -> Result<Question> {
        fs::write(&file, serde_json::to_vec(&json!({ "inputs": self.inputs }))?)?;
        let headers = vec!["Content-Type: application/json".to_owned()];
        Ok(Question { body: file, headers, expected: expected(&self.outputs)? })
    }

    /// A question with binary tensors, there and back.
    pub(super) fn binary(&self, file: PathBuf) -> Result<Question> {
        let mut described = Vec::new();
        let mut tensors = Vec::new();
        for input in self.inputs.as_array().context("the inputs are no list")? {
            let before = tensors.len();
            append_values(input, &mut tensors)?;
            described.push(json!({
                "name": input["name"], "shape": input["shape"], "datatype": input["datatype"],
                "parameters": { "binary_data_size": tensors.len() - before },
            }));
        }
        let head = json!({ "inputs": described, "parameters": { "binary_data_output": true } });
        let mut bytes = serde_json::to_vec(&head)?;
        let headers = vec![
            "Content-Type: application/octet-stream".to_owned(),
            format!("Inference-Header-Content-Length: {}", bytes.len()),
        ];
        bytes.extend(tensors);
        fs::write(&file, bytes)?;
        Ok(Question { body: file, headers, expected: expected(&self.outputs)? })
    }
}

impl Question {
    /// The same body, but every expected output replaced by one that no model makes.
    pub(super) fn expecting(&self, output: &str, values: Vec<f64>) -> Self {
        let expected = vec![Expected { output: output.to_owned(), values }];
        Self { expected, ..self.clone() }
    }

    /// Refuses an answer that is not the expected one.
    pub(super) fn judge(&self, answer: &[u8]) -> Result<()> {
        let (head, tensors) = split(answer)?;
        let outputs = head["outputs"].as_array().context("the answer has no outputs")?;
        let mut binary = tensors;
        let mut seen = Vec::new();
        for output in outputs {
            let name = output["name"].as_str().context("an output has no name")?;
            let size = output["parameters"]["binary_data_size"].as_u64();
            let values = match size {
                Some(size) => {
                    let size = usize::try_from(size)?;
                    let (own, rest) = binary.split_at_checked(size).context("the answer is too short")?;
                    binary = rest;
                    own.as_chunks().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect()
                }
                None => numbers(&output["data"])?,
            };
            seen.push((name, values));
        }
        for expected in &self.expected {
            let found = seen.iter().find(|(name, _)| *name == expected.output);
            let (name, values) = found.with_context(|| format!("there is no output {}", expected.output))?;
            compare(name, values, &expected.values)?;
        }
        Ok(())
    }
}

fn append_values(input: &Value, bytes: &mut Vec<u8>) -> Result<()> {
    for number in input["data"].as_array().context("an input has no data")? {
        match input["datatype"].as_str() {
            #[expect(clippy::cast_possible_truncation, reason = "the samples hold 32-bit values")]
            Some("FP32") => {
                bytes.extend((number.as_f64().context("not a number")? as f32).to_le_bytes());
            }
            Some("INT64") => bytes.extend(number.as_i64().context("not a whole number")?.to_le_bytes()),
            other => bail!("inputs of type {other:?} are not made"),
        }
    }
    Ok(())
}

fn expected(outputs: &Value) -> Result<Vec<Expected>> {
    let mut expected = Vec::new();
    for output in outputs.as_array().context("the outputs are no list")? {
        let name = output["name"].as_str().context("an output has no name")?.to_owned();
        expected.push(Expected { output: name, values: numbers(&output["data"])? });
    }
    Ok(expected)
}

pub(super) fn numbers(data: &Value) -> Result<Vec<f64>> {
    let items = data.as_array().context("the data are no list")?;
    items.iter().map(|item| item.as_f64().context("the data hold something else than numbers")).collect()
}

/// JSON, and the bytes after it.
fn split(answer: &[u8]) -> Result<(Value, &[u8])> {
    let mut stream = serde_json::Deserializer::from_slice(answer).into_iter::<Value>();
    let head = stream.next().context("the answer is empty")?.context("the answer is not JSON")?;
    Ok((head, &answer[stream.byte_offset()..]))
}

fn compare(name: &str, values: &[f64], expected: &[f64]) -> Result<()> {
    if values.len() != expected.len() {
        bail!("output {name} has {} values, expected {}", values.len(), expected.len());
    }
    for (place, (value, expected)) in values.iter().zip(expected).enumerate() {
        // A value that is no number is not close to anything.
        let close = (value - expected).abs() <= TOLERANCE;
        if !close {
            bail!("output {name} has {value} at {place}, expected {expected}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            inputs: json!([
                { "name": "a", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -1.0] },
                { "name": "b", "datatype": "INT64", "shape": [1], "data": [7] },
            ]),
            outputs: json!([{ "name": "y", "datatype": "FP32", "shape": [2], "data": [0.25, 4.0] }]),
        }
    }

    #[track_caller]
    fn check(answer: &[u8], complaint: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let question = sample().json(folder.path().join("body")).unwrap();
        match (question.judge(answer), complaint) {
            (Ok(()), None) => {}
            (Err(error), Some(complaint)) => assert!(format!("{error:#}").contains(complaint), "{error:#}"),
            (judged, _) => panic!("{judged:?}"),
        }
    }

    fn binary_answer(values: [f32; 2]) -> Vec<u8> {
        let head = json!({ "outputs": [
            { "name": "y", "datatype": "FP32", "shape": [2], "parameters": { "binary_data_size": 8 } },
        ] });
        let mut answer = serde_json::to_vec(&head).unwrap();
        answer.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        answer
    }

    #[test]
    fn the_expected_numbers_are_accepted_in_both_forms() {
        check(br#"{"outputs":[{"name":"y","shape":[2],"data":[0.250001,4]}]}"#, None);
        check(&binary_answer([0.25, 4.0]), None);
    }

    #[test]
    fn every_other_answer_is_refused() {
        check(br#"{"outputs":[{"name":"y","data":[0.2501,4]}]}"#, Some("output y has 0.2501 at 0"));
        check(br#"{"outputs":[{"name":"y","data":[0.25]}]}"#, Some("has 1 values"));
        check(br#"{"outputs":[{"name":"z","data":[0.25,4]}]}"#, Some("there is no output y"));
        check(br#"{"outputs":[]}"#, Some("there is no output y"));
        check(b"busy", Some("not JSON"));
        check(&binary_answer([0.25, f32::NAN]), Some("at 1"));
        let whole = binary_answer([0.25, 4.0]);
        check(&whole[..whole.len() - 1], Some("too short"));
    }

    #[test]
    fn binary_questions_carry_the_tensors_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        let question = sample().binary(folder.path().join("body")).unwrap();
        let bytes = fs::read(&question.body).unwrap();
        let (head, tensors) = split(&bytes).unwrap();
        assert_eq!(
            question.headers[1],
            format!("Inference-Header-Content-Length: {}", bytes.len() - tensors.len())
        );
        assert_eq!(head["inputs"][0]["parameters"]["binary_data_size"], 8);
        assert_eq!(head["inputs"][1]["parameters"]["binary_data_size"], 8);
        let mut expected = [0.5_f32.to_le_bytes(), (-1.0_f32).to_le_bytes()].concat();
        expected.extend(7_i64.to_le_bytes());
        assert_eq!(tensors, expected);
    }
}
