use super::*;
use crate::{GraphBuilder, ReadLimits};

fn model(graph: GraphBuilder) -> Model {
    Model::decode(graph.into_bytes().into(), &ReadLimits::default()).unwrap()
}

fn symbol(name: &str) -> Dim {
    Dim::Symbol(name.to_owned())
}

#[test]
fn names_types_and_shapes_are_read() {
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Fp16, &[symbol("rows"), Dim::Fixed(3), Dim::Any][..])
        .input("scale", DataType::Int64, &[][..])
        .output("y", DataType::Bytes, None);
    let signature = model(graph).signature().unwrap();
    assert_eq!(signature.inputs[0].shape, Some(vec![symbol("rows"), Dim::Fixed(3), Dim::Any]));
    assert_eq!(signature.inputs[0].data_type, DataType::Fp16);
    assert_eq!(signature.inputs[1].shape, Some(vec![]), "a scalar has a shape without dimensions");
    assert_eq!((signature.outputs[0].data_type, &signature.outputs[0].shape), (DataType::Bytes, &None));
}

#[test]
fn every_element_type_has_one_number() {
    for data_type in DataType::ALL {
        assert_eq!(super::data_type(type_number(data_type)), Some(data_type));
    }
}

#[test]
fn initializers_among_the_inputs_are_no_inputs() {
    let weights = yard_types::Tensor::new(vec![1], yard_types::TensorData::Fp32(vec![1.0])).unwrap();
    let graph = GraphBuilder::new(9)
        .input("x", DataType::Fp32, &[Dim::Any][..])
        .input("w", DataType::Fp32, &[Dim::Fixed(1)][..])
        .initializer("w", &weights)
        .output("y", DataType::Fp32, None);
    let signature = model(graph).signature().unwrap();
    let names: Vec<&str> = signature.inputs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["x"]);
}

#[test]
fn names_that_exporters_write_for_no_name_are_no_symbols() {
    for name in ["?", "-1", "None", ""] {
        let graph = GraphBuilder::new(17).input("x", DataType::Fp32, &[symbol(name)][..]).output(
            "y",
            DataType::Fp32,
            None,
        );
        let signature = model(graph).signature().unwrap();
        assert_eq!(signature.inputs[0].shape, Some(vec![Dim::Any]), "{name:?}");
    }
}

#[test]
fn names_used_twice_and_names_with_a_nul_are_refused() {
    let twice = GraphBuilder::new(17)
        .input("x", DataType::Fp32, None)
        .input("x", DataType::Fp32, None)
        .output("y", DataType::Fp32, None);
    let error = model(twice).signature().unwrap_err().to_string();
    assert_eq!(error, "the name 'x' is used twice");
    let nul = GraphBuilder::new(17).output("y\0", DataType::Fp32, None);
    assert!(matches!(model(nul).signature(), Err(OnnxError::Malformed(_))));
}

#[test]
fn outputs_that_are_no_tensors_are_refused_by_name() {
    let element = || Some(Box::new(tensor_type(DataType::Fp32, None)));
    let kinds = [
        (
            type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type: element() })),
            "sequence",
        ),
        (
            type_proto::Value::OptionalType(Box::new(type_proto::Optional { elem_type: element() })),
            "optional",
        ),
        (type_proto::Value::MapType(Box::new(type_proto::Map { key_type: 8, value_type: element() })), "map"),
        (type_proto::Value::TensorType(type_proto::Tensor { elem_type: 17, shape: None }), "FLOAT8E4M3FN"),
    ];
    for (value, word) in kinds {
        let kind = TypeProto { value: Some(value), denotation: String::new() };
        let error = model(GraphBuilder::new(17).output_of_type("y", kind)).signature().unwrap_err();
        assert!(matches!(error, OnnxError::Unsupported(_)), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("output 'y'") && message.contains(word), "{message}");
    }
}
