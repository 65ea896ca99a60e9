//! Optimizers: how gradients become steps.
//!
//! Written over plain numbers instead of burn's tensors: one pass over each block and no tensors in between, a state
//! that is a list of numbers, and the definitions of PyTorch to the letter.

use crate::parameters::{Parameter, Role};

/// The rule of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Against the gradient. With the whole training split as one batch: gradient descent.
    Descent,
    /// With momentum, which builds up in the direction that stays.
    Momentum {
        /// The part of the speed that is kept at each step.
        momentum: f64,
        /// Looks ahead to where the speed leads.
        nesterov: bool,
    },
    /// Divided by the recent size of the gradient.
    RmsProp {
        /// The part of the mean square that is kept.
        decay: f64,
        /// Added to the divisor.
        epsilon: f64,
    },
    /// Mean of the gradient by the root of its mean square.
    Adam {
        /// The part of the mean that is kept.
        beta1: f64,
        /// The part of the mean square that is kept.
        beta2: f64,
        /// Added to the divisor.
        epsilon: f64,
        /// Whether weight decay shrinks the weights themselves (AdamW) or enters the gradient (Adam).
        decoupled: bool,
    },
}

/// What holds a run within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// The pull of the weights towards zero.
    pub weight_decay: f32,
    /// The largest size of one number of a gradient.
    pub clip_value: Option<f32>,
    /// The largest length of all gradients together.
    pub clip_norm: Option<f32>,
    /// The largest size of one weight.
    pub clip_weights: Option<f32>,
}

/// A rule with what it remembers between steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    rule: Rule,
    limits: Limits,
    steps: u64,
    /// Per parameter two blocks as long as it: speed or mean, mean square. Empty where the rule has none.
    memory: Vec<[Vec<f32>; 2]>,
}

impl Optimizer {
    /// An optimizer at its first step.
    pub fn new(rule: Rule, limits: Limits, parameters: &[Parameter]) -> Self {
        let [first, second] = rule.remembers();
        let block = |used: bool, length: usize| if used { vec![0.0; length] } else { Vec::new() };
        let memory = parameters
            .iter()
            .map(|parameter| {
                let length = if parameter.role == Role::Statistic { 0 } else { parameter.values.len() };
                [block(first, length), block(second, length)]
            })
            .collect();
        Self { rule, limits, steps: 0, memory }
    }

    /// Moves the parameters by one step; the gradients are used up.
    ///
    /// # Panics
    ///
    /// When parameters or gradients are not those the optimizer was made for.
    pub fn step(&mut self, parameters: &mut [Parameter], gradients: &mut [Vec<f32>], learning_rate: f64) {
        assert_eq!(parameters.len(), self.memory.len(), "the parameters of the beginning");
        self.clip(gradients);
        self.steps += 1;
        let step = Step::new(self.rule, self.steps, learning_rate);
        for ((parameter, gradient), memory) in parameters.iter_mut().zip(gradients).zip(&mut self.memory) {
            if parameter.role == Role::Statistic || gradient.is_empty() {
                continue;
            }
            let is_weight = parameter.role == Role::Weight;
            let decay = if is_weight { self.limits.weight_decay } else { 0.0 };
            step.apply(&mut parameter.values, gradient, memory, decay, self.steps == 1);
            if let (true, Some(limit)) = (is_weight, self.limits.clip_weights) {
                parameter.values.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
            }
        }
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What it remembers, for a checkpoint.
    pub(crate) fn memory(&self) -> &[[Vec<f32>; 2]] {
        &self.memory
    }

    /// Goes on from a checkpoint. False when the memory is not of this optimizer.
    pub(crate) fn restore(&mut self, steps: u64, memory: Vec<[Vec<f32>; 2]>) -> bool {
        let same = memory.len() == self.memory.len()
            && memory.iter().zip(&self.memory).all(|(new, old)| {
                new.iter().zip(old).all(|(new_block, old_block)| new_block.len() == old_block.len())
            });
        if same {
            self.steps = steps;
            self.memory = memory;
        }
        same
    }

    fn clip(&self, gradients: &mut [Vec<f32>]) {
        if let Some(limit) = self.limits.clip_value {
            gradients.iter_mut().flatten().for_each(|number| *number = number.clamp(-limit, limit));
        }
        if let Some(limit) = self.limits.clip_norm {
            let squares: f64 = gradients.iter().map(|block| sum_of_squares(block)).sum();
            let factor = f64::from(limit) / (squares.sqrt() + 1e-6);
            if factor < 1.0 {
                let factor = factor as f32;
                gradients.iter_mut().flatten().for_each(|number| *number *= factor);
            }
        }
    }
}

impl Rule {
    /// Which of the two blocks are used.
    fn remembers(self) -> [bool; 2] {
        match self {
            Self::Descent => [false, false],
            Self::Momentum { .. } => [true, false],
            Self::RmsProp { .. } => [false, true],
            Self::Adam { .. } => [true, true],
        }
    }
}

/// The numbers of one step that are the same for every parameter.
struct Step {
    rule: Rule,
    learning_rate: f32,
    /// Adam: the rate with the bias of the mean undone, and the root of the bias of the mean square.
    corrected_rate: f32,
    root_of_bias: f32,
}

impl Step {
    fn new(rule: Rule, step: u64, learning_rate: f64) -> Self {
        let (mut corrected_rate, mut root_of_bias) = (learning_rate, 1.0);
        if let Rule::Adam { beta1, beta2, .. } = rule {
            let bias = |beta: f64| 1.0 - beta.powf(step as f64);
            corrected_rate = learning_rate / bias(beta1);
            root_of_bias = bias(beta2).sqrt();
        }
        Self {
            rule,
            learning_rate: learning_rate as f32,
            corrected_rate: corrected_rate as f32,
            root_of_bias: root_of_bias as f32,
        }
    }

