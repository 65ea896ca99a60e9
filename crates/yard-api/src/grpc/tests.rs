use std::collections::HashMap;

use bytes::Bytes;
use yard_types::{Coded, DataType, Dim, ErrorCode, Signature, TensorData, TensorSpec};

use super::{
    decode_request, loaded_model,
    proto::{
        self, InferParameter, InferTensorContents, ModelInferRequest, ModelRepositoryParameter,
        infer_parameter::ParameterChoice,
        model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
        model_repository_parameter::ParameterChoice as RepositoryChoice,
    },
};
use crate::v2;

fn input(data_type: &str, shape: &[i64], contents: Option<InferTensorContents>) -> InferInputTensor {
    InferInputTensor {
        name: "x".into(),
        datatype: data_type.into(),
        shape: shape.to_vec(),
        parameters: HashMap::new(),
        contents,
    }
}

fn typed(data_type: &str, shape: &[i64], contents: InferTensorContents) -> Result<TensorData, String> {
    read(vec![input(data_type, shape, Some(contents))], vec![])
}

fn read(inputs: Vec<InferInputTensor>, raw: Vec<Bytes>) -> Result<TensorData, String> {
    let message = ModelInferRequest { inputs, raw_input_contents: raw, ..Default::default() };
    let mut request = decode_request(message).map_err(|error| error.to_string())?;
    Ok(request.inputs.remove(0).tensor.into_parts().1)
}

fn ints(values: &[i32]) -> InferTensorContents {
    InferTensorContents { int_contents: values.to_vec(), ..Default::default() }
}

#[test]
fn typed_contents_are_taken_from_the_field_of_their_type() {
    let uints = |values: &[u32]| InferTensorContents { uint_contents: values.to_vec(), ..Default::default() };
    let cases = [
        (
            "BOOL",
            InferTensorContents { bool_contents: vec![true, false], ..Default::default() },
            TensorData::Bool(vec![true, false]),
        ),
        ("INT8", ints(&[-128, 127]), TensorData::Int8(vec![-128, 127])),
        ("INT16", ints(&[-32768, 32767]), TensorData::Int16(vec![i16::MIN, i16::MAX])),
        ("INT32", ints(&[1, 2]), TensorData::Int32(vec![1, 2])),
        ("UINT8", uints(&[0, 255]), TensorData::Uint8(vec![0, 255])),
        ("UINT16", uints(&[0, 65535]), TensorData::Uint16(vec![0, 65535])),
        ("UINT32", uints(&[0, u32::MAX]), TensorData::Uint32(vec![0, u32::MAX])),
        (
            "INT64",
            InferTensorContents { int64_contents: vec![i64::MIN, 1], ..Default::default() },
            TensorData::Int64(vec![i64::MIN, 1]),
        ),
        (
            "UINT64",
            InferTensorContents { uint64_contents: vec![u64::MAX, 1], ..Default::default() },
            TensorData::Uint64(vec![u64::MAX, 1]),
        ),
        (
            "FP32",
            InferTensorContents { fp32_contents: vec![1.5, f32::INFINITY], ..Default::default() },
            TensorData::Fp32(vec![1.5, f32::INFINITY]),
        ),
        (
            "FP64",
            InferTensorContents { fp64_contents: vec![1.5, 2.0], ..Default::default() },
            TensorData::Fp64(vec![1.5, 2.0]),
        ),
        (
            "BYTES",
            InferTensorContents {
                bytes_contents: vec!["a".into(), Bytes::from_static(&[0xff])],
                ..Default::default()
            },
            TensorData::Bytes(vec!["a".into(), Bytes::from_static(&[0xff])]),
        ),
    ];
    for (data_type, contents, expected) in cases {
        assert_eq!(typed(data_type, &[2], contents), Ok(expected), "{data_type}");
    }
    assert_eq!(typed("FP32", &[0, 3], InferTensorContents::default()), Ok(TensorData::Fp32(vec![])));
}

