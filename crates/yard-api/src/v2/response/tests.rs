use std::num::NonZeroUsize;

use bytes::Bytes;
use half::f16;
use yard_types::{Dim, ModelName, TensorSpec};

use super::*;
use crate::{RequestError, v2::InferRequest};

fn spec(name: &str, data_type: DataType) -> TensorSpec {
    let labels = (name == "y").then(|| vec!["cat".to_owned(), "dog".to_owned()]);
    TensorSpec { name: name.into(), data_type, shape: Some(vec![Dim::Any, Dim::Fixed(2)]), labels }
}

fn signature() -> Signature {
    Signature {
        inputs: vec![spec("x", DataType::Fp32)],
        outputs: vec![spec("y", DataType::Fp32), spec("h", DataType::Fp16), spec("s", DataType::Bytes)],
    }
}

fn tensors() -> Vec<Tensor> {
    let halves = TensorData::Fp16(vec![f16::ONE, f16::from_f32(0.5)]);
    let strings = TensorData::Bytes(vec!["a\"".into(), "".into()]);
    [TensorData::Fp32(vec![0.25, -3.0]), halves, strings]
        .map(|data| Tensor::new(vec![1, 2], data).unwrap())
        .to_vec()
}

/// The answer to a request with these `outputs` and `parameters`.
fn answer(rest: &str) -> Result<(String, Vec<u8>), String> {
    let body = Bytes::from(format!(
        r#"{{"id":"7","inputs":[{{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}}]{rest}}}"#
    ));
    let request = InferRequest::from_json(&body).unwrap();
    let model: ModelName = "m".parse().unwrap();
    let (signature, tensors) = (signature(), tensors());
    let forms = request.output_forms(&model, &signature).map_err(|error: RequestError| error.to_string())?;
    let outputs = InferOutput::select(&signature, &tensors, &forms).map_err(|error| error.to_string())?;
    let response = InferResponse {
        model_name: "m",
        model_version: "3",
        id: request.id.as_deref(),
        parameters: Vec::new(),
        outputs,
    };
    let written = response.write().map_err(|error| error.to_string())?;
    let header_length = written.header_length.unwrap_or(written.bytes.len());
    let (header, raw) = written.bytes.split_at(header_length);
    Ok((String::from_utf8(header.to_vec()).unwrap(), raw.to_vec()))
}

#[test]
fn outputs_come_as_asked_and_in_the_order_asked() {
    let (header, raw) =
        answer(r#","outputs":[{"name":"s"},{"name":"h","parameters":{"binary_data":true}},{"name":"y"}]"#)
            .unwrap();
    assert_eq!(
        header,
        r#"{"model_name":"m","model_version":"3","id":"7","outputs":[{"name":"s","datatype":"BYTES","shape":[1,2],"data":["a\"",""]},{"name":"h","datatype":"FP16","shape":[1,2],"parameters":{"binary_data_size":4}},{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.25,-3.0]}]}"#
    );
    assert_eq!(raw, [0x00, 0x3c, 0x00, 0x38]);
}

#[test]
fn an_output_may_differ_from_the_request() {
    let (header, raw) = answer(
        r#","parameters":{"binary_data_output":true},"outputs":[{"name":"y"},{"name":"s","parameters":{"binary_data":false}}]"#,
    )
    .unwrap();
    assert!(header.contains(r#""data":["a\"",""]"#), "{header}");
    assert_eq!(raw, [0.25_f32.to_le_bytes(), (-3.0_f32).to_le_bytes()].concat());
    let (_, raw) = answer(r#","parameters":{"binary_data_output":true}"#).unwrap();
    assert_eq!(raw.len(), 8 + 4 + 10);
}

#[test]
fn classes_are_ranked_and_labelled() {
    let (header, _) =
        answer(r#","outputs":[{"name":"y","parameters":{"classification":1}},{"name":"h","parameters":{"classification":5}}]"#)
            .unwrap();
    assert!(
        header.contains(r#"{"name":"y","datatype":"BYTES","shape":[1,1],"data":["0.25:0:cat"]}"#),
        "{header}"
    );
    assert!(
        header.contains(r#"{"name":"h","datatype":"BYTES","shape":[1,2],"data":["1:0","0.5:1"]}"#),
        "{header}"
    );
}

#[test]
fn wishes_that_cannot_be_met_are_refused_before_the_model_runs() {
    let cases = [
        (r#","outputs":[{"name":"z"}]"#, "unexpected inference output 'z' for model 'm'"),
        ("", "output 'h' is FP16, which JSON cannot carry: ask for it with \"binary_data\": true"),
        (
            r#","outputs":[{"name":"s","parameters":{"classification":1}}]"#,
            "output 's' is BYTES: classification needs numbers",
        ),
    ];
    for (rest, message) in cases {
        assert_eq!(answer(rest), Err(message.to_owned()), "{rest}");
    }
}

fn write(tensor: Tensor, binary: bool) -> Result<ResponseBody, ResponseError> {
    let outputs = vec![InferOutput { name: "y", tensor: Cow::Owned(tensor), binary }];
    InferResponse { model_name: "m", model_version: "1", id: None, parameters: Vec::new(), outputs }.write()
}

#[test]
fn what_json_cannot_carry_goes_as_binary_data() {
    let cases = [
        (TensorData::Fp32(vec![1.0, f32::INFINITY]), "element 1 of output 'y' is NaN or infinite"),
        (TensorData::Fp64(vec![f64::NAN, 1.0]), "element 0 of output 'y' is NaN or infinite"),
        (
            TensorData::Bytes(vec!["a".into(), Bytes::from_static(&[0xff])]),
            "element 1 of output 'y' is not UTF-8",
        ),
        (TensorData::Fp16(vec![f16::ONE; 2]), "output 'y' is FP16"),
    ];
    for (data, message) in cases {
        let tensor = Tensor::new(vec![2], data).unwrap();
        let error = write(tensor.clone(), false).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(write(tensor, true).unwrap().header_length.is_some());
    }
}

#[test]
fn parameters_and_odd_names_are_written_as_json() {
    let response = InferResponse {
        model_name: "m",
        model_version: "1",
        id: Some("quote \" and \u{7}"),
        parameters: vec![
            ("flag", ParameterValue::Bool(true)),
            ("count", ParameterValue::Integer(i128::from(u64::MAX))),
            ("ratio", ParameterValue::Float(0.5)),
            ("text", ParameterValue::Text("t\n".into())),
        ],
        outputs: Vec::new(),
    };
    let written = response.write().unwrap().bytes;
    assert_eq!(
        std::str::from_utf8(&written).unwrap(),
        r#"{"model_name":"m","model_version":"1","id":"quote \" and \u0007","parameters":{"flag":true,"count":18446744073709551615,"ratio":0.5,"text":"t\n"},"outputs":[]}"#
    );
}

#[test]
fn a_model_that_gives_too_little_is_a_fault_of_ours() {
    let form = OutputForm { index: 2, binary: false, classification: NonZeroUsize::new(1) };
    let error = InferOutput::select(&signature(), &tensors()[..1], &[form]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
}
