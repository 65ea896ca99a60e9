//! How parameters move, and how their step changes over a run.

use crate::keys::{Allowed, POSITIVE, allowed_between};

spec_kinds! {
    /// How the parameters follow their gradients.
    pub enum Optimizer by "kind" {
        /// One step an epoch, along the gradient of all rows; `training.batch_size` only bounds memory.
        GradientDescent(keys: GradientOptimizer) = "gradient_descent",
        /// One step a batch, along its gradient.
        Sgd(keys: GradientOptimizer) = "sgd",
        /// One step a batch, along a running sum of gradients.
        Momentum(keys: MomentumOptimizer) = "momentum",
        /// As `momentum`, with the gradient of the place where the step leads.
        Nesterov(keys: MomentumOptimizer) = "nesterov",
        /// Each parameter's step is divided by the running size of its gradients.
        Rmsprop(keys: RmspropOptimizer) = "rmsprop",
        /// Running means of gradients and of their squares.
        Adam(keys: AdamOptimizer) = "adam",
        /// As `adam`, with weight decay apart from the gradient.
        Adamw(keys: AdamOptimizer) = "adamw",
    }
}

spec_table! {
    /// Steps along the gradient.
    pub struct GradientOptimizer: Default {
        /// Length of a step, as a factor of the gradient.
        learning_rate: f64 = 0.01, "", POSITIVE;
    }
}

spec_table! {
    /// Steps along a running sum of gradients.
    pub struct MomentumOptimizer: Default {
        /// Length of a step, as a factor of the running sum.
        learning_rate: f64 = 0.01, "", POSITIVE;
        /// What is kept of the running sum at each step.
        momentum: f64 = 0.9, "share", Allowed::Below(0.0, 1.0);
    }
}

spec_table! {
    /// Steps divided by the running size of the gradients.
    pub struct RmspropOptimizer: Default {
        /// Length of a step.
        learning_rate: f64 = 0.001, "", POSITIVE;
        /// What is kept of the running mean of squares at each step.
        decay: f64 = 0.99, "share", Allowed::Below(0.0, 1.0);
        /// Added to the divisor, so that nothing is divided by 0.
        epsilon: f64 = 1e-8, "", Allowed::AboveUpTo(0.0, 1.0);
    }
}

spec_table! {
    /// Running means of gradients and of their squares.
    pub struct AdamOptimizer: Default {
        /// Length of a step.
        learning_rate: f64 = 0.001, "", POSITIVE;
        /// What is kept of the running mean of gradients at each step.
        beta_1: f64 = 0.9, "share", Allowed::Below(0.0, 1.0);
        /// What is kept of the running mean of squares at each step.
        beta_2: f64 = 0.999, "share", Allowed::Below(0.0, 1.0);
        /// Added to the divisor, so that nothing is divided by 0.
        epsilon: f64 = 1e-8, "", Allowed::AboveUpTo(0.0, 1.0);
    }
}

spec_kinds! {
    /// How the learning rate changes over a run. Every schedule can be preceded by a warm-up.
    pub enum Schedule by "kind" {
        /// It stays.
        Constant(keys: ConstantSchedule) = "constant",
        /// It falls by a factor every so many epochs.
        Step(keys: StepSchedule) = "step",
        /// It falls by a factor every epoch.
        Exponential(keys: ExponentialSchedule) = "exponential",
        /// It falls along half a cosine until the end of the run.
        Cosine(keys: CosineSchedule) = "cosine",
    }
}

spec_table! {
    /// The learning rate stays.
    pub struct ConstantSchedule: Default {
        /// Steps over which the rate rises evenly from near 0 to its value.
        warmup_steps: usize = 0, "steps of the optimizer", allowed_between(0.0, 1_000_000_000.0);
    }
}

spec_table! {
    /// The learning rate falls by a factor every so many epochs.
    pub struct StepSchedule: Default {
        /// Epochs from one fall to the next.
        every: usize = 10, "epochs", allowed_between(1.0, 1_000_000.0);
        /// What the rate is multiplied by.
        factor: f64 = 0.1, "", Allowed::AboveUpTo(0.0, 1.0);
        /// Steps over which the rate rises evenly from near 0 to its value.
        warmup_steps: usize = 0, "steps of the optimizer", allowed_between(0.0, 1_000_000_000.0);
    }
}

spec_table! {
    /// The learning rate falls by a factor every epoch.
    pub struct ExponentialSchedule: Default {
        /// What the rate is multiplied by.
        factor: f64 = 0.95, "", Allowed::AboveUpTo(0.0, 1.0);
        /// Steps over which the rate rises evenly from near 0 to its value.
        warmup_steps: usize = 0, "steps of the optimizer", allowed_between(0.0, 1_000_000_000.0);
    }
}

spec_table! {
    /// The learning rate falls along half a cosine until the end of the run.
    pub struct CosineSchedule: Default {
        /// Where it ends, as a part of where it began.
        final_share: f64 = 0.0, "share of the rate", allowed_between(0.0, 1.0);
        /// Steps over which the rate rises evenly from near 0 to its value.
        warmup_steps: usize = 0, "steps of the optimizer", allowed_between(0.0, 1_000_000_000.0);
    }
}

// === impl Optimizer ===

impl Optimizer {
    /// The length of a step before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::GradientDescent(keys) | Self::Sgd(keys) => keys.learning_rate,
            Self::Momentum(keys) | Self::Nesterov(keys) => keys.learning_rate,
            Self::Rmsprop(keys) => keys.learning_rate,
            Self::Adam(keys) | Self::Adamw(keys) => keys.learning_rate,
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam(AdamOptimizer::default())
    }
}

// === impl Schedule ===

impl Schedule {
    /// The steps over which the rate rises at the start.
    pub fn warmup_steps(&self) -> usize {
        match self {
            Self::Constant(keys) => keys.warmup_steps,
            Self::Step(keys) => keys.warmup_steps,
            Self::Exponential(keys) => keys.warmup_steps,
            Self::Cosine(keys) => keys.warmup_steps,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(ConstantSchedule::default())
    }
}
