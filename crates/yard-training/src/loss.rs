//! Losses and their gradients by the outputs of a model, in closed form.
//!
//! Classification is judged on logits (the numbers before softmax or sigmoid): that is exact where a probability would
//! round to 0 or 1. The mean over a batch follows PyTorch, also with class weights, where it is weighted.

/// How far an output is from its target.
#[derive(Debug, Clone, PartialEq)]
pub enum Loss {
    /// The mean of squared differences.
    MeanSquaredError,
    /// The mean of absolute differences.
    MeanAbsoluteError,
    /// Squared (halved) up to `delta`, linear beyond it.
    Huber {
        /// Where the square ends.
        delta: f32,
    },
    /// One logit against two classes.
    BinaryCrossEntropy(Classes),
    /// One logit per class.
    CategoricalCrossEntropy(Classes),
}

/// How classes count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Classes {
    /// The part of a target that is spread over all classes, from 0 to below 1.
    pub label_smoothing: f32,
    /// A weight per class; empty: all weigh the same.
    pub weights: Vec<f32>,
}

/// What a batch was to become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Targets<'a> {
    /// Numbers, as many per row as the model has outputs.
    Numbers(&'a [f32]),
    /// The number of the class of each row.
    Classes(&'a [u32]),
}

/// A loss and where it falls.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The mean over the batch.
    pub value: f64,
    /// What the mean was divided by: the rows, or the sum of their weights. Means of batches add up by it.
    pub weight: f64,
    /// The derivative of `value` by each output.
    pub gradient: Vec<f32>,
}

impl Loss {
    /// Judges the outputs of a batch, `width` of them per row.
    ///
    /// # Panics
    ///
    /// When outputs and targets do not belong together; whoever builds a run has checked that.
    pub fn judge(&self, outputs: &[f32], width: usize, targets: Targets<'_>) -> Judged {
        match (self, targets) {
            (Self::MeanSquaredError, Targets::Numbers(wanted)) => {
                by_number(outputs, wanted, width, |difference| (difference * difference, 2.0 * difference))
            }
            (Self::MeanAbsoluteError, Targets::Numbers(wanted)) => {
                by_number(outputs, wanted, width, |difference| {
                    (difference.abs(), if difference == 0.0 { 0.0 } else { difference.signum() })
                })
            }
            (Self::Huber { delta }, Targets::Numbers(wanted)) => {
                let delta = f64::from(*delta);
                by_number(outputs, wanted, width, |difference| {
                    if difference.abs() <= delta {
                        (0.5 * difference * difference, difference)
                    } else {
                        (delta * (difference.abs() - 0.5 * delta), delta * difference.signum())
                    }
                })
            }
            (Self::BinaryCrossEntropy(classes), Targets::Classes(wanted)) => binary(outputs, wanted, classes),
            (Self::CategoricalCrossEntropy(classes), Targets::Classes(wanted)) => {
                categorical(outputs, width, wanted, classes)
            }
            (loss, _) => unreachable!("{loss:?} was given targets of the other kind"),
        }
    }

    /// Whether the targets are classes.
    pub fn is_of_classes(&self) -> bool {
        matches!(self, Self::BinaryCrossEntropy(_) | Self::CategoricalCrossEntropy(_))
    }
}

impl Classes {
    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().map_or(1.0, f64::from)
    }
}

fn by_number(outputs: &[f32], wanted: &[f32], width: usize, one: impl Fn(f64) -> (f64, f64)) -> Judged {
    assert_eq!(outputs.len(), wanted.len(), "as many outputs as targets");
    let count = outputs.len().max(1) as f64;
    let mut sum = 0.0;
    let gradient = outputs
        .iter()
        .zip(wanted)
        .map(|(output, wanted)| {
            let (value, slope) = one(f64::from(*output) - f64::from(*wanted));
            sum += value;
            (slope / count) as f32
        })
        .collect();
    Judged { value: sum / count, weight: (outputs.len() / width.max(1)) as f64, gradient }
}

fn binary(logits: &[f32], wanted: &[u32], classes: &Classes) -> Judged {
    assert_eq!(logits.len(), wanted.len(), "one logit per row");
    let smoothing = f64::from(classes.label_smoothing);
    let weights: f64 = wanted.iter().map(|class| classes.weight(*class as usize)).sum();
    let mut sum = 0.0;
    let gradient = logits
        .iter()
        .zip(wanted)
        .map(|(logit, class)| {
            let logit = f64::from(*logit);
            let weight = classes.weight(*class as usize);
            let target = f64::from(*class) * (1.0 - smoothing) + 0.5 * smoothing;
            // log(1 + e^z) without e^z of a large z.
            let softplus = logit.max(0.0) + (-logit.abs()).exp().ln_1p();
            sum += weight * (softplus - target * logit);
            let probability = 1.0 / (1.0 + (-logit).exp());
            (weight * (probability - target) / weights) as f32
        })
        .collect();
    Judged { value: sum / weights, weight: weights, gradient }
}

fn categorical(logits: &[f32], width: usize, wanted: &[u32], classes: &Classes) -> Judged {
    assert_eq!(logits.len(), wanted.len() * width, "one logit per row and class");
    let smoothing = f64::from(classes.label_smoothing);
    let weights: f64 = wanted.iter().map(|class| classes.weight(*class as usize)).sum();
    let mut sum = 0.0;
    let mut gradient = Vec::with_capacity(logits.len());
    let mut shifted = vec![0.0; width];
    for (row, class) in logits.chunks_exact(width).zip(wanted) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for (shifted, logit) in shifted.iter_mut().zip(row) {
            *shifted = f64::from(*logit) - f64::from(highest);
            total += shifted.exp();
        }
        let log_total = f64::ln(total);
        // How much each class is wanted, times what it weighs.
        let wanted = |candidate: usize| {
            let hit = if candidate == *class as usize { 1.0 - smoothing } else { 0.0 };
            (hit + smoothing / width as f64) * classes.weight(candidate)
        };
        let wanted_in_all: f64 = (0..width).map(wanted).sum();
        for (candidate, shifted) in shifted.iter().enumerate() {
            let log_probability = shifted - log_total;
            let wanted = wanted(candidate);
            if wanted > 0.0 {
                sum -= wanted * log_probability;
            }
            gradient.push(((log_probability.exp() * wanted_in_all - wanted) / weights) as f32);
        }
    }
    Judged { value: sum / weights, weight: weights, gradient }
}

#[cfg(test)]
mod tests;
