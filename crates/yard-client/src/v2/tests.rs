//! Written requests are read by the server's own reader, and its written answers by ours.

use std::borrow::Cow;

use half::{bf16, f16};
use proptest::prelude::*;
use yard_api::v2::{InferOutput, InferRequest, InferResponse};
use yard_types::{Tensor, TensorData};

use super::*;

fn sample(data_type: DataType) -> TensorData {
    match data_type {
        DataType::Bool => TensorData::Bool(vec![true, false]),
        DataType::Uint8 => TensorData::Uint8(vec![0, u8::MAX]),
        DataType::Uint16 => TensorData::Uint16(vec![0, u16::MAX]),
        DataType::Uint32 => TensorData::Uint32(vec![0, u32::MAX]),
        DataType::Uint64 => TensorData::Uint64(vec![0, u64::MAX]),
        DataType::Int8 => TensorData::Int8(vec![i8::MIN, i8::MAX]),
        DataType::Int16 => TensorData::Int16(vec![i16::MIN, i16::MAX]),
        DataType::Int32 => TensorData::Int32(vec![i32::MIN, i32::MAX]),
        DataType::Int64 => TensorData::Int64(vec![i64::MIN, i64::MAX]),
        DataType::Fp16 => TensorData::Fp16(vec![f16::from_f32(-0.5), f16::INFINITY]),
        DataType::Bf16 => TensorData::Bf16(vec![bf16::from_f32(-0.5), bf16::MAX]),
        DataType::Fp32 => TensorData::Fp32(vec![0.1, f32::MIN_POSITIVE]),
        DataType::Fp64 => TensorData::Fp64(vec![0.1, f64::MAX]),
        DataType::Bytes => {
            TensorData::Bytes(vec![Bytes::from_static(b""), Bytes::from_static("näh".as_bytes())])
        }
    }
}

fn named(data: TensorData) -> NamedTensor {
    NamedTensor { name: "x".into(), tensor: Tensor::new(vec![1, data.len()], data).unwrap() }
}

#[track_caller]
fn arrives(inputs: &[NamedTensor], form: TensorForm) {
    let written = request::write(inputs, form).unwrap();
    let body = Bytes::from(written.body);
    let read = match written.header_length {
        Some(length) => InferRequest::from_binary(&body, length),
        None => InferRequest::from_json(&body),
    };
    let read = read.unwrap();
    assert_eq!(read.inputs.len(), inputs.len());
    for (read, sent) in read.inputs.iter().zip(inputs) {
        assert_eq!((&*read.name, &read.tensor), (&*sent.name, &sent.tensor));
    }
    assert_eq!(read.parameters.binary_data_output, form == TensorForm::Binary);
}

#[track_caller]
fn comes_back(outputs: &[NamedTensor], binary: bool) {
    let written = InferResponse {
        model_name: "m",
        model_version: "3",
        id: None,
        parameters: vec![],
        outputs: outputs
            .iter()
            .map(|output| InferOutput { name: &output.name, tensor: Cow::Borrowed(&output.tensor), binary })
            .collect(),
    };
    let written = written.write().unwrap();
    let answer = answer::read(&written.bytes.into(), written.header_length).unwrap();
    assert_eq!((answer.model.as_str(), answer.version.as_str()), ("m", "3"));
    assert_eq!(answer.outputs, outputs);
}

#[test]
fn every_data_type_arrives_and_comes_back_as_binary_data() {
    for data_type in DataType::ALL {
        arrives(
            &[named(sample(data_type)), NamedTensor { name: "y".into(), ..named(sample(DataType::Bytes)) }],
            TensorForm::Binary,
        );
        comes_back(&[named(sample(data_type))], true);
    }
}

#[test]
fn every_data_type_that_json_can_carry_arrives_and_comes_back_as_json() {
    for data_type in DataType::ALL {
        if matches!(data_type, DataType::Fp16 | DataType::Bf16) {
            let error = request::write(&[named(sample(data_type))], TensorForm::Json).unwrap_err();
            assert!(error.to_string().contains("send it as binary data"), "{error}");
            continue;
        }
        arrives(&[named(sample(data_type))], TensorForm::Json);
        comes_back(&[named(sample(data_type))], false);
    }
}

#[test]
fn what_json_cannot_carry_is_refused_before_it_is_sent() {
    for data in [
        TensorData::Fp32(vec![f32::NAN]),
        TensorData::Fp64(vec![f64::INFINITY]),
        TensorData::Bytes(vec![Bytes::from_static(b"\xff")]),
    ] {
        assert!(request::write(&[named(data)], TensorForm::Json).is_err());
    }
}

#[track_caller]
fn odd(body: &'static str, header_length: Option<usize>, part_of_message: &str) {
    let message = answer::read(&Bytes::from_static(body.as_bytes()), header_length).unwrap_err();
    assert!(message.contains(part_of_message), "{message}");
}

#[test]
fn answers_that_contradict_themselves_are_odd() {
    let output = r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1]}]}"#;
    odd(output, None, "asks for 2 elements");
    odd(output, Some(1000), "1000 bytes are JSON");
    odd("[]", None, "not the JSON");
    odd(r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP99","shape":[]}]}"#, None, "FP99");
    odd(r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[]}]}"#, None, "neither");
    let short = r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}xx"#;
    odd(short, Some(short.len() - 2), "shorter than it says");
    let long = r#"{"model_name":"m","outputs":[]}xx"#;
    odd(long, Some(long.len() - 2), "2 bytes follow");
    let torn = r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":2}}]}xx"#;
    odd(torn, Some(torn.len() - 2), "middle of an element");
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_an_error(body: Vec<u8>, header_length: Option<usize>) {
        drop(answer::read(&body.into(), header_length));
    }

    #[test]
    fn any_strings_arrive(texts: Vec<Vec<u8>>) {
        prop_assume!(!texts.is_empty());
        let data = TensorData::Bytes(texts.into_iter().map(Bytes::from).collect());
        arrives(&[named(data)], TensorForm::Binary);
    }
}
