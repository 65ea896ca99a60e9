//! One step: from what was chosen to what is said.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    Active, End, Engine, Event, RequestId,
    choose::{self, Chosen},
};
use crate::{Constraint, LlmError, LogitRows, Part, cache::Sequence};

/// Requests that write beside which nothing is guessed: with many rows in a step a guess costs as much as a token.
const MOST_GUESSING: usize = 4;

/// A request in a step, with its sequence taken out of it.
struct InStep {
    number: u64,
    sequence: Sequence,
    /// Tokens of the sequence before the step.
    before: usize,
    /// Tokens that are run, guesses included.
    count: usize,
    logits: LogitRows,
    is_embedding: bool,
    /// Whether it read, rather than wrote.
    is_reading: bool,
}

impl Engine {
    /// Guesses what may follow, for requests that write with few others beside them.
    pub(super) fn guess(&mut self) {
        let is_writing = |active: &Active| active.sequence.is_some() && !active.is_reading();
        let pays = self.options.guesses && self.requests.len() <= MOST_GUESSING;
        let longest = self.longest();
        for active in self.requests.values_mut().filter(|active| is_writing(active)) {
            active.guesses.clear();
            if pays && active.answer_tokens() > 0 && active.pooling.is_none() {
                active.guess();
                // Behind the last token that may be chosen nothing follows.
                let left = active.stop.tokens_left().unwrap_or(longest).saturating_sub(1);
                active.guesses.truncate(left.min(longest.saturating_sub(active.tokens.len())));
            }
        }
    }

    /// Runs so many tokens of these requests.
    pub(super) fn run(&mut self, parts: &[(u64, usize)], events: &mut Vec<Event>) -> Result<(), LlmError> {
        let mut in_step: Vec<InStep> = parts.iter().filter_map(|part| self.take(*part)).collect();
        // Neighbours that share pages are worked on together.
        in_step.sort_by(|one, other| one.sequence.pages().cmp(other.sequence.pages()));
        let (mut embedded, mut in_step): (Vec<InStep>, Vec<InStep>) =
            in_step.into_iter().partition(|one| one.is_embedding);
        let outcome = self
            .reserve(&mut embedded)
            .and_then(|()| self.reserve(&mut in_step))
            .and_then(|()| self.compute_rows(&mut embedded))
            .and_then(|()| self.compute(&mut in_step));
        in_step.extend(embedded);
        if let Err(error) = outcome {
            let message = error.to_string();
            for one in in_step {
                self.put_back(one.number, one.sequence);
                let failed = End::Failed(LlmError::StepFailed(message.clone()));
                self.end(one.number, String::new(), failed, events);
            }
            return Err(error);
        }
        self.stats.steps += 1;
        let mut chosen = self.choose_behind(&in_step);
        for one in in_step {
            if one.is_embedding {
                self.embed_on(one, events);
                continue;
            }
            let number = one.number;
            let chosen = chosen.remove(&number).unwrap_or_default();
            if let Some((text, end)) = self.go_on(one, chosen, events) {
                self.end(number, text, end, events);
            }
        }
        Ok(())
    }

    /// Chooses tokens behind the rows of logits of a step, which lie in the order of its requests.
    fn choose_behind(&mut self, in_step: &[InStep]) -> BTreeMap<u64, Chosen> {
        let mut rows = self.logits.chunks_exact(self.model.vocabulary());
        let texts = in_step.iter().filter(|one| !one.is_embedding);
        let of_each =
            texts.map(|one| (one.number, rows.by_ref().take(one.logits.count(one.count)).collect()));
        choose::choose_all(&self.machine, &mut self.requests, of_each.collect(), &self.choice)
    }

    fn take(&mut self, (number, count): (u64, usize)) -> Option<InStep> {
        let active = self.requests.get_mut(&number)?;
        let sequence = active.sequence.take()?;
        let before = sequence.len();
        let unseen = active.tokens.len() - before;
        let guessed = count.saturating_sub(unseen);
        active.guesses.truncate(guessed);
        let is_embedding = active.pooling.is_some();
        let is_reading = unseen > 1 || before < active.prompt;
        let logits = match count {
            _ if is_embedding => LogitRows::None,
            _ if guessed > 0 => LogitRows::All,
            _ if count == unseen => LogitRows::Last,
            _ => LogitRows::None,
        };
        active.tokens.extend_from_slice(&active.guesses);
        Some(InStep { number, sequence, before, count, logits, is_embedding, is_reading })
    }

    fn put_back(&mut self, number: u64, sequence: Sequence) {
        match self.requests.get_mut(&number) {
            Some(active) => {
                active.tokens.truncate(active.tokens.len() - active.guesses.len());
                active.guesses.clear();
                active.sequence = Some(sequence);
            }
            None => self.cache.release(sequence),
        }
    }

    fn reserve(&mut self, in_step: &mut [InStep]) -> Result<(), LlmError> {
        for one in in_step {
            if let Err(LlmError::CacheFull { needed, free }) =
                self.cache.reserve(&mut one.sequence, one.count)
            {
                self.prefixes.evict(&mut self.cache, needed - free);
                self.cache.reserve(&mut one.sequence, one.count)?;
            }
        }
        Ok(())
    }

