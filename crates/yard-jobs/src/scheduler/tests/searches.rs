//! Searches and their trials.

use yard_types::{ErrorCode, Timestamp};

use super::*;
use crate::{Demand, JobKind, NewTrial};

/// Tries each of these scripts; the best trial is the last one that succeeded.
#[derive(Debug)]
struct Grid(Vec<&'static str>);

impl Planner for Grid {
    fn next(&self, _: &Job, trials: &[Job]) -> Result<SearchStep, JobFailure> {
        if trials.len() < self.0.len() {
            let trial = |(script, number): (&&str, u32)| NewTrial {
                number,
                spec: (*script).to_owned(),
                demand: Demand { threads: 1, memory_bytes: 1 },
            };
            return Ok(SearchStep::Submit(self.0.iter().zip(0..).map(trial).collect()));
        }
        if trials.iter().any(|trial| !trial.state.is_final()) {
            return Ok(SearchStep::Wait);
        }
        match trials.iter().rfind(|trial| trial.state == JobState::Succeeded) {
            Some(best) => Ok(SearchStep::Finish { best: best.id, summary: "{\"trials\":3}".to_owned() }),
            None => {
                Err(JobFailure { code: ErrorCode::InvalidArgument, message: "no trial succeeded".into() })
            }
        }
    }
}

fn search() -> NewJob {
    NewJob { kind: JobKind::Search, demand: Demand::default(), ..new_job("the search") }
}

fn grid(scripts: &[&'static str]) -> Yard {
    Yard::with(Arc::new(Grid(scripts.to_vec())), |_| {})
}

#[tokio::test(start_paused = true)]
async fn a_search_runs_its_trials_and_registers_the_best_one() {
    let yard = grid(&["1 finish", "refuse", "2 finish"]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    let job = yard.ended(id).await;
    assert_eq!((job.state, version(&job), yard.results.versions()), (JobState::Succeeded, Some(1), 1));
    assert_eq!(job.result.unwrap().summary, "{\"trials\":3}");
    let trials = yard.jobs.trials(id).await.unwrap();
    let states: Vec<JobState> = trials.iter().map(|trial| trial.state).collect();
    assert_eq!(states, [JobState::Succeeded, JobState::Failed, JobState::Succeeded]);
    assert!(trials.iter().all(|trial| version(trial).is_none()), "a trial makes no version");
    yard.jobs.shutdown().await;
    assert!(trials.iter().all(|trial| yard.launcher.has_discarded(trial.id)));
}

#[tokio::test(start_paused = true)]
async fn a_large_search_submits_its_trials_bit_by_bit() {
    let yard = grid(&["1 finish"; 150]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    let most = yard.until(id, |job| job.state == JobState::Running).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(yard.jobs.trials(most.id).await.unwrap().len() >= 64);
    assert_eq!(yard.ended(id).await.state, JobState::Succeeded);
    assert_eq!(yard.jobs.trials(id).await.unwrap().len(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_search_without_a_good_trial_fails() {
    let yard = grid(&["refuse", "refuse"]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    let job = yard.ended(id).await;
    assert_eq!((job.state, message(&job)), (JobState::Failed, "no trial succeeded"));
    assert_eq!(Yard::new().planner.next(&job, &[]).unwrap_err().code, ErrorCode::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn a_planner_that_waits_for_nothing_is_no_hang() {
    #[derive(Debug)]
    struct Waits;
    impl Planner for Waits {
        fn next(&self, _: &Job, _: &[Job]) -> Result<SearchStep, JobFailure> {
            Ok(SearchStep::Wait)
        }
    }
    let yard = Yard::with(Arc::new(Waits), |_| {});
    let id = yard.jobs.submit(search()).await.unwrap().id;
    assert_eq!(yard.ended(id).await.state, JobState::Failed);
}

#[tokio::test(start_paused = true)]
async fn calling_a_search_off_calls_its_trials_off() {
    let yard = grid(&["gate", "hang", "finish", "finish"]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    yard.launcher.at_gate().await;
    yard.jobs.cancel(id).await.unwrap();
    assert_eq!(yard.ended(id).await.state, JobState::Cancelled);
    for trial in yard.jobs.trials(id).await.unwrap() {
        assert_eq!(yard.ended(trial.id).await.state, JobState::Cancelled);
    }
    assert_eq!(yard.launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_search_goes_on_after_its_server_was_killed_and_tries_nothing_twice() {
    let mut yard = grid(&["1 finish", "gate | finish", "2 finish"]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    yard.launcher.at_gate().await;
    yard.kill().await;
    yard.start();
    let job = yard.ended(id).await;
    assert_eq!((job.state, version(&job), job.setbacks.losses), (JobState::Succeeded, Some(1), 0));
    assert_eq!(yard.jobs.trials(id).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn trials_that_outlived_their_search_are_called_off() {
    let mut yard = grid(&["gate", "hang"]);
    let id = yard.jobs.submit(search()).await.unwrap().id;
    yard.launcher.at_gate().await;
    yard.kill().await;
    let claim = yard.row(id).await.claim().unwrap();
    yard.store.finish(&claim, &crate::Ending::Cancelled, Timestamp(0)).await.unwrap();
    yard.start();
    for trial in yard.jobs.trials(id).await.unwrap() {
        assert_eq!(yard.ended(trial.id).await.state, JobState::Cancelled);
    }
}

/// Trials wait at a gate; how good one is stands in its specification. The smallest rates are too small to learn.
fn trained(spec: &str) -> (String, String) {
    let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
    let rate = spec["training"]["optimizer"]["learning_rate"].as_f64().unwrap();
    let script = if rate < 0.1 { "gate refuse" } else { "gate 1 finish" };
    let summary = serde_json::json!({
        "task": "classification",
        "metrics": { "validation": { "accuracy": rate } },
        "served": { "package_bytes": 10, "single_run_nanoseconds": 1000 },
    });
    (script.to_owned(), summary.to_string())
}

const HALVING: &str = "name = 'm'\nseed = 3\ndata = { builtin = 'iris' }\nmodel = { kind = 'logistic' }\n\
    training = { epochs = 9 }\n[search]\nstrategy = 'successive_halving'\ntrials = 9\n[search.keys]\n\
    'training.optimizer.learning_rate' = { low = 0.01, high = 1, scale = 'log' }\n";

/// Runs a search by its specification, killing the server after so many of its trials have ended.
async fn halved(killed_after: Option<u64>) -> (Vec<(u32, String, JobState)>, String) {
    let mut yard = Yard::with(Arc::new(crate::SearchPlanner), |_| {});
    yard.launcher.translate(trained);
    let spec = yard_spec::TrainingSpec::from_toml(HALVING).unwrap().to_json();
    let new = NewJob { kind: JobKind::Search, ..new_job(&spec) };
    let id = yard.jobs.submit(new).await.unwrap().id;
    if let Some(ended) = killed_after {
        yard.launcher.open(ended as usize);
        let told = |job: &Job| job.progress.as_ref().is_some_and(|progress| progress.step >= ended);
        yard.until(id, told).await;
        yard.kill().await;
        yard.start();
    }
    yard.launcher.open(1000);
    let job = yard.ended(id).await;
    assert_eq!((job.state, version(&job), yard.results.versions()), (JobState::Succeeded, Some(1), 1));
    let trials = yard.jobs.trials(id).await.unwrap();
    let log = yard.jobs.log_lines(id, 100).await.unwrap();
    let failed = trials.iter().filter(|trial| trial.state == JobState::Failed).count();
    let told = log.iter().filter(|(_, line)| line.text.contains("failed: column 'label' is missing")).count();
    assert!(failed > 0 && told <= failed && (killed_after.is_some() || told == failed), "{failed} {told}");
    let number = |job: &Job| match job.kind {
        JobKind::Trial { number, .. } => number,
        JobKind::Train | JobKind::Search => panic!(),
    };
    let summary: serde_json::Value = serde_json::from_str(&job.result.unwrap().summary).unwrap();
    let board = crate::leaderboard(&yard.row(id).await, &trials).unwrap();
    assert_eq!(summary["search"]["best_job"], board.standings[0].job.to_string());
    yard.jobs.shutdown().await;
    assert!(trials.iter().all(|trial| yard.launcher.has_discarded(trial.id)));
    let rows = trials.into_iter().map(|trial| (number(&trial), trial.spec, trial.state)).collect();
    (rows, summary["search"]["best_trial"].to_string())
}

#[tokio::test(start_paused = true)]
async fn how_many_trials_there_will_be_is_known_before_the_first_has_ended() {
    let yard = Yard::with(Arc::new(crate::SearchPlanner), |_| {});
    yard.launcher.translate(trained);
    let spec = yard_spec::TrainingSpec::from_toml(HALVING).unwrap().to_json();
    let new = NewJob { kind: JobKind::Search, ..new_job(&spec) };
    let id = yard.jobs.submit(new).await.unwrap().id;
    let job = yard.until(id, |job| job.progress.is_some()).await;
    let progress = job.progress.unwrap();
    assert_eq!((&*progress.phase, progress.step, progress.of), ("trial", 0, Some(13)));
    assert!(yard.jobs.trials(id).await.unwrap().iter().all(|trial| !trial.state.is_final()));
}

#[tokio::test(start_paused = true)]
async fn a_search_by_halving_runs_as_child_jobs_and_a_killed_server_changes_nothing() {
    let whole = halved(None).await;
    assert_eq!(whole.0.len(), 9 + 3 + 1);
    for ended in [1, 4, 9, 11] {
        assert_eq!(halved(Some(ended)).await, whole, "killed after {ended}");
    }
}
