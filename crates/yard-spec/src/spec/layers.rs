//! The layers of a network.

use crate::keys::{ANY, Allowed, allowed_between};

spec_kinds! {
    /// One layer of a network. Layers are applied in their order.
    pub enum Layer by "type" {
        /// Every output is a weighted sum of all inputs, and a bias.
        Dense(keys: DenseLayer) = "dense",
        /// Two-dimensional convolution over `[channels, height, width]`.
        Conv2d(keys: Conv2dLayer) = "conv2d",
        /// The largest value of each window.
        MaxPool2d(keys: Pool2dLayer) = "max_pool2d",
        /// The mean of each window; padding does not count.
        AveragePool2d(keys: Pool2dLayer) = "average_pool2d",
        /// Each feature, or each channel of a picture, is scaled by the mean and deviation of the batch; a served
        /// model uses the running means of the training.
        BatchNorm(keys: BatchNormLayer) = "batch_norm",
        /// The values of each row are scaled to mean 0 and deviation 1.
        LayerNorm(keys: LayerNormLayer) = "layer_norm",
        /// Sets a part of the values to 0 while training; a served model has none.
        Dropout(keys: DropoutLayer) = "dropout",
        /// Lines up all values of a row in one dimension, as dense layers take them.
        Flatten = "flatten",
        /// An activation of its own.
        Activation(keys: ActivationLayer) = "activation",
    }
}

spec_table! {
    /// Every output is a weighted sum of all inputs, and a bias.
    pub struct DenseLayer {
        /// Outputs.
        units: usize = required, "values", allowed_between(1.0, 1_000_000.0);
        /// What is applied to each output.
        activation: Activation = (Activation::None), "", ANY;
    }
}

spec_table! {
    /// Two-dimensional convolution over `[channels, height, width]`.
    pub struct Conv2dLayer {
        /// Output channels.
        filters: usize = required, "channels", allowed_between(1.0, 65_536.0);
        /// Height and width of the window.
        kernel: usize = required, "pixels", allowed_between(1.0, 1024.0);
        /// Steps of the window.
        stride: usize = 1, "pixels", allowed_between(1.0, 1024.0);
        /// Zeros around the picture, on each side.
        padding: usize = 0, "pixels", allowed_between(0.0, 1024.0);
        /// What is applied to each output.
        activation: Activation = (Activation::None), "", ANY;
    }
}

spec_table! {
    /// Makes one value of each window of a channel.
    pub struct Pool2dLayer {
        /// Height and width of the window.
        kernel: usize = required, "pixels", allowed_between(1.0, 1024.0);
        /// Steps of the window. Not set: the kernel, so that windows do not overlap.
        stride: Option<usize> = none, "pixels", allowed_between(1.0, 1024.0);
        /// Padding around the picture, on each side; at most half of the kernel.
        padding: usize = 0, "pixels", allowed_between(0.0, 512.0);
    }
}

spec_table! {
    /// Scales by the mean and deviation of the batch.
    pub struct BatchNormLayer: Default {
        /// Added to the variance, so that nothing is divided by 0.
        epsilon: f64 = 1e-5, "", Allowed::AboveUpTo(0.0, 1.0);
        /// How much of each batch goes into the running means.
        momentum: f64 = 0.1, "share", Allowed::AboveUpTo(0.0, 1.0);
    }
}

spec_table! {
    /// Scales the values of each row.
    pub struct LayerNormLayer: Default {
        /// Added to the variance, so that nothing is divided by 0.
        epsilon: f64 = 1e-5, "", Allowed::AboveUpTo(0.0, 1.0);
    }
}

spec_table! {
    /// Sets a part of the values to 0 while training.
    pub struct DropoutLayer {
        /// The part that is set to 0.
        rate: f64 = required, "share of values", Allowed::Below(0.0, 1.0);
    }
}

spec_table! {
    /// An activation of its own.
    pub struct ActivationLayer {
        /// What is applied to each value.
        function: Activation = required, "", ANY;
    }
}

spec_choice! {
    /// What is applied to each value.
    pub enum Activation {
        /// Negative values become 0.
        Relu = "relu",
        /// A value times the share of a normal distribution below it.
        Gelu = "gelu",
        /// Hyperbolic tangent: from -1 to 1.
        Tanh = "tanh",
        /// Logistic function: from 0 to 1.
        Sigmoid = "sigmoid",
        /// Shares of all outputs that sum to 1. Only where the network ends.
        Softmax = "softmax",
        /// Nothing.
        None = "none",
    }
}

// === impl layers ===

impl Pool2dLayer {
    /// The steps of the window.
    pub fn steps(&self) -> usize {
        self.stride.unwrap_or(self.kernel)
    }
}