#[test]
fn wrong_contents_are_refused() {
    let cases = [
        (
            typed("INT8", &[1], ints(&[128])),
            "element 0 of input 'x' is 128, which is outside the range of INT8",
        ),
        (
            typed("FP32", &[1], ints(&[1])),
            "the contents of input 'x' must be given as fp32_contents, the field for FP32",
        ),
        (
            typed("FP16", &[1], InferTensorContents::default()),
            "the contents of input 'x' must be given as raw_input_contents, the field for FP16",
        ),
        (
            typed("BF16", &[1], InferTensorContents { fp32_contents: vec![1.0], ..Default::default() }),
            "the contents of input 'x' must be given as raw_input_contents, the field for BF16",
        ),
        (typed("INT32", &[2], ints(&[1])), "input 'x' of shape [2] takes 2 elements, got 1"),
        (
            typed("INT32", &[-1], ints(&[1])),
            "the shape of input 'x' holds -1: each dimension is a whole number from 0 to 9223372036854775807",
        ),
        (
            typed("INT32", &[i64::MAX, 2], ints(&[1])),
            "the shape of input 'x' cannot be used: shape [9223372036854775807, 2] is too large",
        ),
        (typed("INT32", &[1; 33], ints(&[1])), "input 'x' is too much: a request has at most 32 dimensions"),
        (read(vec![input("INT32", &[1], None)], vec![]), "input 'x' has no member 'contents'"),
        (
            read(vec![input("INT8", &[1], Some(ints(&[1])))], vec![Bytes::from_static(&[1])]),
            "input 'x' has both 'data' and binary data: give one of them",
        ),
        (
            read(vec![input("INT8", &[1], None)], vec![Bytes::new(), Bytes::new()]),
            "the request has 1 inputs without contents, but 2 raw_input_contents",
        ),
        (
            read(vec![input("INT32", &[1], None)], vec![Bytes::from_static(&[1, 2])]),
            "input 'x' of shape [1] and type INT32 takes 4 bytes, got 2",
        ),
        (read(vec![], vec![]), "the request has no inputs"),
        (
            read(
                vec![input("INT8", &[1], None), input("INT8", &[1], None)],
                vec![Bytes::from_static(&[1]); 2],
            ),
            "input 'x' is given twice",
        ),
    ];
    for (got, message) in cases {
        assert_eq!(got, Err(message.to_owned()));
    }
    let both = InferTensorContents { int64_contents: vec![1], ..ints(&[1]) };
    assert!(typed("INT32", &[1], both).is_err());
}

