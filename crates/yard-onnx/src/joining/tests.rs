use yard_types::{DataType, Dim, Tensor, TensorData};

use crate::{GraphBuilder, Model, ReadLimits, attribute as a};

fn rows(inner: &[usize]) -> Vec<Dim> {
    let inner = inner.iter().map(|size| Dim::Fixed(*size));
    std::iter::once(Dim::Symbol("rows".to_owned())).chain(inner).collect()
}

fn floats(shape: &[usize]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(vec![1.0; shape.iter().product()])).unwrap()
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::new(vec![values.len()], TensorData::Int64(values.to_vec())).unwrap()
}

/// A graph from `x` of the given shape per row; nodes are added by the caller, the output is `y`.
fn from_x(inner: &[usize]) -> GraphBuilder {
    GraphBuilder::new(17).import("ai.onnx.ml", 3).input("x", DataType::Fp32, &rows(inner)[..])
}

/// `None` where rows may be joined, else the reason.
fn verdict(graph: GraphBuilder) -> Option<String> {
    let bytes = graph.output("y", DataType::Fp32, None).into_bytes();
    let model = Model::decode(bytes.into(), &ReadLimits::default()).unwrap();
    model.check_rows_independent().err().map(|mixed| mixed.to_string())
}

#[track_caller]
fn apart(graph: GraphBuilder) {
    assert_eq!(verdict(graph), None);
}

#[track_caller]
fn mixed(graph: GraphBuilder, reason: &str) {
    let verdict = verdict(graph).expect("rows were taken to be independent");
    assert!(verdict.contains(reason), "{verdict}");
}

#[test]
fn a_perceptron_keeps_rows_apart() {
    apart(
        from_x(&[4])
            .initializer("w", &floats(&[4, 3]))
            .initializer("b", &floats(&[3]))
            .node("MatMul", &["x", "w"], &["a"], vec![])
            .node("Add", &["a", "b"], &["c"], vec![])
            .node("Relu", &["c"], &["d"], vec![])
            .node("Softmax", &["d"], &["y"], vec![a::int("axis", -1)]),
    );
}

#[test]
fn convolutions_and_pooling_keep_rows_apart() {
    apart(
        from_x(&[3, 8, 8])
            .initializer("w", &floats(&[5, 3, 3, 3]))
            .node("Conv", &["x", "w"], &["a"], vec![])
            .node("GlobalAveragePool", &["a"], &["b"], vec![])
            .node("Flatten", &["b"], &["y"], vec![]),
    );
}

#[test]
fn working_along_the_rows_is_found() {
    for (operator, attributes) in [
        ("Softmax", vec![a::int("axis", 0)]),
        ("Softmax", vec![a::int("axis", -2)]),
        ("ReduceSum", vec![]),
        ("ReduceMean", vec![a::ints("axes", &[0])]),
        ("ReduceMax", vec![a::ints("axes", &[-2])]),
        ("ArgMax", vec![]),
        ("Split", vec![]),
        ("LpNormalization", vec![a::int("axis", 0)]),
    ] {
        mixed(from_x(&[4]).node(operator, &["x"], &["y"], attributes), operator);
    }
}

#[test]
fn working_along_another_axis_is_no_harm() {
    for (operator, attributes) in [
        ("Softmax", vec![a::int("axis", 1)]),
        ("ReduceMean", vec![a::ints("axes", &[1])]),
        ("ReduceMax", vec![a::ints("axes", &[-1]), a::int("keepdims", 0)]),
        ("ArgMax", vec![a::int("axis", 1)]),
        ("Flatten", vec![]),
    ] {
        apart(from_x(&[4]).node(operator, &["x"], &["y"], attributes));
    }
}

#[test]
fn scaling_over_the_whole_tensor_is_found() {
    let graph = from_x(&[4]).node("DynamicQuantizeLinear", &["x"], &["y", "scale", "zero"], vec![]);
    mixed(graph, "scales over the whole tensor");
}

#[test]
fn fixed_scales_are_no_harm() {
    let zero = Tensor::new(vec![], TensorData::Uint8(vec![0])).unwrap();
    apart(
        from_x(&[4])
            .initializer("s", &floats(&[]))
            .initializer("z", &zero)
            .node("QuantizeLinear", &["x", "s", "z"], &["q"], vec![])
            .node("DequantizeLinear", &["q", "s", "z"], &["y"], vec![]),
    );
    let by_row = from_x(&[4]).initializer("s", &floats(&[3])).node(
        "QuantizeLinear",
        &["x", "s"],
        &["y"],
        vec![a::int("axis", 0)],
    );
    mixed(by_row, "scale for each row");
}

#[test]
fn subtracting_the_mean_over_the_rows_is_found() {
    let graph = from_x(&[4]).node("ReduceMean", &["x"], &["m"], vec![a::ints("axes", &[0])]).node(
        "Sub",
        &["x", "m"],
        &["y"],
        vec![],
    );
    mixed(graph, "reduces over the axis of the rows");
}

