//! Deciding what searches do.

use serde_json::{Value, json};
use yard_types::ErrorCode;

use super::{
    course::{Course, Next, number_of},
    outcome::{Measure, Outcome},
    plan::Plan,
};
use crate::{Job, JobFailure, JobState, LogLevel, LogLine, Planner, Progress, Report, SearchStep};

/// Plans searches by their `[search]`: grid, random, successive halving.
///
/// The numbers of a grid's and of a random search's trials are 0, 1, 2 and so on. With halving, trial `n` of rung `r`
/// has the number `r * trials + n`: a setting that goes on to a longer run is trained anew, as another job, since a
/// schedule of the learning rate may run over the whole of its epochs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchPlanner;

impl Planner for SearchPlanner {
    fn next(&self, search: &Job, trials: &[Job]) -> Result<SearchStep, JobFailure> {
        let plan = Plan::of(search)?;
        if let Some(message) = Measure::contradiction(plan.search(), trials) {
            return Err(JobFailure { code: ErrorCode::InvalidArgument, message });
        }
        match Course::of(&plan, trials).next {
            Next::Submit(trials) => Ok(SearchStep::Submit(trials)),
            Next::Wait => Ok(SearchStep::Wait),
            Next::NoneGood => Err(none_good(&plan, trials)),
            Next::Best(number) => {
                let best = trials.iter().find(|trial| number_of(trial) == Some(number));
                let best = best.ok_or_else(|| none_good(&plan, trials))?;
                Ok(SearchStep::Finish { best: best.id, summary: summary(&plan, best, trials) })
            }
        }
    }

    fn told(&self, search: &Job, trials: &[Job], ended: &[&Job]) -> Vec<Report> {
        let Ok(plan) = Plan::of(search) else { return Vec::new() };
        let done = trials.iter().filter(|trial| trial.state.is_final()).count();
        let of = Some(Course::of(&plan, trials).expected as u64);
        let progress = Progress { phase: "trial".to_owned(), step: done as u64, of };
        let measure = Measure::of(plan.search(), trials);
        let lines = ended.iter().map(|trial| Report::Log(line(&plan, measure, trial)));
        lines.chain([Report::Progress(progress)]).collect()
    }
}

/// What became of a trial.
fn line(plan: &Plan, measure: Option<Measure>, trial: &Job) -> LogLine {
    let spec: Value = serde_json::from_str(&trial.spec).unwrap_or_default();
    let setting = plan.words_of(&plan.setting_of(&spec));
    let setting: Vec<String> = setting.iter().map(|(path, words)| format!("{path} = {words}")).collect();
    let setting = setting.join(", ");
    let number = number_of(trial).unwrap_or_default();
    let quality = measure.and_then(|measure| Some((measure, Outcome::of(trial, measure).quality?)));
    let (level, became) = match (trial.state, quality) {
        (JobState::Succeeded, Some((measure, quality))) => {
            (LogLevel::Info, format!("{} {quality:.4}", measure.name))
        }
        (JobState::Succeeded, None) => (LogLevel::Warning, "has no figure that could be compared".to_owned()),
        (JobState::Cancelled, _) => (LogLevel::Warning, "was called off".to_owned()),
        _ => {
            let why = trial.failure.as_ref().map_or("", |failure| failure.message.as_str());
            (LogLevel::Warning, format!("failed: {why}"))
        }
    };
    LogLine { level, text: format!("trial {number} {became} ({setting})") }
}

/// What the best trial tells of its result, and how it was found.
fn summary(plan: &Plan, best: &Job, trials: &[Job]) -> String {
    let told = best.result.as_ref().and_then(|result| serde_json::from_str(&result.summary).ok());
    let mut summary = match told {
        Some(Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let spec: Value = serde_json::from_str(&best.spec).unwrap_or_default();
    let measure = Measure::of(plan.search(), trials);
    let count = |state| trials.iter().filter(|trial| trial.state == state).count();
    let search = json!({
        "strategy": plan.search().strategy.as_str(),
        "metric": measure.map(|measure| measure.name),
        "best_trial": number_of(best),
        "best_job": best.id.to_string(),
        "quality": measure.and_then(|measure| Outcome::of(best, measure).quality),
        "setting": plan.setting_of(&spec).into_iter().collect::<serde_json::Map<_, _>>(),
        "trials": {
            "succeeded": count(JobState::Succeeded),
            "failed": count(JobState::Failed),
            "cancelled": count(JobState::Cancelled),
        },
    });
    summary.insert("search".to_owned(), search);
    Value::Object(summary).to_string()
}

fn none_good(plan: &Plan, trials: &[Job]) -> JobFailure {
    let count = trials.len();
    let why = trials.iter().find_map(|trial| Some((number_of(trial)?, trial.failure.as_ref()?)));
    if let Some((number, failure)) = why {
        let message = format!("none of the {count} trials succeeded; trial {number}: {}", failure.message);
        return JobFailure { code: failure.code, message };
    }
    if trials.iter().any(|trial| trial.state == JobState::Succeeded) {
        let metric = plan.search().metric.as_str();
        let message = format!("no trial has a figure to be compared by (search.metric is '{metric}')");
        return JobFailure { code: ErrorCode::InvalidArgument, message };
    }
    let message = format!("none of the {count} trials succeeded: all were called off");
    JobFailure { code: ErrorCode::Cancelled, message }
}
