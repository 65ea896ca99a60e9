//! Messages that we write are read by the server's own reader, and the other way round.

use std::borrow::Cow;

use bytes::Bytes;
use yard_api::{
    grpc::{decode_request, encode_response},
    v2::{InferOutput, InferResponse},
};
use yard_types::TensorData;

use super::*;

fn samples() -> Vec<NamedTensor> {
    let tensors = [
        TensorData::Fp32(vec![0.1, f32::NEG_INFINITY]),
        TensorData::Int64(vec![i64::MIN, i64::MAX]),
        TensorData::Bytes(vec![Bytes::new(), Bytes::from_static(b"\xff\0")]),
        TensorData::Bool(vec![true, false]),
    ];
    let named = tensors.into_iter().enumerate().map(|(place, data)| NamedTensor {
        name: format!("t{place}"),
        tensor: Tensor::new(vec![2, 1], data).unwrap(),
    });
    named.collect()
}

#[test]
fn requests_arrive() {
    let model: ModelName = "m".parse().unwrap();
    let message = write(&model, &Selector::parse("canary").unwrap(), &samples()).unwrap();
    assert_eq!((message.model_name.as_str(), message.model_version.as_str()), ("m", "canary"));
    let read = decode_request(message).unwrap();
    let inputs: Vec<NamedTensor> = read
        .inputs
        .into_iter()
        .map(|input| NamedTensor { name: input.name.into_owned(), tensor: input.tensor })
        .collect();
    assert_eq!(inputs, samples());
    assert_eq!(write(&model, &Selector::Production, &[]).unwrap().model_version, "");
}

#[test]
fn answers_come_back() {
    let samples = samples();
    let written = encode_response(&InferResponse {
        model_name: "m",
        model_version: "3",
        id: None,
        parameters: vec![],
        outputs: samples
            .iter()
            .map(|output| InferOutput {
                name: &output.name,
                tensor: Cow::Borrowed(&output.tensor),
                binary: true,
            })
            .collect(),
    });
    let answer = read(written.unwrap()).unwrap();
    assert_eq!((answer.model.as_str(), answer.version.as_str(), answer.outputs), ("m", "3", samples));
}

#[test]
fn answers_that_contradict_themselves_are_odd() {
    let written = |change: fn(&mut ModelInferResponse)| {
        let samples = samples();
        let outputs = samples.iter().map(|output| InferOutput {
            name: &output.name,
            tensor: Cow::Borrowed(&output.tensor),
            binary: true,
        });
        let response = InferResponse {
            model_name: "m",
            model_version: "3",
            id: None,
            parameters: vec![],
            outputs: outputs.collect(),
        };
        let mut message = encode_response(&response).unwrap();
        change(&mut message);
        read(message).unwrap_err()
    };
    assert!(written(|message| drop(message.raw_output_contents.pop())).contains("gives 3"));
    assert!(written(|message| message.outputs[0].shape = vec![-2, -1]).contains("negative"));
    assert!(written(|message| message.outputs[0].shape = vec![3, 1]).contains("asks for 3"));
    assert!(written(|message| message.outputs[0].datatype = "FP33".into()).contains("FP33"));
}