#[test]
fn reshapes_must_keep_rows_whole() {
    let reshape = |inner: &[usize], shape: &[i64]| {
        from_x(inner).initializer("shape", &ints(shape)).node("Reshape", &["x", "shape"], &["y"], vec![])
    };
    apart(reshape(&[4], &[0, 2, 2]));
    apart(reshape(&[4], &[-1, 2, 2]));
    apart(reshape(&[2, 2], &[-1, 4]));
    apart(reshape(&[2, 2], &[0, -1]));
    mixed(reshape(&[4], &[-1, 2]), "row to row");
    mixed(reshape(&[4], &[2, -1]), "row to row");
    mixed(reshape(&[4], &[1, 4]), "row to row");
    mixed(reshape(&[4], &[-1]), "row to row");
}

#[test]
fn shapes_computed_from_the_input_are_followed() {
    // What exporters write for `x.view(x.shape[0], -1)`.
    apart(
        from_x(&[2, 3])
            .initializer("zero", &Tensor::new(vec![], TensorData::Int64(vec![0])).unwrap())
            .initializer("first", &ints(&[0]))
            .initializer("rest", &ints(&[-1]))
            .node("Shape", &["x"], &["shape"], vec![])
            .node("Gather", &["shape", "zero"], &["n"], vec![])
            .node("Unsqueeze", &["n", "first"], &["n1"], vec![])
            .node("Concat", &["n1", "rest"], &["target"], vec![a::int("axis", 0)])
            .node("Reshape", &["x", "target"], &["y"], vec![]),
    );
}

#[test]
fn computing_with_the_number_of_rows_is_found() {
    let graph = from_x(&[4])
        .initializer("zero", &Tensor::new(vec![], TensorData::Int64(vec![0])).unwrap())
        .node("Shape", &["x"], &["shape"], vec![])
        .node("Gather", &["shape", "zero"], &["n"], vec![])
        .node("Cast", &["n"], &["f"], vec![a::int("to", 1)])
        .node("Div", &["x", "f"], &["y"], vec![]);
    mixed(graph, "number of rows");
}

#[test]
fn rows_may_move_to_another_axis_if_they_come_back() {
    let turned = |last: &[i64]| {
        from_x(&[4, 5])
            .node("Transpose", &["x"], &["a"], vec![a::ints("perm", &[1, 0, 2])])
            .node("Softmax", &["a"], &["b"], vec![a::int("axis", 0)])
            .node("Transpose", &["b"], &["y"], vec![a::ints("perm", last)])
    };
    apart(turned(&[1, 0, 2]));
    mixed(turned(&[0, 1, 2]), "rows along axis 1");
}

#[test]
fn stretching_must_not_meet_the_rows() {
    mixed(
        from_x(&[4]).initializer("b", &floats(&[3, 4])).node("Add", &["x", "b"], &["y"], vec![]),
        "size of its own",
    );
    apart(from_x(&[4]).initializer("b", &floats(&[1, 4])).node("Add", &["x", "b"], &["y"], vec![]));
    // A vector with one number for each row, stretched along the columns instead.
    let graph = from_x(&[4]).node("ReduceSum", &["x", "axes"], &["s"], vec![a::int("keepdims", 0)]).node(
        "Div",
        &["x", "s"],
        &["y"],
        vec![],
    );
    mixed(graph, "unknown value 'axes'");
    let graph = from_x(&[4])
        .initializer("axes", &ints(&[1]))
        .node("ReduceSum", &["x", "axes"], &["s"], vec![a::int("keepdims", 0)])
        .node("Div", &["x", "s"], &["y"], vec![]);
    mixed(graph, "different axes");
}

#[test]
fn attention_within_a_row_keeps_rows_apart() {
    apart(
        from_x(&[6, 8])
            .node("Transpose", &["x"], &["t"], vec![a::ints("perm", &[0, 2, 1])])
            .node("MatMul", &["x", "t"], &["scores"], vec![])
            .node("Softmax", &["scores"], &["weights"], vec![a::int("axis", -1)])
            .node("MatMul", &["weights", "x"], &["y"], vec![]),
    );
}

#[test]
fn products_of_rows_with_rows_are_found() {
    let graph =
        from_x(&[4]).node("Transpose", &["x"], &["t"], vec![]).node("MatMul", &["x", "t"], &["y"], vec![]);
    mixed(graph, "every row with every other");
    let graph =
        from_x(&[4]).node("Transpose", &["x"], &["t"], vec![]).node("MatMul", &["t", "x"], &["y"], vec![]);
    mixed(graph, "adds up over the rows");
}

