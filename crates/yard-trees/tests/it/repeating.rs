//! The same bytes again: with other threads, and stopped and resumed.

use std::{num::NonZeroUsize, ops::ControlFlow};

use yard_trees::{
    BoostedTreesOptions, EarlyStopping, Ended, Forest, RegressionLoss, TrainingRun, TreesError, train,
};

use crate::data::{Rows, boosted, run};

fn sampled() -> BoostedTreesOptions {
    BoostedTreesOptions {
        rounds: 20,
        row_fraction: 0.7,
        column_fraction: 0.6,
        seed: 5,
        ..BoostedTreesOptions::default()
    }
}

/// The forest after some rounds, as bytes.
fn stopped_after(rounds: usize, run: &TrainingRun<'_>, options: &BoostedTreesOptions) -> Vec<u8> {
    let mut kept = Vec::new();
    let outcome = train(run, options, &mut |progress| {
        kept = progress.forest.to_bytes();
        if progress.round == rounds { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(outcome.unwrap().ended, Ended::Stopped);
    kept
}

#[test]
fn threads_do_not_change_the_forest() {
    // Wide and long enough that threads are used.
    for classes in [0, 3] {
        let rows = Rows::made_up(20_000, 40, classes);
        let options = BoostedTreesOptions { rounds: 4, ..sampled() };
        let with_threads = |threads| {
            let threads = NonZeroUsize::new(threads).unwrap();
            run(&TrainingRun { threads, ..TrainingRun::new(rows.training_set()) }, &options).forest.to_bytes()
        };
        let one = with_threads(1);
        assert!([2, 3, 64].into_iter().all(|threads| with_threads(threads) == one));
    }
}

#[test]
fn seeds_change_sampled_forests_only() {
    let rows = Rows::made_up(500, 6, 3);
    let with_seed = |seed, options: BoostedTreesOptions| {
        let forest = boosted(&rows, &BoostedTreesOptions { seed, rounds: 10, ..options });
        forest.predict(&rows.features).unwrap()
    };
    assert_eq!(with_seed(1, BoostedTreesOptions::default()), with_seed(2, BoostedTreesOptions::default()));
    assert_eq!(with_seed(1, sampled()), with_seed(1, sampled()));
    assert_ne!(with_seed(1, sampled()), with_seed(2, sampled()));
}

#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    let losses = [RegressionLoss::SquaredError, RegressionLoss::AbsoluteError];
    for (classes, loss) in [(0, losses[0]), (0, losses[1]), (2, losses[0]), (4, losses[0])] {
        let rows = Rows::made_up(700, 6, classes);
        let options = BoostedTreesOptions { loss, ..sampled() };
        let whole = TrainingRun::new(rows.training_set());
        let never_stopped = run(&whole, &options).forest.to_bytes();
        for rounds in [1, 7, 20] {
            let kept = stopped_after(rounds, &whole, &options);
            let checkpoint = Some(Forest::from_bytes(&kept).unwrap());
            let resumed = run(&TrainingRun { checkpoint, ..whole.clone() }, &options);
            assert_eq!(resumed.ended, Ended::AllRounds);
            assert!(resumed.forest.to_bytes() == never_stopped, "{classes} classes, after {rounds} rounds");
        }
    }
}

#[test]
fn early_stopping_keeps_the_best_round_and_survives_a_stop() {
    let rows = Rows::of_set("diabetes");
    let (training, validation) = (rows.choose(|row| row % 4 != 0), rows.choose(|row| row % 4 == 0));
    let whole = TrainingRun {
        validation: Some(validation.training_set()),
        ..TrainingRun::new(training.training_set())
    };
    let stopping = EarlyStopping { patience: 5, min_delta: 0.0 };
    let options = BoostedTreesOptions { early_stopping: Some(stopping), ..BoostedTreesOptions::default() };
    let mut losses = Vec::new();
    let outcome = train(&whole, &options, &mut |progress| {
        losses.push(progress.validation_loss.unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(outcome.ended, Ended::Early);
    let best = (0..losses.len()).min_by(|one, other| losses[*one].total_cmp(&losses[*other])).unwrap();
    assert_eq!((outcome.forest.rounds(), losses.len()), (best + 1, best + 1 + stopping.patience));

    let never_stopped = outcome.forest.to_bytes();
    for rounds in [3, best + 3, losses.len()] {
        let kept = stopped_after(rounds, &whole, &options);
        let checkpoint = Some(Forest::from_bytes(&kept).unwrap());
        let resumed = run(&TrainingRun { checkpoint, ..whole.clone() }, &options);
        assert!(resumed.forest.to_bytes() == never_stopped, "after {rounds} rounds");
    }
    // The forest that came out, too, is a checkpoint.
    let again = run(&TrainingRun { checkpoint: Some(outcome.forest), ..whole.clone() }, &options);
    assert!(again.forest.to_bytes() == never_stopped);
}

#[test]
fn a_checkpoint_of_other_data_or_options_is_refused() {
    let rows = Rows::made_up(300, 4, 0);
    let options = BoostedTreesOptions { rounds: 3, ..BoostedTreesOptions::default() };
    let checkpoint = Some(boosted(&rows, &options));
    let verdict = |rows: &Rows, options: &BoostedTreesOptions| {
        let run = TrainingRun { checkpoint: checkpoint.clone(), ..TrainingRun::new(rows.training_set()) };
        train(&run, options, &mut |_| ControlFlow::Continue(())).map(|outcome| outcome.forest.rounds())
    };
    assert_eq!(verdict(&rows, &BoostedTreesOptions { rounds: 5, ..options.clone() }), Ok(5));
    let slower = BoostedTreesOptions { learning_rate: 0.05, ..options.clone() };
    assert_eq!(verdict(&rows, &slower), Err(TreesError::ForeignCheckpoint));
    let mut other = rows.clone();
    other.features[0] = 100.0;
    assert_eq!(verdict(&other, &options), Err(TreesError::ForeignCheckpoint));
    let mut other = rows;
    other.numbers[0] += 1.0;
    assert_eq!(verdict(&other, &options), Err(TreesError::ForeignCheckpoint));
}
