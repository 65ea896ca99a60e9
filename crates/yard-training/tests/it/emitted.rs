//! What is exported predicts what was trained, in both engines, in batches as alone.

use std::{io, num::NonZeroUsize, sync::Arc};

use yard_data::draw;
use yard_engine::{Engine, LoadOptions, LoadedModel, ModelPackage, RowJoining, RunControl};
use yard_engine_onnx::Rten;
use yard_onnx::GraphBuilder;
use yard_training::{
    Activation, Classes, Event, Head, LayerPlan, Limits, Loss, Model, Network, NetworkPlan, Plan, Rows, Rule,
    Run, Schedule, Targets, Window, emit, fit, outputs,
};
use yard_types::{DataType, Dim, Tensor, TensorData};

use crate::place::onnx_runtime;

struct Silent;

impl Run for Silent {
    fn report(&mut self, _event: Event) {}

    fn stopped(&self) -> bool {
        false
    }

    fn save_checkpoint(&mut self, _step: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
}

const ROWS: usize = 40;

fn dense(units: usize, activation: Option<Activation>) -> LayerPlan {
    LayerPlan::Dense { units, activation }
}

fn window(size: usize, stride: usize, padding: usize) -> Window {
    Window { size: [size; 2], stride: [stride; 2], padding: [padding; 2] }
}

fn numbers(count: usize) -> Vec<f32> {
    let mut source = draw(3, "test", 0);
    std::iter::repeat_with(|| source.normal() as f32).take(count).collect()
}

/// A network after a few steps, so that no parameter stands where it began.
fn trained(plan: &NetworkPlan, values: &[f32]) -> Network {
    let row_length = plan.input.iter().product();
    let mut network = Network::new(plan, 1).unwrap();
    let width = network.outputs();
    let classes: Vec<u32> = (0..ROWS as u32).map(|row| row % plan.head.width(width) as u32).collect();
    let wanted: Vec<f32> = (0..ROWS * width).map(|place| (place % 7) as f32).collect();
    let (loss, targets) = match plan.head {
        Head::Numbers => (Loss::MeanSquaredError, Targets::Numbers(&wanted)),
        Head::Sigmoid => (Loss::BinaryCrossEntropy(Classes::default()), Targets::Classes(&classes)),
        Head::Softmax => (Loss::CategoricalCrossEntropy(Classes::default()), Targets::Classes(&classes)),
    };
    let plan = Plan {
        seed: 2,
        epochs: 4,
        batch_size: NonZeroUsize::new(16).unwrap(),
        whole_epochs: false,
        loss,
        loss_unit: 1.0,
        rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false },
        limits: Limits::default(),
        learning_rate: 0.01,
        schedule: Schedule::CONSTANT,
        early_stopping: None,
        checkpoint_every: 0,
        spec_digest: [0; 32],
    };
    fit(&mut network, Rows { values, row_length, targets }, None, &plan, &mut Silent).unwrap();
    network
}

fn served(engine: &dyn Engine, bytes: &[u8]) -> Arc<dyn LoadedModel> {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("model.onnx"), bytes).unwrap();
    let package = ModelPackage::new(folder.path(), "model.onnx".parse().unwrap());
    engine.load(&package, &LoadOptions::default()).unwrap()
}

fn predictions(model: &dyn LoadedModel, row: &[usize], values: &[f32]) -> Vec<f32> {
    let count = values.len() / row.iter().product::<usize>();
    let shape = [&[count], row].concat();
    let input = Tensor::new(shape, TensorData::Fp32(values.to_vec())).unwrap();
    let outputs = model.predict(&[input], &RunControl::new()).unwrap();
    let TensorData::Fp32(values) = outputs[0].data() else { panic!("{:?}", outputs[0].data_type()) };
    values.clone()
}

