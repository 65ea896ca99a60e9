//! The planner over rows that stand-in trials fill: how good a setting is follows from its specification.

use serde_json::{Value, json};
use yard_spec::{TrainingSpec, value_at};
use yard_types::{ErrorCode, Timestamp};

use super::*;
use crate::{
    Demand, Job, JobFailure, JobId, JobKind, JobResult, JobState, LogLevel, Planner, Report, SearchStep,
};

const BASE: &str = "name = 'm'\nseed = 7\ntask = 'classification'\ndata = { builtin = 'iris' }\nmodel = { kind = \
                    'logistic' }\ntraining = { epochs = 10, threads = 2 }\n";

fn search(text: &str) -> Job {
    let spec = TrainingSpec::from_toml(&format!("{BASE}[search]\n{text}")).unwrap();
    let new = crate::NewJob {
        kind: JobKind::Search,
        demand: Demand { threads: 2, memory_bytes: 1 << 30 },
        ..crate::testing::new_job(&spec.to_json())
    };
    Job { state: JobState::Running, ..Job::queued(new, JobId::from_bits(1), Timestamp(0)) }
}

/// How a trial ends, by its specification.
type Ends<'a> = &'a dyn Fn(&Value) -> Option<Value>;

fn trial(search: &Job, new: &crate::NewTrial) -> Job {
    let kind = JobKind::Trial { search: search.id, number: new.number };
    let job = crate::NewJob { kind, demand: new.demand, ..crate::testing::new_job(&new.spec) };
    Job::queued(job, JobId::from_bits(100 + u128::from(new.number)), Timestamp(0))
}

fn end(trial: &mut Job, ends: Ends<'_>) {
    let spec: Value = serde_json::from_str(&trial.spec).unwrap();
    match ends(&spec) {
        Some(summary) => {
            trial.state = JobState::Succeeded;
            trial.result = Some(JobResult { version: None, summary: summary.to_string() });
        }
        None => {
            trial.state = JobState::Failed;
            let message = "it diverged".to_owned();
            trial.failure = Some(JobFailure { code: ErrorCode::InvalidArgument, message });
        }
    }
}

fn figures(name: &str, value: f64, bytes: u64) -> Option<Value> {
    Some(json!({
        "task": "classification",
        "metrics": { "validation": { name: value }, "train": { name: 0.0 } },
        "served": { "package_bytes": bytes, "single_run_nanoseconds": 1500 },
    }))
}

fn number_at(spec: &Value, path: &str) -> f64 {
    value_at(spec, path).and_then(Value::as_f64).unwrap()
}

/// Runs a search to its end, one trial at a time; gives its rows in the order of their numbers, and the last step.
fn run(search: &Job, ends: Ends<'_>) -> (Vec<Job>, Result<SearchStep, JobFailure>) {
    let mut trials: Vec<Job> = Vec::new();
    for _ in 0..10_000 {
        match SearchPlanner.next(search, &trials) {
            Ok(SearchStep::Submit(wanted)) => {
                assert!(!wanted.is_empty());
                for new in &wanted {
                    assert!(trials.iter().all(|trial| course::number_of(trial) != Some(new.number)));
                    trials.push(trial(search, new));
                }
                trials.sort_by_key(course::number_of);
            }
            Ok(SearchStep::Wait) => {
                let next = trials.iter_mut().find(|trial| !trial.state.is_final());
                end(next.expect("it waits for a trial"), ends);
            }
            last => return (trials, last),
        }
    }
    panic!("the search does not end");
}

fn best(step: Result<SearchStep, JobFailure>) -> (u32, Value) {
    let Ok(SearchStep::Finish { best, summary }) = step else { panic!("{step:?}") };
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["search"]["best_job"], best.to_string());
    (summary["search"]["best_trial"].as_u64().unwrap() as u32, summary)
}

const GRID: &str = "strategy = 'grid'\n[search.keys]\n'training.batch_size' = [8, 16, 32]\n\
                    'training.weight_decay' = [0.0, 0.5]";
