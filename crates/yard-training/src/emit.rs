//! A trained network as ONNX nodes of opset 18.

use yard_onnx::{GraphBuilder, attribute};
use yard_types::{Tensor, TensorData};

use crate::{
    model::Head,
    network::{Activation, Layer, LayerPlan, Network, Window},
    parameters::Parameter,
};

/// Appends a network to a graph: from the value `input`, rows of `input_shape`, to the value whose name comes back.
///
/// That value is `[batch, 1]` or more for numbers and `[batch, classes]` probabilities for classes; the caller makes it
/// an output. Names of everything that is added begin with `network.`; every node keeps rows apart.
pub fn emit(
    network: &Network,
    graph: GraphBuilder,
    input: &str,
    input_shape: &[usize],
) -> (GraphBuilder, String) {
    let mut emitter = Emitter::new(graph);
    let mut value = input.to_owned();
    if input_shape != network.input() {
        value = emitter.reshape(&value, network.input());
    }
    for layer in network.layers() {
        value = emitter.layer(layer, network.layer_parameters(layer), value);
        if let Some(activation) = layer.plan.activation() {
            value = emitter.activation(activation, &value);
        }
    }
    value = emitter.head(network.head(), &value);
    (emitter.into_graph(), value)
}

/// Adds nodes and finds names for what they give.
pub(crate) struct Emitter {
    graph: GraphBuilder,
    count: usize,
}

impl Emitter {
    pub(crate) const fn new(graph: GraphBuilder) -> Self {
        Self { graph, count: 0 }
    }

    pub(crate) fn into_graph(self) -> GraphBuilder {
        self.graph
    }

    fn layer(&mut self, layer: &Layer, parameters: &[Parameter], value: String) -> String {
        match (&layer.plan, parameters) {
            (LayerPlan::Dense { .. }, [weight, offset]) => {
                let (weight, offset) = (self.parameter(weight), self.parameter(offset));
                self.node("Gemm", &[&value, &weight, &offset], Vec::new())
            }
            (LayerPlan::Convolution { window, .. }, [weight, offset]) => {
                let (weight, offset) = (self.parameter(weight), self.parameter(offset));
                self.node("Conv", &[&value, &weight, &offset], window_attributes(*window))
            }
            (LayerPlan::MaxPool(window), _) => self.node("MaxPool", &[&value], window_attributes(*window)),
            (LayerPlan::AveragePool(window), _) => {
                let mut attributes = window_attributes(*window);
                attributes.push(attribute::int("count_include_pad", 0));
                self.node("AveragePool", &[&value], attributes)
            }
            (LayerPlan::BatchNorm { epsilon, .. }, [scale, offset, mean, variance]) => {
                let parameters = [scale, offset, mean, variance].map(|parameter| self.parameter(parameter));
                let [scale, offset, mean, variance] = parameters.each_ref().map(String::as_str);
                let inputs = [value.as_str(), scale, offset, mean, variance];
                self.node("BatchNormalization", &inputs, vec![attribute::float("epsilon", *epsilon)])
            }
            (LayerPlan::LayerNorm { epsilon }, [scale, offset]) => {
                let [scale, offset] = [scale, offset].map(|parameter| {
                    self.parameter(&Parameter { shape: layer.before.clone(), ..parameter.clone() })
                });
                let attributes = vec![attribute::int("axis", 1), attribute::float("epsilon", *epsilon)];
                self.node("LayerNormalization", &[&value, &scale, &offset], attributes)
            }
            (LayerPlan::Flatten, _) if layer.before.len() > 1 => {
                self.node("Flatten", &[&value], vec![attribute::int("axis", 1)])
            }
            // Dropout does nothing in prediction; an activation alone is added by the caller.
            _ => value,
        }
    }

    fn activation(&mut self, activation: Activation, value: &str) -> String {
        match activation {
            Activation::Relu => self.node("Relu", &[value], Vec::new()),
            Activation::Tanh => self.node("Tanh", &[value], Vec::new()),
            Activation::Sigmoid => self.node("Sigmoid", &[value], Vec::new()),
            Activation::Softmax => self.node("Softmax", &[value], vec![attribute::int("axis", 1)]),
            Activation::Gelu => self.gelu(value),
        }
    }

    /// x (1 + erf(x / sqrt 2)) / 2: opset 18 has no Gelu.
    pub(crate) fn gelu(&mut self, value: &str) -> String {
        let narrow = self.number(std::f32::consts::FRAC_1_SQRT_2);
        let (one, half) = (self.number(1.0), self.number(0.5));
        let narrowed = self.node("Mul", &[value, &narrow], Vec::new());
        let erf = self.node("Erf", &[&narrowed], Vec::new());
        let share = self.node("Add", &[&erf, &one], Vec::new());
        let product = self.node("Mul", &[value, &share], Vec::new());
        self.node("Mul", &[&product, &half], Vec::new())
    }

    pub(crate) fn head(&mut self, head: Head, value: &str) -> String {
        match head {
            Head::Numbers => value.to_owned(),
            Head::Softmax => self.activation(Activation::Softmax, value),
            Head::Sigmoid => {
                let second = self.activation(Activation::Sigmoid, value);
                let one = self.number(1.0);
                let first = self.node("Sub", &[&one, &second], Vec::new());
                self.node("Concat", &[&first, &second], vec![attribute::int("axis", 1)])
            }
        }
    }

    /// Rows of another shape; the 0 keeps the number of rows.
    fn reshape(&mut self, value: &str, row: &[usize]) -> String {
        let sizes: Vec<i64> = std::iter::once(0).chain(row.iter().map(|size| *size as i64)).collect();
        let shape = self.constant(vec![sizes.len()], TensorData::Int64(sizes));
        self.node("Reshape", &[value, &shape], Vec::new())
    }

    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<yard_onnx::proto::AttributeProto>,
    ) -> String {
        let output = self.name(&operator.to_lowercase());
        self.graph = std::mem::take(&mut self.graph).node(operator, inputs, &[&output], attributes);
        output
    }

    pub(crate) fn parameter(&mut self, parameter: &Parameter) -> String {
        let name = format!("network.{}", parameter.name);
        self.initializer(&name, parameter.shape.clone(), TensorData::Fp32(parameter.values.clone()));
        name
    }

    pub(crate) fn number(&mut self, value: f32) -> String {
        self.constant(Vec::new(), TensorData::Fp32(vec![value]))
    }

    pub(crate) fn constant(&mut self, shape: Vec<usize>, data: TensorData) -> String {
        let name = self.name("constant");
        self.initializer(&name, shape, data);
        name
    }

    fn initializer(&mut self, name: &str, shape: Vec<usize>, data: TensorData) {
        let tensor = Tensor::new(shape, data).expect("a parameter has as many values as its shape says");
        self.graph = std::mem::take(&mut self.graph).initializer(name, &tensor);
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("network.{what}.{}", self.count)
    }
}

fn window_attributes(window: Window) -> Vec<yard_onnx::proto::AttributeProto> {
    let signed = |sizes: [usize; 2]| sizes.map(|size| size as i64);
    let [top, left] = signed(window.padding);
    vec![
        attribute::ints("kernel_shape", &signed(window.size)),
        attribute::ints("strides", &signed(window.stride)),
        attribute::ints("pads", &[top, left, top, left]),
    ]
}
