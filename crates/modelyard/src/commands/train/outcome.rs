//! What training came to, told alike whether a server or this process did it.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use yard_jobs::Metric;
use yard_spec::TrainingSpec;

use super::{curve, figures};
use crate::output::{Output, Table, counted};

/// What is printed for programs.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// The job's id.
    pub(super) job: String,
    pub(super) model: String,
    /// `None` for a job that nobody waited for.
    pub(super) version: Option<u32>,
    /// What the job tells of its result; likewise.
    pub(super) summary: Option<Value>,
}

impl Outcome {
    /// Says how good the result is, and prints it.
    pub(super) fn print(&self, spec: &TrainingSpec, metrics: &[Metric], output: Output) -> Result<()> {
        match self.summary.as_ref().filter(|summary| summary["search"].is_object()) {
            // A search measures nothing itself.
            Some(summary) => {
                output.talk(best(spec, summary));
                output.talk(of_summary(summary));
            }
            // Nobody waited for it.
            None if metrics.is_empty() => {}
            None => {
                if let Some(curve) = curve::draw(metrics) {
                    output.talk(curve);
                }
                output.talk(figures::table(metrics));
            }
        }
        output.data(self, || match self.version {
            Some(version) => format!("{} version {version}", self.model),
            None => self.job.clone(),
        })
    }
}

/// Which trial of a search was the best, and what was chosen for it.
fn best(spec: &TrainingSpec, summary: &Value) -> String {
    let search = &summary["search"];
    let keys = spec.search.as_ref().map(|search| &search.keys);
    let setting = search["setting"].as_object().into_iter().flatten().map(|(path, value)| {
        let candidates = keys.and_then(|keys| keys.get(path));
        format!("{path} = {}", yard_jobs::words(candidates, value))
    });
    let count = |state: &str| search["trials"][state].as_u64().unwrap_or(0);
    let (succeeded, failed) = (count("succeeded"), count("failed") + count("cancelled"));
    let trials = counted(succeeded, "trial", "trials");
    let failed = if failed > 0 { format!(", {failed} more failed,") } else { String::new() };
    format!(
        "the best of {trials}{failed} is trial {}: {} {:.4} ({})",
        search["best_trial"],
        search["metric"].as_str().unwrap_or("quality"),
        search["quality"].as_f64().unwrap_or(f64::NAN),
        setting.collect::<Vec<_>>().join(", "),
    )
}

/// The figures that a result was registered with, a column for each split.
fn of_summary(summary: &Value) -> String {
    const SPLITS: [&str; 3] = ["train", "validation", "test"];
    let figures = |split: &str| summary["metrics"][split].as_object().into_iter().flatten();
    let names: BTreeSet<&String> = SPLITS.into_iter().flat_map(figures).map(|(name, _)| name).collect();
    let mut table = Table::new(&["METRIC", "TRAIN", "VALIDATION", "TEST"]);
    for name in names {
        let value = |split| summary["metrics"][split][name].as_f64();
        let cell = |split| value(split).map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        table.row([name.clone()].into_iter().chain(SPLITS.map(cell)));
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yard_spec::example;

    use super::*;

    fn summary(failed: u64) -> Value {
        json!({
            "metrics": {
                "train": { "log_loss": 0.01, "accuracy": 1 },
                "validation": { "log_loss": 0.0288 },
                "test": { "log_loss": null },
            },
            "search": {
                "metric": "log_loss", "quality": 0.028_83, "best_trial": 4,
                "setting": { "features.numbers": "min_max", "model": { "kind": "boosted_trees", "rounds": 50 } },
                "trials": { "succeeded": 5, "failed": failed, "cancelled": 0 },
            },
        })
    }

    #[test]
    fn the_best_trial_is_told_with_its_setting_and_how_many_failed() {
        let spec = TrainingSpec::from_toml(example("search-models").unwrap().toml).unwrap();
        assert_eq!(
            best(&spec, &summary(0)),
            "the best of 5 trials is trial 4: log_loss 0.0288 (features.numbers = min_max, model = boosted_trees)"
        );
        assert!(best(&spec, &summary(2)).starts_with("the best of 5 trials, 2 more failed, is trial 4"));
    }

    #[test]
    fn the_figures_of_the_best_trial_are_told_split_by_split() {
        let text = of_summary(&summary(0));
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["METRIC", "TRAIN", "VALIDATION", "TEST"]);
        assert_eq!(rows[1..], [["accuracy", "1.0000", "-", "-"], ["log_loss", "0.0100", "0.0288", "-"]]);
    }
}