    fn apply(
        &self,
        values: &mut [f32],
        gradient: &mut [f32],
        memory: &mut [Vec<f32>; 2],
        decay: f32,
        is_first: bool,
    ) {
        assert_eq!(values.len(), gradient.len(), "a gradient for each number");
        let rate = self.learning_rate;
        let decoupled = matches!(self.rule, Rule::Adam { decoupled: true, .. });
        if decay != 0.0 && decoupled {
            let kept = 1.0 - rate * decay;
            values.iter_mut().for_each(|value| *value *= kept);
        } else if decay != 0.0 {
            gradient.iter_mut().zip(values.iter()).for_each(|(slope, value)| *slope += decay * *value);
        }
        let [first, second] = memory;
        match self.rule {
            Rule::Descent => {
                for (value, slope) in values.iter_mut().zip(gradient) {
                    *value -= rate * *slope;
                }
            }
            Rule::Momentum { momentum, nesterov } => {
                let momentum = momentum as f32;
                for ((value, slope), speed) in values.iter_mut().zip(gradient).zip(first) {
                    *speed = if is_first { *slope } else { momentum * *speed + *slope };
                    *value -= rate * if nesterov { *slope + momentum * *speed } else { *speed };
                }
            }
            Rule::RmsProp { decay, epsilon } => {
                let (kept, added, epsilon) = (decay as f32, (1.0 - decay) as f32, epsilon as f32);
                for ((value, slope), square) in values.iter_mut().zip(gradient).zip(second) {
                    *square = kept * *square + added * *slope * *slope;
                    *value -= rate * *slope / (square.sqrt() + epsilon);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, .. } => {
                let (rate, root) = (self.corrected_rate, self.root_of_bias);
                let (kept1, added1) = (beta1 as f32, (1.0 - beta1) as f32);
                let (kept2, added2) = (beta2 as f32, (1.0 - beta2) as f32);
                let epsilon = epsilon as f32;
                for (((value, slope), mean), square) in values.iter_mut().zip(gradient).zip(first).zip(second)
                {
                    *mean = kept1 * *mean + added1 * *slope;
                    *square = kept2 * *square + added2 * *slope * *slope;
                    *value -= rate * *mean / (square.sqrt() / root + epsilon);
                }
            }
        }
    }
}

/// The sum of squares in eight partial sums, which the processor adds at once, in an order that never changes.
fn sum_of_squares(block: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    for chunk in block.chunks(8) {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests;
