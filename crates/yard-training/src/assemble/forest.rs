//! The options of trees.

use yard_spec::{BoostedTreesModel, DecisionTreeModel, TrainingSpec};
use yard_trees::{BoostedTreesOptions, DecisionTreeOptions, EarlyStopping};

pub(crate) fn boosted_trees(spec: &TrainingSpec, keys: &BoostedTreesModel) -> BoostedTreesOptions {
    let stopping = spec.training.early_stopping.as_ref();
    BoostedTreesOptions {
        seed: spec.seed,
        rounds: keys.rounds,
        learning_rate: keys.learning_rate,
        max_leaves: keys.max_leaves,
        max_depth: keys.max_depth,
        min_leaf_rows: keys.min_rows_per_leaf,
        l2: keys.l2,
        min_gain: keys.min_gain,
        bins: keys.max_bins,
        row_fraction: keys.row_share,
        column_fraction: keys.column_share,
        early_stopping: stopping
            .map(|stopping| EarlyStopping { patience: stopping.patience, min_delta: stopping.min_delta }),
        ..BoostedTreesOptions::default()
    }
}

pub(crate) fn decision_tree(keys: &DecisionTreeModel) -> DecisionTreeOptions {
    DecisionTreeOptions {
        max_depth: Some(keys.max_depth),
        min_leaf_rows: keys.min_rows_per_leaf,
        ..DecisionTreeOptions::default()
    }
}