const HALVING: &str = "strategy = 'successive_halving'\ntrials = 9\nkeep_one_of = 3\nfirst_rung = 1\n[search.keys]\n\
                       'training.optimizer.learning_rate' = { low = 0.001, high = 0.9 }";

/// The learning rate is the accuracy.
fn by_rate(spec: &Value) -> Option<Value> {
    figures("accuracy", number_at(spec, "training.optimizer.learning_rate"), 10)
}

#[test]
fn a_grid_tries_every_point_once_and_takes_the_best() {
    let ends = |spec: &Value| {
        let batch = number_at(spec, "training.batch_size");
        figures(
            "accuracy",
            if batch == 16.0 { 0.9 } else { 0.5 } + number_at(spec, "training.weight_decay") / 10.0,
            10,
        )
    };
    let (trials, last) = run(&search(GRID), &ends);
    let points: std::collections::BTreeSet<String> = trials
        .iter()
        .map(|trial| {
            let spec: Value = serde_json::from_str(&trial.spec).unwrap();
            assert!(spec["search"].is_null(), "a trial searches nothing itself");
            format!("{} {}", spec["training"]["batch_size"], spec["training"]["weight_decay"])
        })
        .collect();
    assert_eq!((trials.len(), points.len()), (6, 6));
    let (number, summary) = best(last);
    assert_eq!(number, 3);
    let setting = json!({"training.batch_size": 16, "training.weight_decay": 0.5});
    assert_eq!(summary["search"]["setting"], setting);
    assert_eq!(summary["search"]["trials"], json!({"succeeded": 6, "failed": 0, "cancelled": 0}));
    assert_eq!(summary["served"]["package_bytes"], 10, "the best trial's own summary stays");
}

#[test]
fn trials_take_their_threads_from_the_specification_and_their_memory_from_the_search() {
    let varied = "strategy = 'grid'\n[search.keys]\n'training.threads' = [1, 2]";
    let (trials, _) = run(&search(varied), &by_rate);
    let demands: Vec<(u32, u64)> =
        trials.iter().map(|trial| (trial.demand.threads, trial.demand.memory_bytes)).collect();
    assert_eq!(demands, [(1, 1 << 30), (2, 1 << 30)]);
}

#[track_caller]
fn check_order(metric: &str, name: &str, values: &[f64], sizes: &[u64], expected: &[u32]) {
    let text = format!(
        "strategy = 'grid'\nmetric = '{metric}'\n[search.keys]\n'training.batch_size' = [1, 2, 3, 4]"
    );
    let search = search(&text);
    let at = |spec: &Value| number_at(spec, "training.batch_size") as usize - 1;
    let (trials, last) = run(&search, &|spec| figures(name, values[at(spec)], sizes[at(spec)]));
    assert_eq!(best(last).0, expected[0], "{metric}");
    let board = leaderboard(&search, &trials).unwrap();
    assert_eq!(board.metric, Some(name));
    let order: Vec<u32> = board.standings.iter().map(|standing| standing.number).collect();
    assert_eq!(order, expected, "{metric}");
    let places: Vec<Option<u32>> = board.standings.iter().map(|standing| standing.place).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(board.standings[0].latency_nanoseconds, Some(1500));
}

#[test]
fn more_accuracy_and_less_loss_are_better_and_the_smaller_of_equals() {
    let same = [5; 4];
    check_order("accuracy", "accuracy", &[0.1, 0.9, 0.5, 0.7], &same, &[1, 3, 2, 0]);
    check_order("auto", "accuracy", &[0.1, 0.9, 0.5, 0.7], &same, &[1, 3, 2, 0]);
    check_order("f1", "f1_macro", &[0.1, 0.9, 0.5, 0.7], &same, &[1, 3, 2, 0]);
    check_order("log_loss", "log_loss", &[0.1, 0.9, 0.5, 0.7], &same, &[0, 2, 3, 1]);
    check_order("accuracy", "accuracy", &[0.9, 0.9, 0.5, 0.9], &[30, 10, 1, 10], &[1, 3, 0, 2]);
    check_order("log_loss", "log_loss", &[0.2; 4], &[4, 3, 2, 1], &[3, 2, 1, 0]);
}

