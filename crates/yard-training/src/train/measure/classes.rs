//! Figures of a classification.

use super::{super::Metrics, Measured};

/// Probabilities below this, or as near to 1, count as this, so that one sure mistake does not make the loss infinite.
const LEAST_PROBABILITY: f64 = f64::EPSILON;
/// Areas under curves sort all rows once for each class: beyond so many classes they are left out.
const MOST_CURVES: usize = 100;
/// A table of more classes is no longer read by anybody, and grows with their square.
const MOST_CONFUSED: usize = 50;

/// How each class fared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ByClass {
    /// In the order of the model's output.
    pub(crate) classes: Vec<ClassFigures>,
    /// Rows by their class, then by the class that was foretold; `None` where there are too many classes to show.
    pub(crate) confusion: Option<Vec<Vec<u64>>>,
}

/// How one class fared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassFigures {
    /// Of the rows for which the class was foretold, the share that has it; 0 where it never was.
    pub(crate) precision: f64,
    /// Of the rows that have the class, the share for which it was foretold; 0 where there are none.
    pub(crate) recall: f64,
    /// The harmonic mean of both.
    pub(crate) f1: f64,
    /// How many rows have the class.
    pub(crate) rows: u64,
}

pub(super) fn figures(probabilities: &[f32], wanted: &[u32]) -> Measured {
    let width = probabilities.len() / wanted.len().max(1);
    let mut tallies = vec![Tally::default(); width];
    let mut confusion = (width <= MOST_CONFUSED).then(|| vec![vec![0; width]; width]);
    let mut loss = 0.0;
    for (row, wanted) in probabilities.chunks_exact(width.max(1)).zip(wanted) {
        let wanted = *wanted as usize;
        let found = likeliest(row);
        loss -= f64::from(row[wanted]).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln();
        tallies[found].foretold += 1;
        tallies[wanted].there += 1;
        if found == wanted {
            tallies[wanted].both += 1;
        }
        if let Some(confusion) = &mut confusion {
            confusion[wanted][found] += 1;
        }
    }
    let classes: Vec<ClassFigures> = tallies.iter().map(Tally::figures).collect();

    let count = wanted.len() as f64;
    let right: u64 = tallies.iter().map(|tally| tally.both).sum();
    // As scikit-learn has it: classes that are neither there nor foretold do not count.
    let known: Vec<&ClassFigures> =
        classes.iter().zip(&tallies).filter(|(_, tally)| tally.is_known()).map(|(class, _)| class).collect();
    let there: Vec<&ClassFigures> = classes.iter().filter(|class| class.rows > 0).collect();
    let f1_weighted = classes.iter().map(|class| class.f1 * class.rows as f64).sum::<f64>() / count;
    let mut metrics = Metrics::from([
        ("accuracy", right as f64 / count),
        ("balanced_accuracy", mean(&there, |class| class.recall)),
        ("precision_macro", mean(&known, |class| class.precision)),
        ("recall_macro", mean(&known, |class| class.recall)),
        ("f1_macro", mean(&known, |class| class.f1)),
        ("f1_weighted", f1_weighted),
        ("log_loss", loss / count),
    ]);
    let every_class_is_there = there.len() == width;
    if every_class_is_there && (2..=MOST_CURVES).contains(&width) {
        // Of two classes the second against the first, of more each against the others.
        let first = if width == 2 { 1 } else { 0 };
        let curves: Vec<Curve> =
            (first..width).map(|class| Curve::of(probabilities, wanted, width, class)).collect();
        metrics.insert("roc_auc", mean(&curves, |curve| curve.roc_auc));
        metrics.insert("average_precision", mean(&curves, |curve| curve.average_precision));
    }
    Measured { metrics, by_class: Some(ByClass { classes, confusion }) }
}

fn mean<T>(of: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    of.iter().map(figure).sum::<f64>() / of.len().max(1) as f64
}

/// The class of the highest probability; the first of equals.
fn likeliest(row: &[f32]) -> usize {
    let mut best = 0;
    for (class, probability) in row.iter().enumerate() {
        if *probability > row[best] {
            best = class;
        }
    }
    best
}

/// Rows of one class.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// There and foretold.
    both: u64,
    foretold: u64,
    there: u64,
}

impl Tally {
    const fn is_known(&self) -> bool {
        self.foretold + self.there > 0
    }

    fn figures(&self) -> ClassFigures {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        ClassFigures {
            precision: share(self.both, self.foretold),
            recall: share(self.both, self.there),
            f1: share(2 * self.both, self.foretold + self.there),
            rows: self.there,
        }
    }
}

/// Areas under the curves of one class against all others, rows of one probability being taken together.
struct Curve {
    roc_auc: f64,
    average_precision: f64,
}

impl Curve {
    fn of(probabilities: &[f32], wanted: &[u32], width: usize, class: usize) -> Self {
        let mut rows: Vec<(f32, bool)> = probabilities
            .chunks_exact(width)
            .zip(wanted)
            .map(|(row, wanted)| (row[class], *wanted as usize == class))
            .collect();
        rows.sort_by(|one, other| other.0.total_cmp(&one.0));
        let all = rows.iter().filter(|(_, is_it)| *is_it).count() as f64;
        let others = rows.len() as f64 - all;
        let (mut above, mut others_above) = (0.0, 0.0);
        let (mut area, mut average_precision) = (0.0, 0.0);
        for tied in rows.chunk_by(|one, other| one.0 == other.0) {
            let hits = tied.iter().filter(|(_, is_it)| *is_it).count() as f64;
            let misses = tied.len() as f64 - hits;
            // A pair of one probability is half in order.
            area += misses * (above + 0.5 * hits);
            above += hits;
            others_above += misses;
            average_precision += hits / all * (above / (above + others_above));
        }
        Self { roc_auc: area / (all * others), average_precision }
    }
}
