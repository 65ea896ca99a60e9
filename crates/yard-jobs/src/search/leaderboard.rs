//! The trials of a search, the best first.

use std::cmp::Reverse;

use serde_json::Value;

use super::{
    course::{Course, number_of},
    outcome::{Measure, Outcome},
    plan::Plan,
};
use crate::{Job, JobFailure, JobId, JobState};

/// The trials of a search, the best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaderboard {
    /// By what they are compared, as summaries name it; `None` while that depends on a task that no trial has found yet.
    pub metric: Option<&'static str>,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// The keys that the search varies.
    pub keys: Vec<String>,
    /// All trials there are. Those that cannot be compared come last, by number.
    pub standings: Vec<Standing>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// From 1; `None` where it cannot be compared.
    pub place: Option<u32>,
    /// Which trial.
    pub number: u32,
    /// Its job.
    pub job: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Epochs or rounds of its run; `None` where the model has no such steps.
    pub steps: Option<u64>,
    /// Its metric on the validation rows.
    pub quality: Option<f64>,
    /// How long one run of one row takes, measured once after the export.
    pub latency_nanoseconds: Option<u64>,
    /// Size of its package.
    pub bytes: Option<u64>,
    /// What the search chose, by key.
    pub setting: Vec<(String, Value)>,
    /// The same as a person reads it: rounded, and whole models by what tells them apart.
    pub words: Vec<(String, String)>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// The leaderboard of a search. Trials of a later rung stand above those of an earlier one, as longer runs do.
pub fn leaderboard(search: &Job, trials: &[Job]) -> Result<Leaderboard, JobFailure> {
    let plan = Plan::of(search)?;
    let course = Course::of(&plan, trials);
    let measure = Measure::of(plan.search(), trials);
    let mut rows: Vec<(Outcome, usize, Standing)> = trials
        .iter()
        .filter_map(|trial| {
            let number = number_of(trial)?;
            let outcome = measure.map_or_else(Outcome::default, |measure| Outcome::of(trial, measure));
            let rung = course.rungs.get(&number).copied().unwrap_or(0);
            Some((outcome, rung, standing(&plan, trial, number, &outcome)))
        })
        .collect();
    rows.sort_by(|(one, one_rung, left), (other, other_rung, right)| {
        let comparable = |outcome: &Outcome| Reverse(outcome.quality.is_some());
        let order = comparable(one).cmp(&comparable(other)).then_with(|| match measure {
            Some(measure) if one.quality.is_some() => {
                other_rung.cmp(one_rung).then_with(|| measure.order(one, other))
            }
            _ => std::cmp::Ordering::Equal,
        });
        order.then_with(|| left.number.cmp(&right.number))
    });
    let places = 1..;
    let standings = rows.into_iter().zip(places).map(|((outcome, _, standing), place)| Standing {
        place: outcome.quality.map(|_| place),
        ..standing
    });
    Ok(Leaderboard {
        metric: measure.map(|measure| measure.name),
        more_is_better: measure.is_none_or(|measure| measure.more_is_better),
        keys: plan.search().keys.keys().cloned().collect(),
        standings: standings.collect(),
    })
}

fn standing(plan: &Plan, trial: &Job, number: u32, outcome: &Outcome) -> Standing {
    let spec: Value = serde_json::from_str(&trial.spec).unwrap_or_default();
    let setting = plan.setting_of(&spec);
    Standing {
        place: None,
        number,
        job: trial.id,
        state: trial.state,
        steps: plan.steps(&spec).map(|(_, steps)| steps as u64),
        quality: outcome.quality,
        latency_nanoseconds: outcome.latency_nanoseconds,
        bytes: outcome.bytes,
        words: plan.words_of(&setting),
        setting,
        failure: trial.failure.as_ref().map(|failure| failure.message.clone()),
    }
}