/// `row` is the shape in which rows are served; the network may see them in another.
#[track_caller]
fn check_served_as(row: &[usize], input: &[usize], layers: &[LayerPlan], head: Head) {
    let plan = NetworkPlan { input: input.to_vec(), layers: layers.to_vec(), head };
    let row_length: usize = input.iter().product();
    let values = numbers(ROWS * row_length);
    let network = trained(&plan, &values);
    let expected = head.apply(&outputs(&network, &values, row_length), network.outputs());

    let batch = |row: &[usize]| -> Vec<Dim> {
        std::iter::once(Dim::Symbol("batch".to_owned())).chain(row.iter().copied().map(Dim::Fixed)).collect()
    };
    let graph = GraphBuilder::new(18).input("x", DataType::Fp32, &batch(row)[..]);
    let (graph, output) = emit(&network, graph, "x", row);
    let graph = graph.node("Identity", &[&output], &["y"], Vec::new());
    let graph = graph.output("y", DataType::Fp32, &batch(&[head.width(network.outputs())])[..]);
    let bytes = graph.into_bytes();

    let engines: [(&str, Box<dyn Engine>); 2] =
        [("RTen", Box::new(Rten::new())), ("ONNX Runtime", Box::new(onnx_runtime()))];
    for (name, engine) in engines {
        let model = served(&*engine, &bytes);
        let joining = model.row_joining();
        assert!(matches!(joining, RowJoining::Plausible), "{name}: {joining:?} for {layers:?}");
        let together = predictions(&*model, row, &values);
        let alone: Vec<f32> =
            values.chunks(row_length).flat_map(|values| predictions(&*model, row, values)).collect();
        assert_eq!(together.len(), expected.len());
        for ((together, alone), expected) in together.iter().zip(&alone).zip(&expected) {
            let close = |one: f32| (one - expected).abs() <= 1e-5 * expected.abs().max(1.0);
            assert!(
                close(*together) && close(*alone),
                "{name}: {together} {alone} {expected} for {layers:?}"
            );
        }
    }
}

#[track_caller]
fn check(input: &[usize], layers: &[LayerPlan], head: Head) {
    check_served_as(input, input, layers, head);
}

#[test]
fn dense_networks_are_served_as_they_were_trained() {
    check(&[10], &[dense(1, None)], Head::Numbers);
    check(&[10], &[dense(2, None)], Head::Numbers);
    check(&[6], &[dense(1, None)], Head::Sigmoid);
    check(&[6], &[dense(3, None)], Head::Softmax);
    for activation in
        [Activation::Relu, Activation::Gelu, Activation::Tanh, Activation::Sigmoid, Activation::Softmax]
    {
        check(&[7], &[dense(9, Some(activation)), dense(4, None)], Head::Softmax);
        check(&[7], &[dense(9, None), LayerPlan::Activation(activation), dense(1, None)], Head::Sigmoid);
    }
}

#[test]
fn norms_and_dropout_are_served_as_they_were_trained() {
    let layer_norm = LayerPlan::LayerNorm { epsilon: 1e-5 };
    let batch_norm = LayerPlan::BatchNorm { momentum: 0.1, epsilon: 1e-5 };
    let dropout = LayerPlan::Dropout { rate: 0.3 };
    check(&[8], &[dense(12, None), layer_norm, dropout, dense(3, None)], Head::Softmax);
    check(&[8], &[batch_norm, dense(12, Some(Activation::Relu)), batch_norm, dense(3, None)], Head::Softmax);
    let convolution = LayerPlan::Convolution { filters: 3, window: window(3, 1, 1), activation: None };
    let end = [LayerPlan::Flatten, dense(2, None)];
    check(&[2, 6, 6], &[&[convolution, batch_norm], &end[..]].concat(), Head::Softmax);
    check(&[2, 6, 6], &[&[convolution, layer_norm], &end[..]].concat(), Head::Softmax);
}

#[test]
fn image_networks_are_served_as_they_were_trained() {
    let convolution =
        |filters, window| LayerPlan::Convolution { filters, window, activation: Some(Activation::Relu) };
    let end = [LayerPlan::Flatten, dense(3, None)];
    let with = |layers: &[LayerPlan]| [layers, &end[..]].concat();
    check(&[3, 9, 7], &with(&[convolution(6, window(5, 1, 0))]), Head::Softmax);
    check(
        &[1, 8, 8],
        &with(&[convolution(4, window(3, 2, 1)), convolution(5, window(1, 1, 0))]),
        Head::Softmax,
    );
    for size in [window(2, 2, 0), window(3, 2, 1), window(3, 1, 1)] {
        check(&[2, 9, 8], &with(&[convolution(4, window(3, 1, 1)), LayerPlan::MaxPool(size)]), Head::Softmax);
        check(
            &[2, 9, 8],
            &with(&[LayerPlan::AveragePool(size), convolution(4, window(3, 1, 1))]),
            Head::Softmax,
        );
    }
}

#[test]
fn columns_are_served_to_a_network_that_sees_images() {
    let convolution = LayerPlan::Convolution { filters: 4, window: window(3, 1, 1), activation: None };
    check_served_as(&[64], &[1, 8, 8], &[convolution, LayerPlan::Flatten, dense(3, None)], Head::Softmax);
}
