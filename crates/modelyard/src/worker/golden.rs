//! Golden samples: `golden.json` in a package.
//!
//! ```json
//! {
//!   "tolerance": {"absolute": 1e-5, "relative": 1e-5},
//!   "samples": [{"inputs": [TENSOR, ...], "outputs": [TENSOR, ...]}]
//! }
//! ```
//!
//! A `TENSOR` is written as in a request of the Open Inference Protocol: `name`, `datatype`, `shape`, `data`.

use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use yard_api::v2::InferRequest;
use yard_engine::{GoldenSample, Tolerance};
use yard_types::NamedTensor;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 64 << 20;
/// Most samples.
const MAX_SAMPLES: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenFile<'a> {
    #[serde(default)]
    tolerance: WrittenTolerance,
    #[serde(borrow)]
    samples: Vec<WrittenSample<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenTolerance {
    absolute: f64,
    relative: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSample<'a> {
    #[serde(borrow)]
    inputs: &'a RawValue,
    #[serde(borrow)]
    outputs: &'a RawValue,
}

impl Default for WrittenTolerance {
    fn default() -> Self {
        let Tolerance { absolute, relative } = Tolerance::default();
        Self { absolute, relative }
    }
}

/// Reads the samples; the error is for the one who pushed them.
pub(super) fn read(package: &Path, file: &str) -> Result<Vec<GoldenSample>, String> {
    let path = package.join(file);
    let size = fs_err::metadata(&path).map_err(|_| "cannot be read".to_owned())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, more than the {MAX_BYTES} allowed"));
    }
    let text = fs_err::read_to_string(&path).map_err(|_| "is not UTF-8 text".to_owned())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<GoldenSample>, String> {
    let file: GoldenFile<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.samples.is_empty() || file.samples.len() > MAX_SAMPLES {
        return Err(format!("it has {} samples; 1 to {MAX_SAMPLES} are taken", file.samples.len()));
    }
    let WrittenTolerance { absolute, relative } = file.tolerance;
    if !(absolute >= 0.0 && relative >= 0.0) {
        return Err("a tolerance is a number from 0".to_owned());
    }
    let tolerance = Tolerance { absolute, relative };
    let read = |(index, sample): (usize, &WrittenSample<'_>)| {
        let within = |what: &str, error: String| format!("{what} of sample {index}: {error}");
        Ok(GoldenSample {
            inputs: tensors(sample.inputs).map_err(|error| within("inputs", error))?,
            outputs: tensors(sample.outputs).map_err(|error| within("outputs", error))?,
            tolerance,
        })
    };
    file.samples.iter().enumerate().map(read).collect()
}

/// Reads a list of tensors with the reader that requests pass through.
fn tensors(list: &RawValue) -> Result<Vec<NamedTensor>, String> {
    let body = Bytes::from(format!("{{\"inputs\":{list}}}"));
    let request = InferRequest::from_json(&body).map_err(|error| error.to_string())?;
    let owned = |NamedTensor { name, tensor }| NamedTensor { name: String::from(name), tensor };
    Ok(request.inputs.into_iter().map(owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENSOR: &str = r#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2.5]}"#;

    #[test]
    fn samples_are_read_with_their_tolerance() {
        let text = format!(
            r#"{{"tolerance":{{"absolute":0.5}},"samples":[{{"inputs":[{TENSOR}],"outputs":[{TENSOR}]}}]}}"#
        );
        let samples = parse(&text).unwrap();
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].tolerance, Tolerance { absolute: 0.5, relative: 1e-5 });
        assert_eq!(samples[0].inputs[0].name, "x");
        assert_eq!(samples[0].outputs[0].tensor.shape(), [1, 2]);
    }

    #[test]
    fn mistakes_are_told() {
        let cases = [
            ("", "EOF"),
            (r#"{"samples":[]}"#, "0 samples"),
            (r#"{"samples":[{"inputs":[]}]}"#, "missing field `outputs`"),
            (r#"{"sample":[]}"#, "unknown field `sample`"),
            (r#"{"tolerance":{"absolute":-1},"samples":[{"inputs":[],"outputs":[]}]}"#, "a number from 0"),
            (r#"{"samples":[{"inputs":[{"name":"x"}],"outputs":[]}]}"#, "inputs of sample 0"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