fn parameter(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

#[test]
fn parameters_have_the_same_meaning_as_over_rest() {
    let message = |name: &str, choice| ModelInferRequest {
        id: "7".into(),
        model_name: "m".into(),
        inputs: vec![input("INT8", &[1], None)],
        raw_input_contents: vec![Bytes::from_static(&[1])],
        parameters: HashMap::from([(name.to_owned(), parameter(choice))]),
        ..Default::default()
    };
    let request = decode_request(message("timeout", ParameterChoice::Int64Param(2_000_000))).unwrap();
    assert_eq!(request.parameters.timeout, Some(std::time::Duration::from_secs(2)));
    assert_eq!((request.id.as_deref(), request.model_name.as_deref()), (Some("7"), Some("m")));
    let streamed = message("triton_enable_empty_final_response", ParameterChoice::BoolParam(true));
    assert!(decode_request(streamed).unwrap().parameters.enable_empty_final_response);
    let error = decode_request(message("sequence_id", ParameterChoice::Uint64Param(1))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    let error = decode_request(message("tiemout", ParameterChoice::Int64Param(1))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let mut empty = message("timeout", ParameterChoice::Int64Param(1));
    empty.parameters.insert("timeout".into(), InferParameter { parameter_choice: None });
    assert!(decode_request(empty).is_err());
}

#[test]
fn outputs_are_always_binary_and_may_be_classified() {
    let output = InferRequestedOutputTensor {
        name: "y".into(),
        parameters: HashMap::from([
            ("classification".to_owned(), parameter(ParameterChoice::Int64Param(3))),
            ("binary_data".to_owned(), parameter(ParameterChoice::BoolParam(false))),
        ]),
    };
    let message = ModelInferRequest {
        inputs: vec![input("INT8", &[1], None)],
        raw_input_contents: vec![Bytes::from_static(&[1])],
        outputs: vec![output],
        ..Default::default()
    };
    let request = decode_request(message).unwrap();
    assert_eq!(request.outputs[0].classification.map(std::num::NonZero::get), Some(3));
    let spec = TensorSpec { name: "y".into(), data_type: DataType::Fp16, shape: None, labels: None };
    let signature = Signature { inputs: vec![], outputs: vec![spec] };
    assert!(request.output_forms(&"m".parse().unwrap(), &signature).unwrap()[0].binary);
}

#[test]
fn loading_takes_the_model_where_either_client_puts_it_and_no_overrides() {
    let none = HashMap::new();
    assert_eq!(loaded_model("", "m", &none), Ok("m"));
    assert_eq!(loaded_model("m", "", &none), Ok("m"));
    assert_eq!(loaded_model("repository", "m", &none), Ok("m"));
    let value = |choice| ModelRepositoryParameter { parameter_choice: Some(choice) };
    let dependents =
        HashMap::from([("unload_dependents".to_owned(), value(RepositoryChoice::BoolParam(false)))]);
    assert_eq!(loaded_model("", "m", &dependents), Ok("m"));
    for (name, choice) in [
        ("config", RepositoryChoice::StringParam("{}".into())),
        ("file:1/model.onnx", RepositoryChoice::BytesParam(Bytes::new())),
    ] {
        let overrides = HashMap::from([(name.to_owned(), value(choice))]);
        assert_eq!(loaded_model("", "m", &overrides).unwrap_err().code(), ErrorCode::Unsupported);
    }
}

fn signature() -> Signature {
    let dims = vec![Dim::Symbol("batch".into()), Dim::Fixed(3)];
    let spec = |name: &str, data_type| TensorSpec {
        name: name.into(),
        data_type,
        shape: Some(dims.clone()),
        labels: None,
    };
    Signature { inputs: vec![spec("x", DataType::Bytes)], outputs: vec![spec("y", DataType::Bf16)] }
}

#[test]
fn descriptions_say_the_same_on_both_surfaces() {
    let metadata =
        v2::ModelMetadata::new("m", vec!["1".into(), "2".into()], "onnxruntime_onnx", &signature());
    let json = serde_json::to_string(&metadata).unwrap();
    assert_eq!(
        json,
        r#"{"name":"m","versions":["1","2"],"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"BYTES","shape":[-1,3]}],"outputs":[{"name":"y","datatype":"BF16","shape":[-1,3]}]}"#
    );
    let message = proto::ModelMetadataResponse::from(metadata);
    assert_eq!((message.inputs[0].datatype.as_str(), &*message.outputs[0].shape), ("BYTES", &[-1, 3][..]));

    let settings = v2::ModelSettings {
        name: "m",
        platform: "onnxruntime_onnx",
        backend: "onnxruntime",
        file_name: "model.onnx",
        versions: &[2],
        max_batch_size: Some(64),
        max_queue_delay: std::time::Duration::from_millis(1),
    };
    let config = v2::ModelConfig::new(settings, &signature());
    let json: serde_json::Value = serde_json::to_value(&config).unwrap();
    assert_eq!(json["input"][0]["data_type"], "TYPE_STRING");
    assert_eq!(json["output"][0]["dims"], serde_json::json!([3]));
    assert_eq!(json["version_policy"]["specific"]["versions"], serde_json::json!([2]));
    assert_eq!(json["dynamic_batching"]["max_queue_delay_microseconds"], 1000);
    let message = proto::ModelConfigResponse::from(config).config.unwrap();
    assert_eq!(message.input[0].data_type(), proto::DataType::TypeString);
    assert_eq!(message.output[0].data_type(), proto::DataType::TypeBf16);
    assert_eq!((message.max_batch_size, &*message.input[0].dims), (64, &[3][..]));
    let single = v2::ModelConfig::new(v2::ModelSettings { max_batch_size: None, ..settings }, &signature());
    assert_eq!((single.max_batch_size, &*single.input[0].dims), (0, &[-1, 3][..]));
    assert!(single.dynamic_batching.is_none());
}

#[test]
fn every_data_type_has_a_number_in_the_configuration() {
    for data_type in DataType::ALL {
        let mut signature = signature();
        signature.inputs[0].data_type = data_type;
        let settings = v2::ModelSettings {
            name: "m",
            platform: "",
            backend: "",
            file_name: "",
            versions: &[],
            max_batch_size: None,
            max_queue_delay: std::time::Duration::ZERO,
        };
        let message =
            proto::ModelConfigResponse::from(v2::ModelConfig::new(settings, &signature)).config.unwrap();
        assert_ne!(message.input[0].data_type(), proto::DataType::TypeInvalid, "{data_type}");
    }
}

#[test]
fn statistics_keep_their_places() {
    let duration = |count| v2::StatisticDuration { count, ns: 10 * count };
    let statistics = v2::ModelStatistics {
        name: "m".into(),
        version: "1".into(),
        last_inference: 5,
        inference_count: 8,
        execution_count: 2,
        inference_stats: v2::InferenceStatistics {
            success: duration(1),
            queue: duration(3),
            ..Default::default()
        },
        batch_stats: vec![v2::BatchStatistics {
            batch_size: 4,
            compute_infer: duration(2),
            ..Default::default()
        }],
        memory_usage: vec![v2::MemoryUsage { kind: "CPU".into(), id: 0, byte_size: 9 }],
        ..Default::default()
    };
    let all = v2::AllStatistics { model_stats: vec![statistics] };
    let json = serde_json::to_value(&all).unwrap();
    assert_eq!(json["model_stats"][0]["memory_usage"][0]["type"], "CPU");
    assert_eq!(json["model_stats"][0]["inference_stats"]["queue"], serde_json::json!({"count": 3, "ns": 30}));
    let message = proto::ModelStatisticsResponse::from(all).model_stats.remove(0);
    let stages = message.inference_stats.unwrap();
    assert_eq!((stages.success.unwrap().count, stages.queue.unwrap().ns), (1, 30));
    assert_eq!(message.batch_stats[0].compute_infer.unwrap().count, 2);
    assert_eq!((message.inference_count, message.execution_count), (8, 2));
}

#[test]
fn index_entries_have_the_states_that_clients_know() {
    let entry = v2::RepositoryEntry {
        name: "m".into(),
        version: "1".into(),
        state: v2::ModelState::Ready,
        reason: String::new(),
    };
    let json = serde_json::to_string(&[&entry]).unwrap();
    assert_eq!(json, r#"[{"name":"m","version":"1","state":"READY","reason":""}]"#);
    let message = proto::RepositoryIndexResponse::from(vec![entry]);
    assert_eq!(message.models[0].state, "READY");
}
