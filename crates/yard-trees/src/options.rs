//! How trees are trained, with scikit-learn's defaults.

use crate::{MAX_DEPTH, TreesError};

/// How boosted trees are trained. The defaults are those of scikit-learn's `HistGradientBoosting`, but that nothing
/// stops early unless told to.
#[derive(Debug, Clone, PartialEq)]
pub struct BoostedTreesOptions {
    /// Where random draws begin; without subsampling nothing is drawn. Default 0.
    pub seed: u64,
    /// How many rounds at most; a round adds one tree, or one for each class if there are more than two.
    /// Default 100, at least 1.
    pub rounds: usize,
    /// How much of each tree's correction is taken. Default 0.1, between 0.0001 and 1.
    pub learning_rate: f64,
    /// How many leaves a tree may have. Default 31, between 2 and 65,536.
    pub max_leaves: usize,
    /// How many splits may lie above a leaf. Default none; never more than [`MAX_DEPTH`].
    pub max_depth: Option<usize>,
    /// How many rows a leaf must hold. Default 20, at least 1.
    pub min_leaf_rows: usize,
    /// How much second-order weight a leaf must hold: rows in regression, sums of p (1 - p) in classification.
    /// Default 0.001, not negative.
    pub min_leaf_hessian: f64,
    /// Shrinks leaves with little second-order weight. Default 0, not negative.
    pub l2: f64,
    /// How much a split must gain. Default 0, not negative.
    pub min_gain: f64,
    /// Into how many bins the values of a column are put, besides one for missing values.
    /// Default 255, between 2 and 255.
    pub bins: usize,
    /// Which part of the rows each round sees, drawn anew without putting back. Default 1, above 0.
    pub row_fraction: f64,
    /// Which part of the columns each round sees, drawn anew. Default 1, above 0.
    pub column_fraction: f64,
    /// What regression makes small; classification always uses the logistic loss. Default squared error.
    pub loss: RegressionLoss,
    /// When to end before the last round. Default never.
    pub early_stopping: Option<EarlyStopping>,
}

/// What regression makes small.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RegressionLoss {
    /// The squared difference: leaves hold means.
    #[default]
    SquaredError,
    /// The difference: leaves hold medians.
    AbsoluteError,
    /// The squared difference up to `delta`, from there on the difference.
    Huber {
        /// Where the one becomes the other, in units of the target; above 0.
        delta: f64,
    },
}

/// Ends training when the loss on the validation set no longer falls, and keeps the rounds up to the best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// How many rounds in a row may pass without a better loss; at least 1.
    pub patience: usize,
    /// By how much a loss must fall to be better; not negative.
    pub min_delta: f64,
}

/// How one decision tree is trained. The defaults are scikit-learn's.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionTreeOptions {
    /// How a split of classes is judged; regression always uses the squared error. Default Gini.
    pub criterion: Criterion,
    /// How many splits may lie above a leaf. Default none; never more than [`MAX_DEPTH`].
    pub max_depth: Option<usize>,
    /// How many rows a node must hold to be split. Default 2, at least 2.
    pub min_split_rows: usize,
    /// How many rows a leaf must hold. Default 1, at least 1.
    pub min_leaf_rows: usize,
    /// How much a split must lower the impurity, weighed by the part of all rows it concerns. Default 0, not negative.
    pub min_gain: f64,
}

/// How a split of classes is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Criterion {
    /// How often two rows drawn with putting back are of different classes.
    #[default]
    Gini,
    /// How many bits the class of a row takes to tell.
    Entropy,
}

impl Default for BoostedTreesOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            rounds: 100,
            learning_rate: 0.1,
            max_leaves: 31,
            max_depth: None,
            min_leaf_rows: 20,
            min_leaf_hessian: 1e-3,
            l2: 0.0,
            min_gain: 0.0,
            bins: 255,
            row_fraction: 1.0,
            column_fraction: 1.0,
            loss: RegressionLoss::default(),
            early_stopping: None,
        }
    }
}

impl Default for DecisionTreeOptions {
    fn default() -> Self {
        Self {
            criterion: Criterion::default(),
            max_depth: None,
            min_split_rows: 2,
            min_leaf_rows: 1,
            min_gain: 0.0,
        }
    }
}

impl BoostedTreesOptions {
    /// Whether every option lies in its range.
    pub fn check(&self) -> Result<(), TreesError> {
        let whole = |option, value: usize, least: usize, most: usize, allowed| {
            let fits = (least..=most).contains(&value);
            if fits { Ok(()) } else { Err(TreesError::option(option, value, allowed)) }
        };
        whole("rounds", self.rounds, 1, 1_000_000, "between 1 and 1,000,000")?;
        whole("max_leaves", self.max_leaves, 2, 65_536, "between 2 and 65,536")?;
        whole("min_leaf_rows", self.min_leaf_rows, 1, usize::MAX, "at least 1")?;
        whole("bins", self.bins, 2, 255, "between 2 and 255")?;
        check_depth(self.max_depth)?;
        if !(1e-4..=1.0).contains(&self.learning_rate) {
            return Err(TreesError::option("learning_rate", self.learning_rate, "between 0.0001 and 1"));
        }
        check_not_negative("min_leaf_hessian", self.min_leaf_hessian)?;
        check_not_negative("l2", self.l2)?;
        check_not_negative("min_gain", self.min_gain)?;
        for (option, value) in
            [("row_fraction", self.row_fraction), ("column_fraction", self.column_fraction)]
        {
            if !(value > 0.0 && value <= 1.0) {
                return Err(TreesError::option(option, value, "above 0 and at most 1"));
            }
        }
        if let RegressionLoss::Huber { delta } = self.loss
            && !(delta > 0.0 && delta.is_finite())
        {
            return Err(TreesError::option("huber delta", delta, "above 0"));
        }
        if let Some(stopping) = self.early_stopping {
            whole("early_stopping.patience", stopping.patience, 1, usize::MAX, "at least 1")?;
            check_not_negative("early_stopping.min_delta", stopping.min_delta)?;
        }
        Ok(())
    }

    pub(crate) fn deepest(&self) -> usize {
        self.max_depth.unwrap_or(MAX_DEPTH)
    }
}

impl DecisionTreeOptions {
    /// Whether every option lies in its range.
    pub fn check(&self) -> Result<(), TreesError> {
        check_depth(self.max_depth)?;
        if self.min_split_rows < 2 {
            return Err(TreesError::option("min_split_rows", self.min_split_rows, "at least 2"));
        }
        if self.min_leaf_rows == 0 {
            return Err(TreesError::option("min_leaf_rows", 0, "at least 1"));
        }
        check_not_negative("min_gain", self.min_gain)
    }

    pub(crate) fn deepest(&self) -> usize {
        self.max_depth.unwrap_or(MAX_DEPTH)
    }
}

fn check_depth(max_depth: Option<usize>) -> Result<(), TreesError> {
    match max_depth {
        Some(depth) if !(1..=MAX_DEPTH).contains(&depth) => {
            Err(TreesError::option("max_depth", depth, "between 1 and 64"))
        }
        _ => Ok(()),
    }
}

fn check_not_negative(option: &'static str, value: f64) -> Result<(), TreesError> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(TreesError::option(option, value, "a number that is not negative"))
    }
}