#[test]
fn errors_of_numbers_are_better_when_small() {
    let regression = BASE.replace("'classification'", "'regression'").replace("logistic", "linear");
    for (metric, name, more) in
        [("auto", "r2", true), ("r2", "r2", true), ("rmse", "rmse", false), ("mae", "mae", false)]
    {
        let text =
            format!("{regression}[search]\nmetric = '{metric}'\n[search.keys]\n'training.batch_size' = [1]");
        let spec = TrainingSpec::from_toml(&text).unwrap();
        let job = Job { spec: spec.to_json(), ..search(GRID) };
        let new = crate::NewTrial { number: 0, spec: "{}".to_owned(), demand: Demand::default() };
        let mut row = trial(&job, &new);
        end(&mut row, &|_| Some(json!({"task": "regression", "metrics": {"validation": {name: 0.5}}})));
        let board = leaderboard(&job, &[row]).unwrap();
        assert_eq!((board.metric, board.more_is_better), (Some(name), more));
        assert_eq!(board.standings[0].quality, Some(0.5));
    }
}

#[test]
fn halving_gives_the_best_longer_runs() {
    let search = search(HALVING);
    let (trials, last) = run(&search, &by_rate);
    let rate = |trial: &Job| {
        number_at(&serde_json::from_str(&trial.spec).unwrap(), "training.optimizer.learning_rate")
    };
    let epochs = |trial: &Job| number_at(&serde_json::from_str(&trial.spec).unwrap(), "training.epochs");
    let shape: Vec<f64> = trials.iter().map(epochs).collect();
    // Nine with one epoch, three with three; the one that is left runs whole.
    assert_eq!(shape, [&[1.0; 9][..], &[3.0; 3], &[10.0]].concat());
    let mut rates: Vec<f64> = trials[..9].iter().map(rate).collect();
    rates.sort_by(|one, other| other.total_cmp(one));
    let mut second: Vec<f64> = trials[9..12].iter().map(rate).collect();
    second.sort_by(|one, other| other.total_cmp(one));
    assert_eq!(second, rates[..3]);
    assert_eq!(rate(&trials[12]), rates[0]);
    let (number, summary) = best(last);
    assert_eq!(number, course::number_of(&trials[12]).unwrap());
    assert_eq!(summary["search"]["quality"], rates[0]);
    let board = leaderboard(&search, &trials).unwrap();
    let steps: Vec<Option<u64>> = board.standings.iter().map(|standing| standing.steps).collect();
    assert_eq!(steps[..4], [Some(10), Some(3), Some(3), Some(3)], "longer runs stand above");
}

#[test]
fn halving_does_not_make_a_whole_run_twice() {
    let text = "strategy = 'successive_halving'\ntrials = 40\nkeep_one_of = 2\nfirst_rung = 4\n[search.keys]\n\
                'model' = [{ kind = 'logistic' }, { kind = 'decision_tree' }, { kind = 'boosted_trees' }, \
                { kind = 'decision_tree', max_depth = 3 }]";
    // The trees are best: the ones without rounds go on without another run.
    let ends = |spec: &Value| {
        let accuracy = match (spec["model"]["kind"].as_str().unwrap(), &spec["model"]["max_depth"]) {
            ("decision_tree", Value::Null) => 0.8,
            ("boosted_trees", _) => 0.9,
            _ => 0.1,
        };
        figures("accuracy", accuracy, 10)
    };
    let search = search(text);
    let (trials, last) = run(&search, &ends);
    let kinds: Vec<(String, Option<u64>)> = trials
        .iter()
        .map(|trial| {
            let spec: Value = serde_json::from_str(&trial.spec).unwrap();
            let kind = spec["model"]["kind"].as_str().unwrap().to_owned();
            let steps = match kind.as_str() {
                "boosted_trees" => spec["model"]["rounds"].as_u64(),
                "logistic" => spec["training"]["epochs"].as_u64(),
                _ => None,
            };
            (kind, steps)
        })
        .collect();
    let count = |kind: &str| kinds.iter().filter(|(other, _)| other == kind).count();
    assert_eq!(count("decision_tree"), 2, "{kinds:?}");
    assert_eq!(count("logistic"), 1);
    let rounds: Vec<Option<u64>> =
        kinds.iter().filter(|(kind, _)| kind == "boosted_trees").map(|(_, steps)| *steps).collect();
    assert_eq!(rounds, [Some(4), Some(8), Some(100)]);
    let (_, summary) = best(last);
    assert_eq!(summary["search"]["setting"]["model"]["kind"], "boosted_trees");
}

