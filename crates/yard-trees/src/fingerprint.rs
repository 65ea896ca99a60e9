//! Which data and options a forest was trained on.

use sha2::{Digest, Sha256};

use crate::{BoostedTreesOptions, RegressionLoss, Targets, TrainingSet};

/// Of everything that the trees of a round depend on: not how many rounds there are to be, nor when to stop early.
pub(crate) fn fingerprint(set: &TrainingSet<'_>, options: &BoostedTreesOptions) -> [u8; 32] {
    let mut hash = Sha256::new();
    add_options(&mut hash, options);
    let matrix = set.matrix();
    add_count(&mut hash, matrix.rows());
    add_count(&mut hash, matrix.columns());
    add_floats(&mut hash, matrix.values());
    match set.targets() {
        Targets::Numbers(numbers) => {
            add_count(&mut hash, 0);
            add_floats(&mut hash, numbers);
        }
        Targets::Classes { codes, classes } => {
            add_count(&mut hash, classes);
            for code in codes {
                hash.update(code.to_le_bytes());
            }
        }
    }
    add_floats(&mut hash, set.weights().unwrap_or_default());
    hash.finalize().into()
}

fn add_options(hash: &mut Sha256, options: &BoostedTreesOptions) {
    let BoostedTreesOptions {
        seed,
        rounds: _,
        learning_rate,
        max_leaves,
        max_depth: _,
        min_leaf_rows,
        min_leaf_hessian,
        l2,
        min_gain,
        bins,
        row_fraction,
        column_fraction,
        loss,
        early_stopping: _,
    } = options;
    hash.update(seed.to_le_bytes());
    for count in [*max_leaves, options.deepest(), *min_leaf_rows, *bins] {
        add_count(hash, count);
    }
    let loss = match loss {
        RegressionLoss::SquaredError => -1.0,
        RegressionLoss::AbsoluteError => -2.0,
        RegressionLoss::Huber { delta } => *delta,
    };
    for number in [*learning_rate, *min_leaf_hessian, *l2, *min_gain, *row_fraction, *column_fraction, loss] {
        hash.update(number.to_le_bytes());
    }
}

fn add_count(hash: &mut Sha256, count: usize) {
    hash.update((count as u64).to_le_bytes());
}

fn add_floats(hash: &mut Sha256, floats: &[f32]) {
    let mut buffer = Vec::with_capacity(4096);
    for chunk in floats.chunks(1024) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|float| float.to_le_bytes()));
        hash.update(&buffer);
    }
}
