//! `[model]`: what is fitted.

use super::Layer;
use crate::keys::{ANY, Allowed, NOT_NEGATIVE, allowed_between};

spec_kinds! {
    /// What is fitted.
    pub enum ModelSpec by "kind" {
        /// Linear regression.
        Linear = "linear",
        /// Logistic regression, for two classes or more.
        Logistic = "logistic",
        /// A neural network of layers.
        Network(keys: NetworkModel) = "network",
        /// One decision tree, for regression and classification.
        DecisionTree(keys: DecisionTreeModel) = "decision_tree",
        /// Gradient-boosted decision trees, for regression and classification.
        BoostedTrees(keys: BoostedTreesModel) = "boosted_trees",
        /// A small transformer over the words of one text column; its tokenizer is part of the model.
        TextClassifier(keys: TextClassifierModel) = "text_classifier",
    }
}

spec_table! {
    /// A neural network of layers.
    pub struct NetworkModel {
        /// The shape of one row: `[features]`, or `[channels, height, width]`, which layers over pictures need.
        /// Feature columns that are as many as its values are read in this shape, the last dimension first. Not set:
        /// the shape that the data has.
        input: Option<Vec<usize>> = none, "values", allowed_between(1.0, 16_777_216.0);
        /// The layers, in order. The last gives one value for regression and one for each class otherwise.
        layers: Vec<Layer> = required, "", ANY;
    }
}

spec_table! {
    /// One decision tree. Every threshold is tried; for one with fewer of them or with most leaves instead of a depth there
    /// is `boosted_trees` with `rounds = 1` and `learning_rate = 1.0`.
    pub struct DecisionTreeModel: Default {
        /// Most decisions from the root to a leaf.
        max_depth: usize = 10, "decisions", allowed_between(1.0, 64.0);
        /// Fewest training rows in a leaf.
        min_rows_per_leaf: usize = 5, "rows", allowed_between(1.0, 1_000_000_000.0);
    }
}

spec_table! {
    /// Gradient-boosted decision trees.
    pub struct BoostedTreesModel: Default {
        /// Rounds of boosting. Each adds one tree, or one for each class where there are more than two.
        rounds: usize = 100, "rounds", allowed_between(1.0, 100_000.0);
        /// The share of each tree's correction that is taken.
        learning_rate: f64 = 0.1, "share", Allowed::AboveUpTo(0.0, 1.0);
        /// Most leaves of a tree.
        max_leaves: usize = 31, "leaves", allowed_between(2.0, 65_536.0);
        /// Most decisions from the root to a leaf. Not set: as many as the leaves allow.
        max_depth: Option<usize> = none, "decisions", allowed_between(1.0, 64.0);
        /// Fewest training rows in a leaf.
        min_rows_per_leaf: usize = 20, "rows", allowed_between(1.0, 1_000_000_000.0);
        /// L2 penalty on the values of leaves.
        l2: f64 = 0.0, "", NOT_NEGATIVE;
        /// Least gain of a split.
        min_gain: f64 = 0.0, "loss", NOT_NEGATIVE;
        /// Most thresholds that are tried for a column, and one.
        max_bins: usize = 255, "bins", allowed_between(2.0, 255.0);
        /// The part of the rows, drawn anew in each round, that a tree is fitted to.
        row_share: f64 = 1.0, "share of rows", Allowed::AboveUpTo(0.0, 1.0);
        /// The part of the columns, drawn anew for each tree, that it may use.
        column_share: f64 = 1.0, "share of columns", Allowed::AboveUpTo(0.0, 1.0);
    }
}

spec_table! {
    /// A small transformer over words.
    pub struct TextClassifierModel: Default {
        /// Most words that are known; the most frequent of the training rows are kept.
        vocabulary: usize = 8000, "words", allowed_between(2.0, 1_000_000.0);
        /// How often a word must stand in the training rows to be known.
        min_count: usize = 2, "times", allowed_between(1.0, 1_000_000.0);
        /// Whether capital letters are read as small ones.
        lower_case: bool = true, "", ANY;
        /// Most words of a text; the rest is cut off.
        max_tokens: usize = 128, "words", allowed_between(1.0, 4096.0);
        /// Numbers that stand for a word. A multiple of `heads`.
        width: usize = 64, "values", allowed_between(1.0, 4096.0);
        /// Heads of attention.
        heads: usize = 4, "heads", allowed_between(1.0, 64.0);
        /// Blocks of attention and a dense part.
        blocks: usize = 2, "blocks", allowed_between(1.0, 48.0);
        /// Width of the dense part of a block.
        hidden: usize = 128, "values", allowed_between(1.0, 16_384.0);
        /// The part of the values that is set to 0 while training.
        dropout: f64 = 0.1, "share of values", Allowed::Below(0.0, 1.0);
    }
}
