//! The files of a version.

mod curve;
mod golden;
mod record;

use yard_onnx::{GraphBuilder, attribute};
use yard_spec::{Task, TrainingSpec};
use yard_types::{DataType, Dim, Tensor, TensorData};

pub(crate) use self::{curve::curve, golden::golden, record::Record};
use crate::{
    emit, emit_text,
    train::{FittedModel, FittedRows},
};

/// The version of the operator set that all engines of the last years know.
const OPSET: i64 = 18;

/// What the model's one output is called.
pub(crate) const fn output_name(task: Task) -> &'static str {
    match task {
        Task::Classification => "probabilities",
        Task::Regression | Task::Auto => "prediction",
    }
}

/// Preparation, model and class names as the content of one ONNX file.
pub(crate) fn model(spec: &TrainingSpec, task: Task, fitted: &FittedRows) -> Vec<u8> {
    let FittedRows { preparation, encoding, model, .. } = fitted;
    let (mut graph, mut value) = preparation.emit(GraphBuilder::new(OPSET));
    let shape = preparation.shape();
    match model {
        FittedModel::Network(network, label) => {
            (graph, value) = emit(network, graph, &value, &shape);
            (graph, value) = label.emit(graph, &value);
        }
        FittedModel::Text(network) => (graph, value) = emit_text(network, graph, &value),
        FittedModel::Forest(forest) => {
            if shape.len() > 1 {
                (graph, value) = flattened(graph, &value, shape.iter().product());
            }
            graph = forest.emit(graph, &value, "modelyard/forest");
            value = "modelyard/forest".to_owned();
        }
    }
    let output = output_name(task);
    let classes = encoding.class_names();
    let width = classes.len().max(1);
    let shape = [Dim::Symbol("batch".to_owned()), Dim::Fixed(width)];
    graph = graph
        .node("Identity", &[&value], &[output], vec![])
        .output(output, DataType::Fp32, &shape[..])
        .metadata("modelyard.name", spec.name.as_str())
        .metadata("modelyard.kind", spec.model.kind());
    if !classes.is_empty() {
        graph = graph.labels(output, classes);
    }
    graph.into_bytes()
}

/// Images as rows of so many numbers.
fn flattened(graph: GraphBuilder, value: &str, width: usize) -> (GraphBuilder, String) {
    // A 0 keeps the number of rows.
    let shape = TensorData::Int64(vec![0, i64::try_from(width).unwrap_or(i64::MAX)]);
    let shape = Tensor::new(vec![2], shape).expect("two numbers are a list of two");
    let (shape_name, flat) = ("modelyard/flat_shape", "modelyard/flat");
    let graph = graph.initializer(shape_name, &shape);
    let allow_zero = vec![attribute::int("allowzero", 0)];
    (graph.node("Reshape", &[value, shape_name], &[flat], allow_zero), flat.to_owned())
}