#[test]
fn slices_and_pads_of_rows_are_found() {
    let slice = |axis: i64, start: i64, end: i64| {
        from_x(&[4])
            .initializer("starts", &ints(&[start]))
            .initializer("ends", &ints(&[end]))
            .initializer("axes", &ints(&[axis]))
            .node("Slice", &["x", "starts", "ends", "axes"], &["y"], vec![])
    };
    apart(slice(1, 0, 2));
    apart(slice(0, 0, i64::MAX));
    mixed(slice(0, 0, 2), "some of the rows");
    mixed(slice(0, 1, i64::MAX), "some of the rows");
    let pad = |pads: &[i64]| {
        from_x(&[4]).initializer("pads", &ints(pads)).node("Pad", &["x", "pads"], &["y"], vec![])
    };
    apart(pad(&[0, 1, 0, 1]));
    mixed(pad(&[1, 0, 0, 0]), "adds rows");
}

#[test]
fn trees_and_label_tables_keep_rows_apart() {
    let classes = Tensor::new(vec![3], TensorData::Int64(vec![7, 8, 9])).unwrap();
    apart(
        from_x(&[4])
            .initializer("classes", &classes)
            .initializer("flat", &ints(&[-1]))
            .node_of("ai.onnx.ml", "TreeEnsembleClassifier", &["x"], &["label", "scores"], vec![])
            .node("ArgMax", &["scores"], &["best"], vec![a::int("axis", 1)])
            .node_of("ai.onnx.ml", "ArrayFeatureExtractor", &["classes", "best"], &["picked"], vec![])
            .node("Reshape", &["picked", "flat"], &["y"], vec![]),
    );
}

#[test]
fn encoded_categories_may_be_put_beside_numbers() {
    apart(
        GraphBuilder::new(15)
            .import("ai.onnx.ml", 3)
            .input("colour", DataType::Bytes, &rows(&[1])[..])
            .input("x", DataType::Fp32, &rows(&[3])[..])
            .initializer("flat", &ints(&[-1, 2]))
            .node_of(
                "ai.onnx.ml",
                "OneHotEncoder",
                &["colour"],
                &["hot"],
                vec![a::strings("cats_strings", &["red", "blue"])],
            )
            .node("Reshape", &["hot", "flat"], &["wide"], vec![])
            .node("Concat", &["wide", "x"], &["y"], vec![a::int("axis", -1)]),
    );
}

#[test]
fn positions_within_a_row_are_followed_and_counts_of_rows_are_not() {
    let positions = |axis: i64| {
        let scalar = |value: i64| Tensor::new(vec![], TensorData::Int64(vec![value])).unwrap();
        from_x(&[4])
            .initializer("axis", &scalar(axis))
            .initializer("zero", &scalar(0))
            .initializer("one", &scalar(1))
            .node("Shape", &["x"], &["shape"], vec![])
            .node("Gather", &["shape", "axis"], &["n"], vec![])
            .node("Range", &["zero", "n", "one"], &["positions"], vec![])
            .node("Cast", &["positions"], &["p"], vec![a::int("to", 1)])
    };
    apart(positions(1).node("Add", &["x", "p"], &["y"], vec![]));
    mixed(positions(0).node("Add", &["x", "p"], &["y"], vec![]), "counts the rows");
}

#[test]
fn what_is_not_known_is_refused() {
    mixed(from_x(&[4]).node("NonZero", &["x"], &["y"], vec![]), "not known to keep rows apart");
    mixed(from_x(&[4]).node_of("my.domain", "Mix", &["x"], &["y"], vec![]), "my.domain.Mix");
    mixed(from_x(&[4]).node("RandomNormalLike", &["x"], &["y"], vec![]), "another answer each time");
    let inner = GraphBuilder::new(17).node("Identity", &["x"], &["z"], vec![]).into_graph();
    let graph = from_x(&[4]).node("If", &["x"], &["y"], vec![a::graph("then_branch", inner)]);
    mixed(graph, "graph of its own");
}

#[test]
fn signatures_without_a_common_open_first_dimension_are_refused() {
    let two = |first: &[Dim], second: &[Dim]| {
        GraphBuilder::new(17).input("a", DataType::Fp32, first).input("b", DataType::Fp32, second).node(
            "Add",
            &["a", "b"],
            &["y"],
            vec![],
        )
    };
    let symbol = |name: &str| Dim::Symbol(name.to_owned());
    apart(two(&[symbol("n"), Dim::Fixed(2)], &[symbol("n"), Dim::Fixed(2)]));
    apart(two(&[Dim::Any, Dim::Fixed(2)], &[Dim::Any, Dim::Fixed(2)]));
    mixed(two(&[symbol("n"), Dim::Fixed(2)], &[symbol("m"), Dim::Fixed(2)]), "different first dimensions");
    mixed(two(&[symbol("n"), Dim::Fixed(2)], &[Dim::Fixed(1), Dim::Fixed(2)]), "always 1");
    mixed(two(&[symbol("n"), Dim::Fixed(2)], &[]), "scalar");
    mixed(two(&[symbol("n"), symbol("n")], &[symbol("n"), symbol("n")]), "second time");
}

#[test]
fn outputs_that_ignore_the_rows_are_refused() {
    let graph = from_x(&[4]).initializer("c", &floats(&[1, 4])).node("Identity", &["c"], &["y"], vec![]);
    mixed(graph, "does not depend on the rows");
}
