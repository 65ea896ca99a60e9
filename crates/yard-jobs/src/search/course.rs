//! How far a search is: its rungs as the rows of its trials tell them, and what comes next.

use std::collections::BTreeMap;

use super::{
    outcome::{Measure, Outcome},
    plan::{Budget, Length, Plan},
};
use crate::{Job, JobKind, NewTrial};

/// Most trials that are asked for at once. The others are asked for as these end.
const AT_ONCE: usize = 64;

/// How far a search is.
#[derive(Debug)]
pub(super) struct Course {
    /// The last rung that each trial stands in, by its number.
    pub(super) rungs: BTreeMap<u32, usize>,
    /// How many trials there are when it ends, unless some of them fail or need no longer run.
    pub(super) expected: usize,
    pub(super) next: Next,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These trials, which are not there yet.
    Submit(Vec<NewTrial>),
    /// The end of a trial.
    Wait,
    /// Nothing: the trial of this number is the best.
    Best(u32),
    /// Nothing: no trial has a figure to be compared by.
    NoneGood,
}

/// A run of one setting in one rung.
#[derive(Debug, Clone, Copy)]
struct Member {
    setting: usize,
    number: u32,
    length: Length,
}

impl Course {
    /// The rows of a search that has come to its end may break off anywhere; then `next` says what would have come.
    pub(super) fn of(plan: &Plan, trials: &[Job]) -> Self {
        let rows: BTreeMap<u32, &Job> =
            trials.iter().filter_map(|job| Some((number_of(job)?, job))).collect();
        let mut rungs = BTreeMap::new();
        let mut budgets = vec![plan.first_budget()];
        let mut settings: Vec<usize> = (0..plan.count()).collect();
        let mut best = None;
        let mut expected;
        let next = loop {
            let rung = budgets.len() - 1;
            let members: Vec<Member> =
                settings.iter().map(|setting| member(plan, *setting, &budgets)).collect();
            rungs.extend(members.iter().map(|member| (member.number, rung)));
            expected = plan.expected(rungs.len(), &settings, budgets[rung]);
            let missing = members.iter().filter(|member| !rows.contains_key(&member.number));
            let missing: Vec<NewTrial> = missing
                .take(AT_ONCE)
                .map(|member| plan.trial(member.number, member.setting, member.length))
                .collect();
            if !missing.is_empty() {
                break Next::Submit(missing);
            }
            if members.iter().any(|member| !rows[&member.number].state.is_final()) {
                break Next::Wait;
            }
            let ranked = ranked(plan, trials, &members, &rows);
            // Where a whole rung failed, the rung before it has the last word.
            let Some(first) = ranked.first() else {
                expected = rungs.len();
                break best.map_or(Next::NoneGood, Next::Best);
            };
            best = Some(first.number);
            if members.iter().all(|member| member.length == Length::Whole) {
                break Next::Best(first.number);
            }
            let (kept, budget) = plan.next_rung(members.len(), budgets[rung]);
            settings = ranked.iter().take(kept).map(|member| member.setting).collect();
            budgets.push(budget);
        };
        Self { rungs, expected, next }
    }
}

/// The run of a setting in the last of these rungs. A run that was whole in an earlier one is not made again.
fn member(plan: &Plan, setting: usize, budgets: &[Budget]) -> Member {
    let length = |budget: &Budget| plan.length(setting, *budget);
    let last = budgets.last().map_or(Length::Whole, length);
    let rung = match last {
        Length::Part(_) => budgets.len() - 1,
        Length::Whole => budgets.iter().position(|budget| length(budget) == last).unwrap_or(0),
    };
    Member { setting, number: plan.number(rung, setting), length: last }
}

/// Those that have a figure, the best first; of equals the first.
fn ranked(plan: &Plan, trials: &[Job], members: &[Member], rows: &BTreeMap<u32, &Job>) -> Vec<Member> {
    let Some(measure) = Measure::of(plan.search(), trials) else { return Vec::new() };
    let outcomes = members.iter().map(|member| (*member, Outcome::of(rows[&member.number], measure)));
    let mut ranked: Vec<(Member, Outcome)> =
        outcomes.filter(|(_, outcome)| outcome.quality.is_some()).collect();
    ranked.sort_by(|(one, left), (other, right)| {
        measure.order(left, right).then_with(|| one.setting.cmp(&other.setting))
    });
    ranked.into_iter().map(|(member, _)| member).collect()
}

pub(super) fn number_of(job: &Job) -> Option<u32> {
    match job.kind {
        JobKind::Trial { number, .. } => Some(number),
        JobKind::Train | JobKind::Search => None,
    }
}
