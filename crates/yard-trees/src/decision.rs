//! One decision tree, by exact search: every gap between two values of a column is tried.

use std::ops::Range;

use crate::{
    Criterion, DecisionTreeOptions, Forest, ForestOutput, Targets, TrainingSet, TreesError,
    bins::between,
    forest::{Node, Split, Tree},
};

/// Differences below this part of what is compared are rounding.
const ROUNDING: f64 = 1e-12;

/// Trains one decision tree: regression for numbers, else classification.
///
/// Columns are sorted at every node, so that this is meant for thousands of rows rather than millions.
pub fn train_decision_tree(
    training: &TrainingSet<'_>,
    options: &DecisionTreeOptions,
) -> Result<Forest, TreesError> {
    options.check()?;
    training.targets().check_variety()?;
    let output = match training.targets() {
        Targets::Numbers(_) => ForestOutput::Number,
        Targets::Classes { classes, .. } => ForestOutput::Shares { classes },
    };
    let counted = |row: &u32| training.weight(*row as usize) > 0.0;
    let mut rows: Vec<u32> = (0..training.matrix().rows() as u32).filter(counted).collect();
    let total_weight = rows.iter().map(|row| training.weight(*row as usize)).sum();
    let search = Search { training, options, total_weight, width: output.leaf_width() };
    Ok(Forest {
        columns: training.matrix().columns(),
        output,
        base: vec![0.0; output.scores()],
        trees: vec![search.grow(&mut rows)],
        fingerprint: [0; 32],
    })
}

struct Search<'a> {
    training: &'a TrainingSet<'a>,
    options: &'a DecisionTreeOptions,
    total_weight: f64,
    /// How many classes, or 1 for numbers.
    width: usize,
}

/// The weights of some rows: of each class, or times the numbers' distance from the mean of their node.
#[derive(Debug, Clone, PartialEq)]
struct Tally {
    parts: Vec<f64>,
    weight: f64,
    rows: usize,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    column: usize,
    threshold: f32,
    missing_left: bool,
    gain: f64,
}

struct Waiting {
    node: usize,
    rows: Range<usize>,
    depth: usize,
}

