//! The keys of a search, its ranges and its size.

use super::fit::known_task;
use crate::{
    error::{KeyPath, SpecError},
    search::apply,
    spec::{CandidateRange, Candidates, ModelSpec, RangeScale, SearchSpec, SearchStrategy, TrainingSpec},
};

/// Most keys of a search.
const MAX_KEYS: usize = 32;

/// Most values of one key.
const MAX_VALUES: usize = 1000;

/// Keys that stay as they are: without them, trials could not be compared.
const FIXED: [&str; 4] = ["name", "data", "split", "search"];

/// Whole numbers up to here are exact as floating-point numbers.
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

pub(super) fn check_search(spec: &TrainingSpec, search: &SearchSpec) -> Result<(), SpecError> {
    if search.keys.is_empty() || search.keys.len() > MAX_KEYS {
        let problem = format!("there are {}: name 1 to {MAX_KEYS} keys to vary", search.keys.len());
        return Err(SpecError::contradiction("search.keys", problem));
    }
    check_paths(search)?;
    for (path, candidates) in &search.keys {
        check_candidates(spec, path, candidates)?;
    }
    check_metric(spec, search)?;
    match search.strategy {
        SearchStrategy::Grid => check_grid(search),
        SearchStrategy::Random => Ok(()),
        SearchStrategy::SuccessiveHalving => check_rungs(spec, search),
    }
}

fn of_key(path: &str, problem: impl Into<String>) -> SpecError {
    SpecError::Contradiction { path: KeyPath::of("search.keys").key(path), problem: problem.into() }
}

fn check_paths(search: &SearchSpec) -> Result<(), SpecError> {
    for path in search.keys.keys() {
        let first = path.split('.').next().unwrap_or_default();
        if FIXED.contains(&first) {
            let problem =
                format!("'{first}' must be the same for all trials, or they cannot be compared: remove it");
            return Err(of_key(path, problem));
        }
        let above = search
            .keys
            .keys()
            .find(|other| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if let Some(above) = above {
            let problem =
                format!("'{above}' is varied as a whole already: say these values inside of its list");
            return Err(of_key(path, problem));
        }
    }
    Ok(())
}

fn check_candidates(spec: &TrainingSpec, path: &str, candidates: &Candidates) -> Result<(), SpecError> {
    match candidates {
        Candidates::Values(values) => {
            if values.is_empty() || values.len() > MAX_VALUES {
                let problem = format!("there are {} values: give 1 to {MAX_VALUES}", values.len());
                return Err(of_key(path, problem));
            }
            for (place, value) in values.iter().enumerate() {
                if values[..place].contains(value) {
                    return Err(of_key(path, format!("value {} is the same as one before it", place + 1)));
                }
                apply(spec, &[(path, value.clone())])?;
            }
        }
        Candidates::Range(range) => {
            check_range(path, range)?;
            let fits = |range: &CandidateRange| -> Result<(), SpecError> {
                for end in [range.at(0.0), range.at(1.0)] {
                    apply(spec, &[(path, end)])?;
                }
                Ok(())
            };
            let whole = CandidateRange { whole: true, ..range.clone() };
            if let Err(error) = fits(range) {
                let would_fit = !range.whole && check_range(path, &whole).is_ok() && fits(&whole).is_ok();
                return Err(match would_fit {
                    true => of_key(path, "the key takes whole numbers alone: add whole = true to the range"),
                    false => error,
                });
            }
        }
    }
    Ok(())
}

fn check_range(path: &str, range: &CandidateRange) -> Result<(), SpecError> {
    let CandidateRange { low, high, .. } = *range;
    if low >= high {
        return Err(of_key(path, format!("low ({low}) must be below high ({high})")));
    }
    if range.scale == RangeScale::Log && low <= 0.0 {
        return Err(of_key(path, format!("a logarithmic range starts above 0, not at {low}")));
    }
    let is_whole = |number: f64| number.fract() == 0.0 && number.abs() <= MAX_WHOLE;
    if range.whole && !(is_whole(low) && is_whole(high)) {
        return Err(of_key(
            path,
            format!("a range of whole numbers ends in whole numbers, not {low} and {high}"),
        ));
    }
    if !(high - low).is_finite() {
        return Err(of_key(path, "the range is too wide"));
    }
    if !range.whole && range.at(0.25) == range.at(0.5) {
        let problem = format!(
            "{low} and {high} are too near each other: numbers between them are drawn with six digits"
        );
        return Err(of_key(path, problem));
    }
    Ok(())
}

fn check_metric(spec: &TrainingSpec, search: &SearchSpec) -> Result<(), SpecError> {
    let Some(needed) = search.metric.task() else { return Ok(()) };
    match known_task(spec)? {
        Some(task) if task != needed => {
            let problem = format!("'{}' is for {needed}, but this is {task}", search.metric);
            Err(SpecError::contradiction("search.metric", problem))
        }
        _ => Ok(()),
    }
}

fn check_grid(search: &SearchSpec) -> Result<(), SpecError> {
    let points = search
        .keys
        .values()
        .try_fold(1_usize, |product, candidates| product.checked_mul(candidates.grid_values().len()));
    match points {
        Some(points) if points <= search.trials => Ok(()),
        _ => {
            let points = points.map_or_else(|| "too many".to_owned(), |points| points.to_string());
            let problem = format!(
                "the grid has {points} points, but only {} trials are allowed: raise this, leave values out, or use \
                 the strategy 'random'",
                search.trials
            );
            Err(SpecError::contradiction("search.trials", problem))
        }
    }
}

/// Halving gives each rung more epochs (or rounds), so these cannot be varied, and the first rung cannot have more than
/// a whole run.
fn check_rungs(spec: &TrainingSpec, search: &SearchSpec) -> Result<(), SpecError> {
    for path in ["training.epochs", "model.rounds"] {
        if search.keys.contains_key(path) {
            return Err(of_key(
                path,
                "successive_halving sets this itself: remove it, or use another strategy",
            ));
        }
    }
    if search.keys.contains_key("model") {
        return Ok(());
    }
    let (whole_run, unit) = match &spec.model {
        ModelSpec::BoostedTrees(model) => (model.rounds, "rounds"),
        ModelSpec::DecisionTree(_) => {
            let problem = "one decision tree cannot be fitted a little: use the strategy 'grid' or 'random'";
            return Err(SpecError::contradiction("search.strategy", problem));
        }
        _ => (spec.training.epochs, "epochs"),
    };
    if search.first_rung > whole_run {
        let problem = format!("{} is more than the {whole_run} {unit} of a whole run", search.first_rung);
        return Err(SpecError::contradiction("search.first_rung", problem));
    }
    Ok(())
}
