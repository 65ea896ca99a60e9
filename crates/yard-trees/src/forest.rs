//! Trained trees: running them, and what they say about the columns.

use crate::{TreesError, set::TreeMatrix};

mod bytes;
#[cfg(test)]
mod tests;

/// Trained trees.
///
/// A forest of boosted trees is its own checkpoint: training can go on from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    pub(crate) columns: usize,
    pub(crate) output: ForestOutput,
    /// Where the sums of leaves begin, one for each score.
    pub(crate) base: Vec<f32>,
    /// Round by round, and in a round score by score.
    pub(crate) trees: Vec<Tree>,
    /// Tells which data and options this was trained on.
    pub(crate) fingerprint: [u8; 32],
}

/// What a forest predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForestOutput {
    /// A number: sums of leaves.
    Number,
    /// Probabilities of classes out of sums of leaves, by softmax: boosted trees.
    Scores {
        /// How many classes.
        classes: usize,
    },
    /// Probabilities of classes as they stand in the leaves: a decision tree.
    Shares {
        /// How many classes.
        classes: usize,
    },
}

/// What the splits by one column did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ColumnImportance {
    /// By how much they lowered what training makes small, in sum.
    pub gain: f64,
    /// How many there are.
    pub splits: usize,
}

/// A tree: its root is the first node, children come after their parents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// The leaves' values, [`ForestOutput::leaf_width`] for each leaf.
    pub(crate) values: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Node {
    Split(Split),
    /// The number of a leaf among the leaves.
    Leaf(u32),
}

/// Values up to and including the threshold go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    pub(crate) column: u32,
    pub(crate) threshold: f32,
    pub(crate) missing_left: bool,
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) gain: f64,
}

impl ForestOutput {
    /// How many numbers are predicted for each row.
    pub const fn width(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Scores { classes } | Self::Shares { classes } => classes,
        }
    }

    /// How many sums there are for each row; two classes share one.
    pub(crate) const fn scores(self) -> usize {
        match self {
            Self::Number | Self::Scores { classes: 2 } => 1,
            Self::Scores { classes } | Self::Shares { classes } => classes,
        }
    }

    /// How many trees a round of boosting adds.
    pub(crate) const fn trees_per_round(self) -> usize {
        match self {
            Self::Shares { .. } => 1,
            Self::Number | Self::Scores { .. } => self.scores(),
        }
    }

    /// How many values a leaf has.
    pub(crate) const fn leaf_width(self) -> usize {
        match self {
            Self::Shares { classes } => classes,
            Self::Number | Self::Scores { .. } => 1,
        }
    }
}

impl Split {
    fn next(&self, value: f32) -> u32 {
        let left = if value.is_nan() { self.missing_left } else { value <= self.threshold };
        if left { self.left } else { self.right }
    }
}

impl Tree {
    /// The number of the leaf that a row ends in.
    pub(crate) fn leaf(&self, row: &[f32]) -> u32 {
        let mut place = 0_u32;
        loop {
            match &self.nodes[place as usize] {
                Node::Leaf(leaf) => return *leaf,
                Node::Split(split) => place = split.next(row[split.column as usize]),
            }
        }
    }

    pub(crate) fn has_split(&self) -> bool {
        self.nodes.len() > 1
    }
}

impl Forest {
    /// How many columns a row must have.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// What is predicted.
    pub const fn output(&self) -> ForestOutput {
        self.output
    }

    /// How many rounds of boosting there were; 1 for a decision tree.
    pub fn rounds(&self) -> usize {
        self.trees.len() / self.output.trees_per_round()
    }

    /// How many leaves all trees have together.
    pub fn leaves(&self) -> usize {
        self.trees.iter().map(|tree| tree.values.len()).sum::<usize>() / self.output.leaf_width()
    }

    /// Predicts for rows that stand one after the other: [`ForestOutput::width`] numbers for each.
    ///
    /// Unlike in training, infinities are allowed: they lie beyond every threshold.
    pub fn predict(&self, values: &[f32]) -> Result<Vec<f32>, TreesError> {
        if !values.len().is_multiple_of(self.columns) {
            let rows = values.len() / self.columns;
            return Err(TreesError::Shape { values: values.len(), rows, columns: self.columns });
        }
        let rows = values.chunks_exact(self.columns);
        let mut predictions = Vec::with_capacity(rows.len() * self.output.width());
        let mut scores = vec![0.0; self.output.scores()];
        for row in rows {
            scores.fill(0.0);
            self.add_leaves(row, &mut scores);
            for (score, base) in scores.iter_mut().zip(&self.base) {
                *score += base;
            }
            match self.output {
                ForestOutput::Scores { .. } => softmax(&scores, &mut predictions),
                ForestOutput::Number | ForestOutput::Shares { .. } => predictions.extend(&scores),
            }
        }
        Ok(predictions)
    }

    /// What the splits by each column did.
    pub fn importance(&self) -> Vec<ColumnImportance> {
        let mut importance = vec![ColumnImportance::default(); self.columns];
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            if let Node::Split(split) = node {
                let column = &mut importance[split.column as usize];
                column.gain += split.gain;
                column.splits += 1;
            }
        }
        importance
    }

    /// The sums of leaves of each row, without the base.
    pub(crate) fn sums(&self, matrix: &TreeMatrix<'_>) -> Vec<f32> {
        let mut sums = vec![0.0; matrix.rows() * self.output.scores()];
        for (row, sums) in sums.chunks_exact_mut(self.output.scores()).enumerate() {
            self.add_leaves(matrix.row(row), sums);
        }
        sums
    }

    fn add_leaves(&self, row: &[f32], sums: &mut [f32]) {
        if let ForestOutput::Shares { classes } = self.output {
            for tree in &self.trees {
                let first = tree.leaf(row) as usize * classes;
                for (sum, value) in sums.iter_mut().zip(&tree.values[first..first + classes]) {
                    *sum += value;
                }
            }
            return;
        }
        for round in self.trees.chunks_exact(sums.len()) {
            for (sum, tree) in sums.iter_mut().zip(round) {
                *sum += tree.values[tree.leaf(row) as usize];
            }
        }
    }

    /// The first rounds alone.
    pub(crate) fn truncate(&mut self, rounds: usize) {
        self.trees.truncate(rounds * self.output.trees_per_round());
    }
}

/// Probabilities of classes: of two out of one score, of more out of a score for each.
pub(crate) fn softmax(scores: &[f32], probabilities: &mut Vec<f32>) {
    if let [score] = scores {
        let second = 1.0 / (1.0 + (-f64::from(*score)).exp());
        let first = 1.0 / (1.0 + f64::from(*score).exp());
        probabilities.extend([first as f32, second as f32]);
        return;
    }
    let normaliser = log_sum_of_powers(scores.iter().copied());
    probabilities.extend(scores.iter().map(|score| (f64::from(*score) - normaliser).exp() as f32));
}

/// The logarithm of the sum of the powers of e, safe for large scores.
pub(crate) fn log_sum_of_powers(scores: impl Iterator<Item = f32> + Clone) -> f64 {
    let largest = f64::from(scores.clone().fold(f32::NEG_INFINITY, f32::max));
    largest + scores.map(|score| (f64::from(score) - largest).exp()).sum::<f64>().ln()
}