    /// Runs the model, and meanwhile finds out what grammars allow next.
    fn compute(&mut self, in_step: &mut [InStep]) -> Result<(), LlmError> {
        let Self { model, machine, cache, scratch, requests, logits, .. } = self;
        let mut constraints: BTreeMap<u64, Constraint> = BTreeMap::new();
        for one in in_step.iter().filter(|one| one.logits != LogitRows::None) {
            let constraint = requests.get_mut(&one.number).and_then(|active| active.constraint.take());
            constraints.extend(constraint.map(|constraint| (one.number, constraint)));
        }
        let mut model_parts: Vec<Part<'_>> = Vec::with_capacity(in_step.len());
        for one in in_step {
            let tokens = requests.get(&one.number).map_or(&[][..], |active| &active.tokens);
            let tokens = &tokens[one.before..one.before + one.count];
            model_parts.push(Part { sequence: &mut one.sequence, tokens, logits: one.logits });
        }
        if model_parts.is_empty() {
            return Ok(());
        }
        let is_computed = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            if !constraints.is_empty() {
                let find_out = || {
                    // What is not found out by then is found out by all threads when tokens are chosen.
                    for constraint in
                        constraints.values_mut().take_while(|_| !is_computed.load(Ordering::Relaxed))
                    {
                        // An error is kept, and found again when the mask is used.
                        let _ = constraint.mask();
                    }
                };
                // Without a thread it is later as well.
                let _ = std::thread::Builder::new().name("masks".to_owned()).spawn_scoped(scope, find_out);
            }
            let outcome = model.step(machine, cache, scratch, &mut model_parts, logits);
            is_computed.store(true, Ordering::Relaxed);
            outcome
        });
        drop(model_parts);
        for (number, constraint) in constraints {
            if let Some(active) = requests.get_mut(&number) {
                active.constraint = Some(constraint);
            }
        }
        outcome
    }

    /// Runs the model for embeddings, and takes what came of it into them.
    fn compute_rows(&mut self, in_step: &mut [InStep]) -> Result<(), LlmError> {
        let Self { model, machine, cache, scratch, requests, logits: rows, .. } = self;
        let mut model_parts: Vec<Part<'_>> = Vec::with_capacity(in_step.len());
        for InStep { number, sequence, before, count, logits, .. } in in_step.iter_mut() {
            let tokens = requests.get(number).map_or(&[][..], |active| &active.tokens);
            model_parts.push(Part { sequence, tokens: &tokens[*before..*before + *count], logits: *logits });
        }
        if model_parts.is_empty() {
            return Ok(());
        }
        model.step_for_rows(machine, cache, scratch, &mut model_parts, rows)?;
        let width = model.config().width;
        let mut rest = rows.as_slice();
        for one in in_step {
            let (own, others) = rest.split_at(one.count * width);
            if let Some(active) = requests.get_mut(&one.number) {
                active.pool(own, width);
            }
            rest = others;
        }
        Ok(())
    }

    /// Ends an embedding that is complete.
    fn embed_on(&mut self, one: InStep, events: &mut Vec<Event>) {
        let Some(active) = self.requests.get_mut(&one.number) else { return };
        self.stats.read_tokens += one.count as u64;
        let is_complete = one.sequence.len() == active.tokens.len();
        active.sequence = Some(one.sequence);
        if is_complete {
            let embedding = active.take_embedding();
            let end = match embedding.iter().all(|value| value.is_finite()) {
                true => End::Embedded(embedding),
                false => End::Failed(LlmError::NoNumbers),
            };
            self.end(one.number, String::new(), end, events);
        }
    }

    /// Says what was chosen behind a step's rows, and gives how the answer ends if it does.
    fn go_on(&mut self, one: InStep, chosen: Chosen, events: &mut Vec<Event>) -> Option<(String, End)> {
        let InStep { number, mut sequence, count, is_reading, .. } = one;
        let Self { requests, cache, prefixes, tenants, stats, .. } = self;
        let active = requests.get_mut(&number)?;
        let written = chosen.count();
        if chosen.guessed > 0 {
            let right = written.saturating_sub(1).min(chosen.guessed);
            active.learn(chosen.guessed, right);
            stats.guessed_tokens += chosen.guessed as u64;
            stats.right_guesses += right as u64;
        }
        // What was run behind a wrong guess, or behind the end, is forgotten.
        let known = sequence.len().min(active.tokens.len().saturating_sub(usize::from(written > 0)));
        cache.truncate(&mut sequence, known);
        let read = if is_reading { count } else { 0 };
        stats.read_tokens += read as u64;
        stats.written_tokens += written as u64;
        tenants.serve(&active.tenant, active.weight, 0, written);
        if is_reading {
            prefixes.insert(cache, &active.salt, &active.tokens, &mut sequence);
        }
        active.sequence = Some(sequence);
        let request = RequestId(number);
        events.extend(chosen.tokens.into_iter().map(|(sampled, text)| Event::Token {
            request,
            sampled,
            text,
        }));
        chosen.end
    }
}
