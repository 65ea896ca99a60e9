//! Networks: layers one after the other. Linear and logistic regression are networks of one dense layer.

mod build;
mod convolution;
mod flex;
mod forward;
mod pooling;

use std::ops::Range;

use crate::{
    error::TrainingError,
    model::{Head, Model, Outcome, Pass},
    parameters::{Leaves, Parameter},
};

/// What a network is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPlan {
    /// The shape of one row: `[features]`, or `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Its layers.
    pub layers: Vec<LayerPlan>,
    /// What its outputs mean; softmax or sigmoid at the end stand here and not among the layers.
    pub head: Head,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerPlan {
    /// Every output from every input.
    Dense {
        /// The number of outputs.
        units: usize,
        /// What follows, for the size of the first weights.
        activation: Option<Activation>,
    },
    /// Filters that slide over an image.
    Convolution {
        /// The number of channels that come out.
        filters: usize,
        /// Height and width of a filter, how it moves, what is around the image.
        window: Window,
        /// What follows.
        activation: Option<Activation>,
    },
    /// The highest number in each window.
    MaxPool(Window),
    /// The mean of each window; the padding does not count.
    AveragePool(Window),
    /// Each feature (or channel) to mean 0 and variance 1 over the batch.
    BatchNorm {
        /// The part of the running statistics that a batch replaces.
        momentum: f32,
        /// Added to the variance.
        epsilon: f32,
    },
    /// Each row to mean 0 and variance 1.
    LayerNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// In training, drops this part of the numbers and scales up the rest.
    Dropout {
        /// From 0 to below 1.
        rate: f32,
    },
    /// An image to one line of numbers.
    Flatten,
    /// An activation alone.
    Activation(Activation),
}

/// A window over an image, height before width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its size.
    pub size: [usize; 2],
    /// How far it moves at a time.
    pub stride: [usize; 2],
    /// Zeros around the image, on each side.
    pub padding: [usize; 2],
}

impl Window {
    /// How many places it has, down and across, over a picture that it fits into.
    fn places(&self, sides: [usize; 2]) -> [usize; 2] {
        let along =
            |axis: usize| (sides[axis] + 2 * self.padding[axis] - self.size[axis]) / self.stride[axis] + 1;
        [along(0), along(1)]
    }

    /// The places across at which its column `beside` is within a picture of this width, of so many places.
    fn places_inside(&self, beside: usize, width: usize, places: usize) -> Range<usize> {
        let (stride, padding) = (self.stride[1], self.padding[1]);
        let begin = padding.saturating_sub(beside).div_ceil(stride).min(places);
        let end = (width + padding).saturating_sub(beside).div_ceil(stride).min(places);
        begin..end
    }
}

/// A function of each number (softmax: of a row).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Negative numbers to 0.
    Relu,
    /// x times the normal distribution's share below x, exactly.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// Parts of a whole.
    Softmax,
}

/// A network and what it has learned.
#[derive(Debug, Clone)]
pub struct Network {
    input: Vec<usize>,
    head: Head,
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
}

/// A layer that knows its place.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) plan: LayerPlan,
    /// The shape of one row before and after it.
    pub(crate) before: Vec<usize>,
    pub(crate) after: Vec<usize>,
    /// The number of its first parameter.
    pub(crate) first: usize,
}

impl Network {
    /// Lays the layers out and draws the first weights from (seed, "initialise", layer).
    pub fn new(plan: &NetworkPlan, seed: u64) -> Result<Self, TrainingError> {
        build::network(plan, seed)
    }

    /// What its outputs mean.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The shape of one row that it takes.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    /// Its layers in order.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What a layer has learned.
    pub(crate) fn layer_parameters(&self, layer: &Layer) -> &[Parameter] {
        let after = self.layers.iter().map(|other| other.first).find(|first| *first > layer.first);
        let end = after.unwrap_or(self.parameters.len());
        if layer.has_parameters() { &self.parameters[layer.first..end] } else { &[] }
    }
}

impl Layer {
    fn has_parameters(&self) -> bool {
        matches!(
            self.plan,
            LayerPlan::Dense { .. }
                | LayerPlan::Convolution { .. }
                | LayerPlan::BatchNorm { .. }
                | LayerPlan::LayerNorm { .. }
        )
    }
}

impl Model for Network {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn outputs(&self) -> usize {
        self.layers.last().map_or(&self.input, |layer| &layer.after).iter().product()
    }

    fn forward(&self, leaves: &Leaves, rows: burn::tensor::Tensor<2>, pass: &Pass) -> Outcome {
        forward::network(self, leaves, rows, pass)
    }
}

impl LayerPlan {
    /// As a specification calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Convolution { .. } => "conv2d",
            Self::MaxPool(_) => "max_pool2d",
            Self::AveragePool(_) => "average_pool2d",
            Self::BatchNorm { .. } => "batch_norm",
            Self::LayerNorm { .. } => "layer_norm",
            Self::Dropout { .. } => "dropout",
            Self::Flatten => "flatten",
            Self::Activation(_) => "activation",
        }
    }

    /// What follows the layer within it.
    pub(crate) fn activation(&self) -> Option<Activation> {
        match self {
            Self::Dense { activation, .. } | Self::Convolution { activation, .. } => *activation,
            Self::Activation(activation) => Some(*activation),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