#[test]
fn the_same_rows_give_the_same_step_wherever_a_search_is_taken_up_again() {
    for text in [GRID, HALVING, &HALVING.replace("'successive_halving'", "'random'")] {
        let search = search(text);
        let (whole, last) = run(&search, &by_rate);
        // Every moment of the run: some trials are there, some of them have ended.
        for there in 0..=whole.len() {
            for ended in 0..=there {
                let mut rows: Vec<Job> = whole[..there].to_vec();
                for row in &mut rows[ended..] {
                    row.state = JobState::Running;
                    row.result = None;
                }
                let step = SearchPlanner.next(&search, &rows);
                assert_eq!(step, SearchPlanner.next(&search, &rows));
                match step {
                    Ok(SearchStep::Submit(wanted)) => {
                        for new in &wanted {
                            let known = whole.iter().find(|job| course::number_of(job) == Some(new.number));
                            assert_eq!(
                                known.map(|job| &job.spec),
                                Some(&new.spec),
                                "another trial than without a break"
                            );
                        }
                    }
                    Ok(SearchStep::Wait) => assert!(ended < there),
                    other => {
                        assert_eq!((ended, there), (whole.len(), whole.len()));
                        assert_eq!(other, last);
                    }
                }
            }
        }
    }
}

#[test]
fn a_failed_trial_is_told_and_does_not_end_the_search() {
    let search = search(HALVING);
    let (all_good, _) = run(&search, &by_rate);
    let best_rate = all_good[12].spec.clone();
    let best_rate = number_at(&serde_json::from_str(&best_rate).unwrap(), "training.optimizer.learning_rate");
    let ends = |spec: &Value| {
        if number_at(spec, "training.optimizer.learning_rate") == best_rate { None } else { by_rate(spec) }
    };
    let (trials, last) = run(&search, &ends);
    let (number, summary) = best(last);
    assert!(number >= 18 && summary["search"]["quality"].as_f64().unwrap() < best_rate);
    assert_eq!(summary["search"]["trials"]["failed"], 1);
    let failed: Vec<&Job> = trials.iter().filter(|trial| trial.state == JobState::Failed).collect();
    let told = SearchPlanner.told(&search, &trials, &failed);
    let [Report::Log(line), Report::Progress(progress)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((line.level, progress.step, progress.of), (LogLevel::Warning, 13, Some(13)));
    assert!(line.text.contains("failed: it diverged (training.optimizer.learning_rate = "), "{}", line.text);
    let board = leaderboard(&search, &trials).unwrap();
    let last = board.standings.last().unwrap();
    assert_eq!((last.place, last.failure.as_deref()), (None, Some("it diverged")));
}

#[test]
fn how_many_trials_there_will_be_is_told_from_the_beginning() {
    let of = |search: &Job, trials: &[Job]| match &SearchPlanner.told(search, trials, &[])[..] {
        [Report::Progress(progress)] => (progress.step, progress.of),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&search(GRID), &[]), (0, Some(6)));
    let halving = search(HALVING);
    let (trials, _) = run(&halving, &by_rate);
    for ended in [0, 5, 9, 12, 13] {
        assert_eq!(of(&halving, &trials[..ended]), (ended as u64, Some(13)));
    }
    // Two of nine are left: no longer three go on.
    let few =
        |spec: &Value| by_rate(spec).filter(|_| number_at(spec, "training.optimizer.learning_rate") > 0.8);
    let (trials, _) = run(&halving, &few);
    assert!(trials.len() < 13);
    assert_eq!(of(&halving, &trials), (trials.len() as u64, Some(trials.len() as u64)));
}

