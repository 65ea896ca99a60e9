//! What a run remembers between two steps, all of it.

/// How an epoch went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u64,
    /// The mean loss of its steps.
    pub train_loss: f64,
    /// Accuracy or R2 of its steps, as the model was at each.
    pub train_score: f64,
    /// The loss on the validation rows after it; none without such rows.
    pub validation_loss: Option<f64>,
    /// Accuracy or R2 on the validation rows after it.
    pub validation_score: Option<f64>,
}

/// A run between two steps, apart from the parameters and the optimizer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct State {
    /// Steps made.
    pub(crate) step: u64,
    /// The epoch in progress, so far.
    pub(crate) tally: Tally,
    /// The loss of the first step, against which divergence is judged.
    pub(crate) first_loss: Option<f64>,
    /// Whether early stopping has ended the run.
    pub(crate) ended: bool,
    /// The epochs that are over.
    pub(crate) history: Vec<EpochRecord>,
    /// The best model so far.
    pub(crate) best: Option<Best>,
}

/// The model of the best epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Best {
    pub(crate) epoch: u64,
    pub(crate) loss: f64,
    /// The values of each parameter.
    pub(crate) parameters: Vec<Vec<f32>>,
}

/// Sums over rows, from which loss and score follow.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Tally {
    pub(crate) loss: f64,
    pub(crate) weight: f64,
    pub(crate) count: f64,
    /// Rows classified rightly, or squared differences.
    pub(crate) score: f64,
    /// Targets that are numbers, and their squares, about the first of them.
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    pub(crate) origin: f64,
}

impl Tally {
    pub(crate) fn add_loss(&mut self, value: f64, weight: f64) {
        self.loss += value * weight;
        self.weight += weight;
    }

    /// Adds rows: for one logit or one per class the class that is likeliest, for numbers their distance.
    pub(crate) fn add_rows(&mut self, outputs: &[f32], width: usize, targets: crate::loss::Targets<'_>) {
        match targets {
            crate::loss::Targets::Classes(classes) => {
                for (row, class) in outputs.chunks_exact(width).zip(classes) {
                    self.score += if likeliest(row) == *class { 1.0 } else { 0.0 };
                    self.count += 1.0;
                }
            }
            crate::loss::Targets::Numbers(wanted) => {
                for (output, wanted) in outputs.iter().zip(wanted) {
                    let (output, wanted) = (f64::from(*output), f64::from(*wanted));
                    if self.count == 0.0 {
                        self.origin = wanted;
                    }
                    self.score += (output - wanted) * (output - wanted);
                    self.sum += wanted - self.origin;
                    self.squares += (wanted - self.origin) * (wanted - self.origin);
                    self.count += 1.0;
                }
            }
        }
    }

    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.weight
    }

    /// Accuracy, or R2.
    pub(crate) fn score(&self, is_of_classes: bool) -> f64 {
        if is_of_classes {
            return self.score / self.count;
        }
        let spread = self.squares - self.sum * self.sum / self.count;
        match (spread > 0.0, self.score == 0.0) {
            (true, _) => 1.0 - self.score / spread,
            (false, true) => 1.0,
            (false, false) => 0.0,
        }
    }
}

/// The class of a row of logits; the first of equals. One logit stands for the second of two classes.
fn likeliest(row: &[f32]) -> u32 {
    if let [logit] = row {
        return u32::from(*logit > 0.0);
    }
    let mut best = 0;
    for (class, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = class;
        }
    }
    best as u32
}
