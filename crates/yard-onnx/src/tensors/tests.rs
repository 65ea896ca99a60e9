use yard_types::{DataType as ElementType, Dim, Tensor, TensorData};

use super::*;
use crate::{GraphBuilder, ReadLimits, attribute};

fn check(graph: GraphBuilder) -> Result<u64, OnnxError> {
    let bytes = graph.output("y", ElementType::Fp32, None).into_bytes();
    Model::decode(bytes.into(), &ReadLimits::default()).unwrap().check_weights()
}

fn raw(name: &str, data_type: DataType, dims: &[i64], data: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: data_type as i32,
        dims: dims.to_vec(),
        raw_data: data.to_vec().into(),
        ..TensorProto::default()
    }
}

#[test]
fn weights_that_are_there_are_counted() {
    let weights = Tensor::new(vec![2, 3], TensorData::Fp32(vec![0.0; 6])).unwrap();
    let names = Tensor::new(vec![2], TensorData::Bytes(vec!["a".into(), "b".into()])).unwrap();
    let graph = GraphBuilder::new(17).initializer("w", &weights).initializer("n", &names);
    assert_eq!(check(graph).unwrap(), 24 + 2);
    let packed = GraphBuilder::new(21).raw_initializer(raw("q", DataType::Uint4, &[3], &[1, 2]));
    assert_eq!(check(packed).unwrap(), 2, "two of four bits to a byte, the last one half used");
}

#[test]
fn ten_gigabytes_without_data_are_refused() {
    let graph = GraphBuilder::new(17).raw_initializer(raw("w", DataType::Float, &[50_000, 50_000], &[]));
    let error = check(graph).unwrap_err();
    assert!(matches!(error, OnnxError::TooLarge { declared: 10_000_000_000, .. }), "{error:?}");
}

#[test]
fn a_limit_counts_all_weights_together() {
    let weights = Tensor::new(vec![100], TensorData::Fp64(vec![0.0; 100])).unwrap();
    let bytes = GraphBuilder::new(17)
        .initializer("a", &weights)
        .initializer("b", &weights)
        .output("y", ElementType::Fp32, None)
        .into_bytes();
    let limits = ReadLimits { max_weight_bytes: 1599 };
    let model = Model::decode(bytes.clone().into(), &limits).unwrap();
    assert!(matches!(model.check_weights(), Err(OnnxError::TooLarge { declared: 1600, limit: 1599, .. })));
    let model = Model::decode(bytes.into(), &ReadLimits { max_weight_bytes: 1600 }).unwrap();
    assert_eq!(model.check_weights().unwrap(), 1600);
}

#[test]
fn shape_and_data_must_agree() {
    let cases = [
        raw("w", DataType::Float, &[2], &[0; 7]),
        raw("w", DataType::Float, &[2], &[0; 12]),
        raw("w", DataType::Float, &[2], &[]),
        raw("w", DataType::Float, &[-1], &[0; 4]),
        raw("w", DataType::Float, &[i64::MAX, 2], &[0; 4]),
        raw("w", DataType::Float, &[i64::MAX, 2, 0], &[]),
        raw("w", DataType::Undefined, &[1], &[0; 4]),
        TensorProto { data_type: 99, ..raw("w", DataType::Float, &[1], &[0; 4]) },
        TensorProto { float_data: vec![0.0; 3], ..raw("w", DataType::Float, &[2], &[]) },
        TensorProto { int64_data: vec![0; 2], ..raw("w", DataType::Float, &[2], &[]) },
        TensorProto { int32_data: vec![0; 1], ..raw("w", DataType::Float16, &[2], &[]) },
    ];
    for tensor in cases {
        let shown = format!("{tensor:?}");
        let error = check(GraphBuilder::new(17).raw_initializer(tensor)).expect_err(&shown);
        assert!(matches!(error, OnnxError::Malformed(_)), "{shown}: {error:?}");
        assert!(error.to_string().contains("'w'"), "{error}");
    }
    let empty = raw("w", DataType::Float, &[0, 5], &[]);
    assert_eq!(check(GraphBuilder::new(17).raw_initializer(empty)).unwrap(), 0);
}

#[test]
fn constants_in_nodes_and_inner_graphs_count_as_well() {
    let lying = |graph: GraphBuilder| graph.raw_initializer(raw("w", DataType::Float, &[9], &[0; 4]));
    let inner = lying(GraphBuilder::new(17)).into_graph();
    let outer =
        GraphBuilder::new(17).node("If", &["c"], &["y"], vec![attribute::graph("then_branch", inner)]);
    assert!(check(outer).unwrap_err().to_string().contains("'w'"));
    let mut constant =
        attribute::tensor("value", &Tensor::new(vec![1], TensorData::Fp32(vec![0.0])).unwrap());
    constant.t.as_mut().unwrap().dims = vec![3];
    let error = check(GraphBuilder::new(17).node("Constant", &[], &["c"], vec![constant])).unwrap_err();
    assert!(error.to_string().contains("a constant of node 'Constant_0'"), "{error}");
}

#[test]
fn constants_that_are_only_a_shape_count_by_that_shape() {
    let shape = Tensor::new(vec![2], TensorData::Int64(vec![100_000, 100_000])).unwrap();
    let graph =
        GraphBuilder::new(17).initializer("s", &shape).node("ConstantOfShape", &["s"], &["y"], vec![]);
    let error = check(graph).unwrap_err();
    assert!(matches!(error, OnnxError::TooLarge { declared: 40_000_000_000, .. }), "{error:?}");
}

#[test]
fn bounds_of_slices_are_told_from_other_uses() {
    let graph = GraphBuilder::new(17)
        .input("x", ElementType::Fp32, &[Dim::Any][..])
        .node("Slice", &["x", "starts", "ends"], &["a"], vec![])
        .node("Slice", &["x", "starts", "both"], &["b"], vec![])
        .node("Reshape", &["x", "both"], &["y"], vec![])
        .output("y", ElementType::Fp32, None);
    let model = Model::decode(graph.into_bytes().into(), &ReadLimits::default()).unwrap();
    let mut bounds: Vec<String> = model.slice_bounds().into_iter().collect();
    bounds.sort();
    assert_eq!(bounds, ["ends", "starts"]);
}
