//! The choice of tokens behind a step's logits, for all requests of the step at once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use yard_kernels::Machine;

use super::{Active, End};
use crate::{Constraint, LlmError, Sampled, SamplingScratch, StopReason};

/// What was chosen for a request in a step.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Tokens that the answer goes on with, and the text that each completes.
    pub(super) tokens: Vec<(Sampled, String)>,
    /// How the answer ends, with what is left of its text.
    pub(super) end: Option<(String, End)>,
    /// How many tokens had been guessed.
    pub(super) guessed: usize,
}

/// A request with the rows of logits that it got: none while its prompt is being read.
struct Choice<'a> {
    number: u64,
    active: &'a mut Active,
    rows: Vec<&'a [f32]>,
    chosen: Chosen,
}

/// Chooses for each request behind the rows it got. Each choice depends on its own request alone, so that any number of
/// threads may make them.
pub(super) fn choose_all(
    machine: &Machine,
    requests: &mut BTreeMap<u64, Active>,
    mut rows: BTreeMap<u64, Vec<&[f32]>>,
    scratches: &Mutex<Vec<SamplingScratch>>,
) -> BTreeMap<u64, Chosen> {
    let choices: Vec<Mutex<Choice<'_>>> = requests
        .iter_mut()
        .filter_map(|(number, active)| {
            let rows = rows.remove(number)?;
            Some(Mutex::new(Choice { number: *number, active, rows, chosen: Chosen::default() }))
        })
        .collect();
    machine.pool.for_each(choices.len(), 1, &|places| {
        let mut scratch = scratches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        for choice in &choices[places] {
            choice.lock().unwrap_or_else(PoisonError::into_inner).make(&mut scratch);
        }
        scratches.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    });
    choices
        .into_iter()
        .map(|choice| choice.into_inner().unwrap_or_else(PoisonError::into_inner))
        .map(|choice| (choice.number, choice.chosen))
        .collect()
}

impl Choice<'_> {
    /// Chooses behind each row, as long as what was guessed to follow is what was chosen.
    fn make(&mut self, scratch: &mut SamplingScratch) {
        let guesses = std::mem::take(&mut self.active.guesses);
        self.active.tokens.truncate(self.active.tokens.len() - guesses.len());
        self.chosen.guessed = guesses.len();
        for (place, row) in self.rows.iter().enumerate() {
            match self.active.choose(row, scratch) {
                Err(error) => self.chosen.end = Some((String::new(), End::Failed(error))),
                Ok((sampled, text, Some(reason))) => {
                    self.chosen.end = Some((text, End::Stopped(reason, sampled)));
                }
                Ok((sampled, text, None)) => {
                    let is_guessed = guesses.get(place) == Some(&sampled.token);
                    self.chosen.tokens.push((sampled, text));
                    if is_guessed {
                        continue;
                    }
                }
            }
            break;
        }
    }
}

// === impl Chosen ===

impl Chosen {
    /// How many tokens were chosen, with one that ends the answer.
    pub(super) fn count(&self) -> usize {
        let last = matches!(self.end, Some((_, End::Stopped(..))));
        self.tokens.len() + usize::from(last)
    }
}

impl Active {
    /// Chooses the next token and takes it into the answer: with the text it completes, and why the answer ends with it.
    fn choose(
        &mut self,
        row: &[f32],
        scratch: &mut SamplingScratch,
    ) -> Result<(Sampled, String, Option<StopReason>), LlmError> {
        let allowed = self.constraint.as_mut().map(Constraint::mask).transpose()?;
        let sampled = self.sampler.sample(row, allowed, scratch)?;
        let token = sampled.token;
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token)?;
        }
        self.sampler.accept(token);
        self.tokens.push(token);
        let stopped = self.stop.push(token, self.detokenizer.push(token));
        let (mut text, reason) = (stopped.text.to_owned(), stopped.reason);
        if matches!(reason, Some(StopReason::Length | StopReason::Token(_))) {
            // A character that was begun is given out as what it is: broken off.
            text.push_str(self.stop.finish(self.detokenizer.finish()).text);
        }
        Ok((sampled, text, reason))
    }
}
