use super::*;
use crate::proto::TypeProto;
use crate::{GraphBuilder, ReadLimits, attribute};

fn maps() -> TypeProto {
    let map = type_proto::Map { key_type: 8, value_type: Some(Box::new(tensor_type(DataType::Fp32, None))) };
    let map = TypeProto { value: Some(type_proto::Value::MapType(Box::new(map))), denotation: String::new() };
    let sequence = type_proto::Sequence { elem_type: Some(Box::new(map)) };
    TypeProto { value: Some(type_proto::Value::SequenceType(Box::new(sequence))), denotation: String::new() }
}

fn classifier() -> GraphBuilder {
    let shape = [Dim::Symbol("rows".to_owned()), Dim::Fixed(4)];
    GraphBuilder::new(15)
        .import("ai.onnx.ml", 3)
        .input("x", DataType::Fp32, &shape[..])
        .node("Softmax", &["x"], &["scores"], vec![])
        .node_of(
            "ai.onnx.ml",
            "ZipMap",
            &["scores"],
            &["probability"],
            vec![attribute::strings("classlabels_strings", &["a", "b", "c", "d"])],
        )
        .output_of_type("probability", maps())
}

fn decode(bytes: Vec<u8>) -> Model {
    Model::decode(bytes.into(), &ReadLimits::default()).unwrap()
}

#[test]
fn a_zip_map_becomes_a_tensor_with_labels() {
    let model = decode(classifier().into_bytes());
    assert!(matches!(model.signature(), Err(OnnxError::Unsupported(_))));
    let model = model.without_zip_maps().unwrap().unwrap();
    let signature = model.signature().unwrap();
    let output = &signature.outputs[0];
    assert_eq!(output.name, "probability");
    assert_eq!(output.data_type, DataType::Fp32);
    assert_eq!(output.shape, Some(vec![Dim::Symbol("rows".to_owned()), Dim::Fixed(4)]));
    assert_eq!(output.labels.as_ref().unwrap(), &["a", "b", "c", "d"]);
    assert!(model.operators().iter().all(|operator| operator.operator != "ZipMap"));
    assert!(model.without_zip_maps().unwrap().is_none(), "there is nothing left to replace");
}

#[test]
fn fields_that_this_crate_does_not_know_survive() {
    let mut bytes = classifier().into_bytes();
    // Field 1000, a string, at the end of the model.
    let unknown = [0xc2, 0x3e, 3, b'x', b'y', b'z'];
    bytes.extend(unknown);
    let rewritten = decode(bytes).without_zip_maps().unwrap().unwrap();
    let kept = rewritten.bytes().windows(unknown.len()).any(|window| window == unknown);
    assert!(kept, "the unknown field is gone");
}

#[test]
fn models_without_zip_maps_are_left_alone() {
    let shape = [Dim::Any, Dim::Fixed(4)];
    let model = GraphBuilder::new(15)
        .input("x", DataType::Fp32, &shape[..])
        .node("Relu", &["x"], &["y"], vec![])
        .output("y", DataType::Fp32, &shape[..]);
    assert!(decode(model.into_bytes()).without_zip_maps().unwrap().is_none());
}

#[test]
fn maps_that_are_used_further_are_refused() {
    let model = classifier().node("Identity", &["probability"], &["copy"], vec![]);
    let error = decode(model.into_bytes()).without_zip_maps().unwrap_err();
    assert!(error.to_string().contains("uses further"), "{error}");
}