impl Search<'_> {
    fn grow(&self, rows: &mut [u32]) -> Tree {
        let mut nodes: Vec<Option<Split>> = vec![None];
        let mut leaves: Vec<Vec<f32>> = vec![Vec::new()];
        let mut waiting = vec![Waiting { node: 0, rows: 0..rows.len(), depth: 0 }];
        while let Some(Waiting { node, rows: range, depth }) = waiting.pop() {
            let mean = self.mean(&rows[range.clone()]);
            let found = self.best_split(&rows[range.clone()], mean, depth);
            let Some(found) = found else {
                leaves[node] = self.leaf(&rows[range], mean);
                continue;
            };
            let first_child = nodes.len();
            let split = Split {
                column: found.column as u32,
                threshold: found.threshold,
                missing_left: found.missing_left,
                left: first_child as u32,
                right: first_child as u32 + 1,
                gain: found.gain / self.total_weight,
            };
            let middle = range.start + self.partition(&mut rows[range.clone()], &found);
            nodes[node] = Some(split);
            nodes.extend([None, None]);
            leaves.resize(nodes.len(), Vec::new());
            waiting.push(Waiting { node: first_child + 1, rows: middle..range.end, depth: depth + 1 });
            waiting.push(Waiting { node: first_child, rows: range.start..middle, depth: depth + 1 });
        }
        let mut tree = Tree { nodes: Vec::with_capacity(nodes.len()), values: Vec::new() };
        for (split, leaf) in nodes.into_iter().zip(leaves) {
            tree.nodes.push(match split {
                Some(split) => Node::Split(split),
                None => {
                    let number = tree.values.len() / self.width;
                    tree.values.extend(leaf);
                    Node::Leaf(number as u32)
                }
            });
        }
        tree
    }

    fn value(&self, row: u32, column: usize) -> f32 {
        self.training.matrix().row(row as usize)[column]
    }

    /// The weighted mean of numbers; nothing for classes.
    fn mean(&self, rows: &[u32]) -> f64 {
        let Targets::Numbers(numbers) = self.training.targets() else { return 0.0 };
        let (mut sum, mut weights) = (0.0, 0.0);
        for row in rows {
            let weight = self.training.weight(*row as usize);
            sum += weight * f64::from(numbers[*row as usize]);
            weights += weight;
        }
        sum / weights
    }

    fn leaf(&self, rows: &[u32], mean: f64) -> Vec<f32> {
        match self.training.targets() {
            Targets::Numbers(_) => vec![mean as f32],
            Targets::Classes { .. } => {
                let tally = self.tally(rows.iter().copied(), mean);
                tally.parts.iter().map(|part| (part / tally.weight) as f32).collect()
            }
        }
    }

    /// Puts the rows that go left before the others and says how many these are.
    fn partition(&self, rows: &mut [u32], found: &Found) -> usize {
        let goes_right = |row: &u32| {
            let value = self.value(*row, found.column);
            if value.is_nan() { !found.missing_left } else { value > found.threshold }
        };
        // Stable: falsehood, which is left, comes first.
        rows.sort_by_key(goes_right);
        rows.partition_point(|row| !goes_right(row))
    }

    fn tally(&self, rows: impl Iterator<Item = u32>, mean: f64) -> Tally {
        let mut tally = Tally { parts: vec![0.0; self.width], weight: 0.0, rows: 0 };
        for row in rows {
            self.add(&mut tally, row, mean);
        }
        tally
    }

    fn add(&self, tally: &mut Tally, row: u32, mean: f64) {
        let row = row as usize;
        let weight = self.training.weight(row);
        match self.training.targets() {
            Targets::Numbers(numbers) => tally.parts[0] += weight * (f64::from(numbers[row]) - mean),
            Targets::Classes { codes, .. } => tally.parts[codes[row] as usize] += weight,
        }
        tally.weight += weight;
        tally.rows += 1;
    }

    fn is_pure(&self, rows: &[u32]) -> bool {
        let same = |row: &u32| {
            let (row, first) = (*row as usize, rows[0] as usize);
            match self.training.targets() {
                Targets::Numbers(numbers) => numbers[row] == numbers[first],
                Targets::Classes { codes, .. } => codes[row] == codes[first],
            }
        };
        rows.iter().all(same)
    }

    fn best_split(&self, rows: &[u32], mean: f64, depth: usize) -> Option<Found> {
        if depth == self.options.deepest() || rows.len() < self.options.min_split_rows || self.is_pure(rows) {
            return None;
        }
        let whole = self.tally(rows.iter().copied(), mean);
        let mut best: Option<Found> = None;
        for column in 0..self.training.matrix().columns() {
            let found = self.best_of_column(rows, mean, column, &whole);
            if let Some(found) = found
                && best.is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    fn best_of_column(&self, rows: &[u32], mean: f64, column: usize, whole: &Tally) -> Option<Found> {
        let (mut known, missing): (Vec<u32>, Vec<u32>) =
            rows.iter().partition(|row| !self.value(**row, column).is_nan());
        known.sort_unstable_by(|one, other| {
            self.value(*one, column).total_cmp(&self.value(*other, column)).then(one.cmp(other))
        });
        let mut best: Option<Found> = None;
        let mut consider = |left: &Tally, threshold: f32, missing_left: bool| {
            let Some(gain) = self.gain(whole, left) else { return };
            if best.is_none_or(|best| gain > best.gain) {
                // Where nothing was missing, a missing value goes where most rows went.
                let missing_left =
                    if missing.is_empty() { left.rows > whole.rows - left.rows } else { missing_left };
                best = Some(Found { column, threshold, missing_left, gain });
            }
        };
        for missing_left in [false, true] {
            if missing_left && missing.is_empty() {
                break;
            }
            let first = if missing_left { &missing[..] } else { &[] };
            let mut left = self.tally(first.iter().copied(), mean);
            for (place, row) in known.iter().enumerate() {
                self.add(&mut left, *row, mean);
                let value = self.value(*row, column);
                match known.get(place + 1).map(|next| self.value(*next, column)) {
                    Some(next) if value < next => consider(&left, between(value, next), missing_left),
                    Some(_) => {}
                    // Splits the missing values from all others.
                    None if !missing_left && !missing.is_empty() => consider(&left, f32::INFINITY, false),
                    None => {}
                }
            }
        }
        best
    }

    /// By how much a split lowers the weighted impurity. Splits that gain nothing yet may enable others below them.
    fn gain(&self, whole: &Tally, left: &Tally) -> Option<f64> {
        let right = Tally {
            parts: whole.parts.iter().zip(&left.parts).map(|(whole, left)| whole - left).collect(),
            weight: whole.weight - left.weight,
            rows: whole.rows - left.rows,
        };
        if left.rows.min(right.rows) < self.options.min_leaf_rows {
            return None;
        }
        let (of_left, of_right) = (self.purity(left), self.purity(&right));
        let gain = of_left + of_right - self.purity(whole);
        let rounding = ROUNDING * (of_left.abs() + of_right.abs());
        (gain + rounding >= self.options.min_gain * self.total_weight).then_some(gain.max(0.0))
    }

    /// The weighted impurity with the sign turned, but for what all splits of a node have in common.
    fn purity(&self, tally: &Tally) -> f64 {
        let is_entropy = self.options.criterion == Criterion::Entropy
            && matches!(self.training.targets(), Targets::Classes { .. });
        let part = |part: &f64| match () {
            () if !is_entropy => part * part / tally.weight,
            () if *part > 0.0 => part * (part / tally.weight).log2(),
            () => 0.0,
        };
        tally.parts.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests;
