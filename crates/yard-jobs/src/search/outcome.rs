//! How good a trial is: what its summary says, and which of two is better.

use std::cmp::Ordering;

use serde_json::Value;
use yard_spec::{Metric, SearchSpec};

use crate::{Job, JobState};

/// By what the trials of a search are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    /// As the summaries of jobs name it.
    pub(super) name: &'static str,
    pub(super) more_is_better: bool,
}

/// The figures of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Outcome {
    /// Finite; `None` where the trial has not succeeded, or its figure is not a number.
    pub(super) quality: Option<f64>,
    pub(super) latency_nanoseconds: Option<u64>,
    pub(super) bytes: Option<u64>,
}

impl Measure {
    /// What the specification says; where it leaves that to the task, the task that the first trial found.
    pub(super) fn of(search: &SearchSpec, trials: &[Job]) -> Option<Self> {
        let measure = |name, more_is_better| Some(Self { name, more_is_better });
        match search.metric {
            Metric::Auto => trials.iter().find_map(|trial| match summary(trial)?["task"].as_str()? {
                "regression" => measure("r2", true),
                "classification" => measure("accuracy", true),
                _ => None,
            }),
            Metric::Accuracy => measure("accuracy", true),
            Metric::F1 => measure("f1_macro", true),
            Metric::LogLoss => measure("log_loss", false),
            Metric::R2 => measure("r2", true),
            Metric::Rmse => measure("rmse", false),
            Metric::Mae => measure("mae", false),
        }
    }

    /// Why the trials of a search cannot be compared by its metric, which shows with the first of them: only the data say
    /// what the task is, where the specification does not.
    pub(super) fn contradiction(search: &SearchSpec, trials: &[Job]) -> Option<String> {
        let (metric, needed) = (search.metric, search.metric.task()?);
        let found = trials.iter().find_map(|trial| Some(summary(trial)?["task"].as_str()?.to_owned()))?;
        let fits = found == needed.as_str();
        (!fits).then(|| format!("search.metric: '{metric}' is for {needed}, but this is {found}"))
    }

    /// The better one first; of equals the smaller model.
    pub(super) fn order(self, one: &Outcome, other: &Outcome) -> Ordering {
        let quality = match (one.quality, other.quality) {
            (Some(one), Some(other)) if self.more_is_better => other.total_cmp(&one),
            (Some(one), Some(other)) => one.total_cmp(&other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        };
        let size = |outcome: &Outcome| outcome.bytes.unwrap_or(u64::MAX);
        quality.then_with(|| size(one).cmp(&size(other)))
    }
}

impl Outcome {
    /// What the row says. Where there are no validation rows, the mean over the folds stands for them.
    pub(super) fn of(trial: &Job, measure: Measure) -> Self {
        let Some(summary) = summary(trial) else { return Self::default() };
        let on_validation = &summary["metrics"]["validation"][measure.name];
        let over_folds = &summary["cross_validation"]["figures"][measure.name]["mean"];
        let quality = on_validation.as_f64().or_else(|| over_folds.as_f64());
        let served = &summary["served"];
        Self {
            quality: quality.filter(|quality| quality.is_finite()),
            latency_nanoseconds: served["single_run_nanoseconds"].as_u64(),
            bytes: served["package_bytes"].as_u64(),
        }
    }
}

fn summary(trial: &Job) -> Option<Value> {
    let result = trial.result.as_ref().filter(|_| trial.state == JobState::Succeeded)?;
    serde_json::from_str(&result.summary).ok()
}
