//! What a search is about to try: its settings and, for halving, how long each run is.

use serde_json::{Value, json};
use yard_spec::{SearchSpec, SearchStrategy, TrainingSpec, apply, apply_unchecked, value_at};
use yard_types::ErrorCode;

use super::{
    settings::{Setting, settings},
    words::words,
};
use crate::{Demand, Job, JobFailure, NewTrial};

/// Everything that follows from the row of the search alone.
#[derive(Debug)]
pub(super) struct Plan {
    spec: TrainingSpec,
    search: SearchSpec,
    settings: Vec<Setting>,
    memory_bytes: u64,
}

/// How long the runs of a rung may be, in epochs or rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    /// At most so many.
    Steps(usize),
    /// What the specification says.
    Whole,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many epochs or rounds, less than a whole run.
    Part(usize),
    /// As the specification says.
    Whole,
}

impl Plan {
    pub(super) fn of(job: &Job) -> Result<Self, JobFailure> {
        let spec = TrainingSpec::from_json(&job.spec).map_err(|error| refused(error.to_string()))?;
        let Some(search) = spec.search.clone() else {
            return Err(refused("the specification has no [search]".to_owned()));
        };
        let settings = settings(&search, spec.seed);
        Ok(Self { spec, search, settings, memory_bytes: job.demand.memory_bytes })
    }

    pub(super) const fn search(&self) -> &SearchSpec {
        &self.search
    }

    pub(super) const fn count(&self) -> usize {
        self.settings.len()
    }

    /// The number of the trial that runs a setting in a rung.
    pub(super) fn number(&self, rung: usize, setting: usize) -> u32 {
        u32::try_from(rung * self.search.trials + setting).unwrap_or(u32::MAX)
    }

    /// How long runs are in the first rung.
    pub(super) fn first_budget(&self) -> Budget {
        match self.search.strategy {
            SearchStrategy::SuccessiveHalving => Budget::Steps(self.search.first_rung),
            SearchStrategy::Grid | SearchStrategy::Random => Budget::Whole,
        }
    }

    /// How many of a rung go on, and how long their runs are. One that is left alone runs whole at once.
    pub(super) fn next_rung(&self, members: usize, budget: Budget) -> (usize, Budget) {
        let kept = (members / self.search.keep_one_of).max(1);
        match budget {
            Budget::Steps(steps) if kept > 1 => {
                (kept, Budget::Steps(steps.saturating_mul(self.search.keep_one_of)))
            }
            _ => (kept, Budget::Whole),
        }
    }

    pub(super) fn length(&self, setting: usize, budget: Budget) -> Length {
        let Budget::Steps(steps) = budget else { return Length::Whole };
        match self.steps(&self.tree(setting)) {
            Some((_, whole)) if steps < whole => Length::Part(steps),
            // One decision tree has no steps: it is whole from the start.
            _ => Length::Whole,
        }
    }

    /// The trial of a setting. Values that do not fit together make a trial that fails with the reason, and is seen.
    pub(super) fn trial(&self, number: u32, setting: usize, length: Length) -> NewTrial {
        let mut changes: Vec<(&str, Value)> =
            self.settings[setting].iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        if let Length::Part(steps) = length
            && let Some((path, _)) = self.steps(&self.tree(setting))
        {
            changes.push((path, json!(steps)));
        }
        let (spec, threads) = match apply(&self.spec, &changes) {
            Ok(spec) => (spec.to_json(), spec.training.threads),
            Err(_) => (tree_of(&self.spec, &changes).to_string(), 1),
        };
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        NewTrial { number, spec, demand: Demand { threads, memory_bytes: self.memory_bytes } }
    }

    /// The values of a trial's specification that the search chose.
    pub(super) fn setting_of(&self, spec: &Value) -> Setting {
        let value = |path: &String| Some((path.clone(), value_at(spec, path)?.clone()));
        self.search.keys.keys().filter_map(value).collect()
    }

    /// The same as a person reads it.
    pub(super) fn words_of(&self, setting: &Setting) -> Vec<(String, String)> {
        let words =
            |(path, value): &(String, Value)| (path.clone(), words(self.search.keys.get(path), value));
        setting.iter().map(words).collect()
    }

    /// How many trials there are in all if all of this rung succeed, given how many there are up to it.
    pub(super) fn expected(&self, so_far: usize, settings: &[usize], mut budget: Budget) -> usize {
        let (mut expected, mut members) = (so_far, settings.len());
        while settings.iter().any(|setting| self.length(*setting, budget) != Length::Whole) {
            (members, budget) = self.next_rung(members, budget);
            expected += members;
        }
        expected
    }

    /// How long a trial's run is, and in what.
    pub(super) fn steps(&self, spec: &Value) -> Option<(&'static str, usize)> {
        let path = match value_at(spec, "model.kind")?.as_str()? {
            "boosted_trees" => "model.rounds",
            "decision_tree" => return None,
            _ => "training.epochs",
        };
        let steps = match value_at(spec, path) {
            Some(steps) => steps.as_u64()?,
            // A model that is set as a whole leaves its defaults out.
            None => yard_spec::BoostedTreesModel::default().rounds as u64,
        };
        Some((path, usize::try_from(steps).ok()?))
    }

    fn tree(&self, setting: usize) -> Value {
        let changes: Vec<(&str, Value)> =
            self.settings[setting].iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        tree_of(&self.spec, &changes)
    }
}

fn tree_of(spec: &TrainingSpec, changes: &[(&str, Value)]) -> Value {
    // Each path was checked alone; where it leads nowhere after all, the trial is the specification as it stands.
    apply_unchecked(spec, changes).unwrap_or_else(|_| spec.to_value())
}

fn refused(message: String) -> JobFailure {
    JobFailure { code: ErrorCode::InvalidArgument, message }
}