#[test]
fn where_the_last_rung_fails_the_rung_before_has_the_last_word() {
    let ends = |spec: &Value| if number_at(spec, "training.epochs") > 3.0 { None } else { by_rate(spec) };
    let (trials, last) = run(&search(HALVING), &ends);
    assert_eq!(trials.len(), 13);
    assert!((9..18).contains(&best(last).0));
}

#[test]
fn a_search_of_which_nothing_succeeds_fails_with_the_first_reason() {
    let (trials, last) = run(&search(GRID), &|_| None);
    assert_eq!(trials.len(), 6);
    let failure = last.unwrap_err();
    assert_eq!(failure.code, ErrorCode::InvalidArgument);
    assert_eq!(failure.message, "none of the 6 trials succeeded; trial 0: it diverged");
    let (_, without_figure) = run(&search(GRID), &|_| Some(json!({"task": "classification"})));
    assert!(without_figure.unwrap_err().message.contains("no trial has a figure"));
}

#[test]
fn a_metric_of_another_task_ends_the_search_with_its_first_trial() {
    let text = GRID.replace("strategy", "metric = 'log_loss'\nstrategy");
    let job = search(&text);
    let spec = job.spec.replace("\"task\":\"classification\"", "\"task\":\"auto\"");
    assert_ne!(spec, job.spec);
    let (trials, last) = run(&Job { spec, ..job }, &|_| Some(json!({"task": "regression"})));
    let failure = last.unwrap_err();
    assert_eq!(failure.message, "search.metric: 'log_loss' is for classification, but this is regression");
    assert_eq!(failure.code, ErrorCode::InvalidArgument);
    let ended = trials.iter().filter(|trial| trial.state.is_final()).count();
    assert_eq!(ended, 1, "the others are not waited for");
}

#[test]
fn values_that_do_not_fit_together_make_a_trial_that_says_so() {
    let text = "strategy = 'grid'\n[search.keys]\n'split.none' = [1]";
    assert!(
        TrainingSpec::from_toml(&format!("{BASE}[search]\n{text}")).is_err(),
        "each value is checked alone"
    );
    let text = "strategy = 'grid'\n[search.keys]\n'training.loss' = ['auto', 'huber']\n'model' = [{ kind = 'logistic' }, \
                { kind = 'linear' }]";
    let base = "name = 'm'\ndata = { builtin = 'iris' }\nmodel = { kind = 'network', layers = [{ type = 'dense', units \
                = 1 }] }\n";
    let spec = TrainingSpec::from_toml(&format!("{base}[search]\n{text}")).unwrap();
    let job = Job { spec: spec.to_json(), ..search(GRID) };
    let Ok(SearchStep::Submit(wanted)) = SearchPlanner.next(&job, &[]) else { panic!() };
    let read: Vec<Option<String>> = wanted
        .iter()
        .map(|new| TrainingSpec::from_json(&new.spec).err().map(|error| error.to_string()))
        .collect();
    let refused: Vec<&String> = read.iter().flatten().collect();
    assert_eq!((wanted.len(), refused.len()), (4, 1), "{read:?}");
    assert!(refused[0].contains("'logistic'"), "{refused:?}");
}

#[test]
fn a_large_search_asks_for_its_trials_bit_by_bit() {
    let text =
        "strategy = 'random'\ntrials = 500\n[search.keys]\n'training.weight_decay' = { low = 0, high = 1 }";
    let search = search(text);
    let Ok(SearchStep::Submit(wanted)) = SearchPlanner.next(&search, &[]) else { panic!() };
    assert_eq!(wanted.len(), 64);
    let ends = |spec: &Value| figures("accuracy", number_at(spec, "training.weight_decay"), 1);
    assert_eq!(run(&search, &ends).0.len(), 500);
}

#[test]
fn without_validation_rows_the_mean_over_the_folds_counts() {
    let folds = |spec: &Value| {
        let mean = number_at(spec, "training.batch_size") / 100.0;
        Some(json!({"task": "classification", "metrics": {"train": {"accuracy": 1.0}},
            "cross_validation": {"figures": {"accuracy": {"mean": mean}}}}))
    };
    assert_eq!(best(run(&search(GRID), &folds).1).0, 4);
}
