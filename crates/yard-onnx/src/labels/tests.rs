use yard_types::{DataType, Dim, Tensor, TensorData};

use crate::{GraphBuilder, Model, ReadLimits, attribute};

fn labels(graph: GraphBuilder) -> Option<Vec<String>> {
    let model = Model::decode(graph.into_bytes().into(), &ReadLimits::default()).unwrap();
    model.signature().unwrap().outputs[0].labels.clone()
}

fn three() -> [Dim; 2] {
    [Dim::Any, Dim::Fixed(3)]
}

fn classifier(classes: crate::proto::AttributeProto) -> GraphBuilder {
    GraphBuilder::new(15)
        .import("ai.onnx.ml", 3)
        .input("x", DataType::Fp32, &[Dim::Any, Dim::Fixed(4)][..])
        .node_of("ai.onnx.ml", "TreeEnsembleClassifier", &["x"], &["label", "scores"], vec![classes])
}

#[test]
fn scores_of_a_classifier_carry_its_classes() {
    let graph = classifier(attribute::strings("classlabels_strings", &["a", "b", "c"]));
    let through = graph
        .node("Cast", &["scores"], &["cast"], vec![attribute::int("to", 1)])
        .node("Softmax", &["cast"], &["y"], vec![])
        .output("y", DataType::Fp32, &three()[..]);
    assert_eq!(labels(through).unwrap(), ["a", "b", "c"]);
    let numbers = classifier(attribute::ints("classlabels_int64s", &[-1, 0, 7]));
    let numbers = numbers.output("scores", DataType::Fp32, &three()[..]);
    assert_eq!(labels(numbers).unwrap(), ["-1", "0", "7"]);
}

#[test]
fn the_label_itself_and_other_widths_carry_none() {
    let graph = || classifier(attribute::strings("classlabels_strings", &["a", "b", "c"]));
    assert_eq!(labels(graph().output("label", DataType::Bytes, &[Dim::Any][..])), None);
    assert_eq!(labels(graph().output("scores", DataType::Fp32, &[Dim::Any, Dim::Fixed(4)][..])), None);
    let mixed = graph().node("MatMul", &["scores", "w"], &["y"], vec![]);
    assert_eq!(labels(mixed.output("y", DataType::Fp32, &three()[..])), None);
}

#[test]
fn the_table_that_names_the_best_score_names_all_scores() {
    let classes = Tensor::new(vec![3], TensorData::Bytes(vec!["x".into(), "y".into(), "z".into()])).unwrap();
    let graph = GraphBuilder::new(15)
        .import("ai.onnx.ml", 3)
        .input("x", DataType::Fp32, &three()[..])
        .initializer("classes", &classes)
        .node("Softmax", &["x"], &["p"], vec![])
        .node("ArgMax", &["p"], &["best"], vec![attribute::int("axis", 1)])
        .node_of("ai.onnx.ml", "ArrayFeatureExtractor", &["classes", "best"], &["label"], vec![])
        .output("p", DataType::Fp32, &three()[..]);
    assert_eq!(labels(graph).unwrap(), ["x", "y", "z"]);
}

#[test]
fn plain_operators_get_their_classes_from_the_metadata() {
    let names = ["0".to_owned(), "a \"quoted\" one".to_owned(), "é\n".to_owned()];
    let graph = || {
        GraphBuilder::new(18)
            .input("x", DataType::Fp32, &three()[..])
            .node("Softmax", &["x"], &["p"], vec![])
            .output("p", DataType::Fp32, &three()[..])
    };
    assert_eq!(labels(graph().labels("p", &names)).unwrap(), names);
    assert_eq!(labels(graph().labels("q", &names)), None, "another output's");
    assert_eq!(labels(graph().labels("p", &names[..2])), None, "of another width");
    for malformed in ["", "[]", "[1,2,3]", "{}", "[\"a\",\"b\",\"c\""] {
        assert_eq!(labels(graph().metadata("modelyard.labels.p", malformed)), None, "{malformed}");
    }
}

#[test]
fn what_the_graph_says_goes_before_the_metadata() {
    let graph = classifier(attribute::strings("classlabels_strings", &["a", "b", "c"]));
    let other = ["x".to_owned(), "y".to_owned(), "z".to_owned()];
    let graph = graph.output("scores", DataType::Fp32, &three()[..]).labels("scores", &other);
    assert_eq!(labels(graph).unwrap(), ["a", "b", "c"]);
}
