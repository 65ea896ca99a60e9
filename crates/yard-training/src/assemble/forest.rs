//! The options of trees.

use yard_spec::{BoostedTreesModel, DecisionTreeModel, TrainingSpec};
use yard_trees::{BoostedTreesOptions, DecisionTreeOptions, EarlyStopping};

use crate::TrainingError;

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

pub(crate) fn decision_tree(keys: &DecisionTreeModel) -> Result<DecisionTreeOptions, TrainingError> {
    // The search tries every threshold and grows level by level: neither key has a meaning for it.
    let default = DecisionTreeModel::default();
    for (key, is_set) in
        [("max_leaves", keys.max_leaves.is_some()), ("max_bins", keys.max_bins != default.max_bins)]
    {
        if is_set {
            return Err(TrainingError::Unsupported(format!(
                "model.{key} is for boosted trees: a single decision tree is bounded by max_depth and \
                 min_rows_per_leaf; remove the key, or choose kind = \"boosted_trees\" with rounds = 1"
            )));
        }
    }
    Ok(DecisionTreeOptions {
        max_depth: Some(keys.max_depth),
        min_leaf_rows: keys.min_rows_per_leaf,
        ..DecisionTreeOptions::default()
    })
}
