//! Many requests on one model: tokens in, events out.

mod active;
mod choose;
mod drafts;
mod request;
mod run;
mod stats;
mod tenants;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Instant,
};

use yard_kernels::{Machine, PAGE_POSITIONS, PageElement};

use self::{active::Active, tenants::Tenants};
use crate::{
    LlmError, Model, SamplingError, SamplingScratch, Scratch, Tokenizer,
    cache::KeyValueCache,
    prefixes::{Found, Prefixes},
    schedule::{self, Alone, Candidate, Move, Room, Running, Waiting},
};

pub use request::{End, Event, Pooling, Request, RequestId, Usage, Wanted};
pub use stats::EngineStats;

/// How many of those who wait for the prompt of another are passed over in a step.
const MOST_PASSED_OVER: usize = 32;

/// What an engine may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Tokens whose keys and values have room, of all requests together; rounded up to whole pages.
    pub positions: usize,
    /// How keys and values are kept.
    pub element: PageElement,
    /// Most tokens of a step. More read prompts faster, fewer let those that write wait less.
    pub step_tokens: usize,
    /// Most requests that run at once: fewer than tokens of a step.
    pub most_running: usize,
    /// Most requests that wait.
    pub most_waiting: usize,
    /// Most pages that are kept for requests to come; 0 for none.
    pub kept_pages: usize,
    /// Whether tokens are guessed from what was written before, where that pays. It never changes an answer.
    pub guesses: bool,
}

impl EngineOptions {
    /// Room for so many tokens, of which all may be kept.
    #[must_use]
    pub const fn with_positions(positions: usize) -> Self {
        Self {
            positions,
            element: PageElement::F16,
            step_tokens: 512,
            most_running: 64,
            most_waiting: 1024,
            kept_pages: usize::MAX,
            guesses: true,
        }
    }
}

/// Runs requests on a model, many at a time. It does not know the time, starts no thread that outlives a call, and
/// does something only when [`Engine::step`] is called.
///
/// An answer's tokens depend on its request alone: not on when it came, what else runs, or what was kept.
#[derive(Debug)]
pub struct Engine {
    model: Arc<Model>,
    tokenizer: Arc<Tokenizer>,
    machine: Arc<Machine>,
    options: EngineOptions,
    cache: KeyValueCache,
    prefixes: Prefixes,
    requests: BTreeMap<u64, Active>,
    tenants: Tenants,
    next_number: u64,
    scratch: Scratch,
    /// One for each thread that chooses.
    choice: Mutex<Vec<SamplingScratch>>,
    logits: Vec<f32>,
    stats: EngineStats,
    /// What happened between steps.
    pending: Vec<Event>,
}

impl Engine {
    /// An engine without requests. The system gives memory to pages when they are first used.
    ///
    /// # Errors
    ///
    /// An option is out of its range, or there is no memory.
    pub fn new(
        model: Arc<Model>,
        tokenizer: Arc<Tokenizer>,
        machine: Arc<Machine>,
        options: EngineOptions,
    ) -> Result<Self, LlmError> {
        if options.most_running == 0 || options.step_tokens <= options.most_running {
            let EngineOptions { most_running, step_tokens, .. } = options;
            let what = format!("{most_running} requests at once and {step_tokens} tokens a step");
            return Err(LlmError::Configuration(what));
        }
        let cache = KeyValueCache::new(model.config(), options.positions, options.element)?;
        let prefixes = Prefixes::new(options.kept_pages.min(cache.pages()));
        Ok(Self {
            model,
            tokenizer,
            machine,
            options,
            cache,
            prefixes,
            requests: BTreeMap::new(),
            tenants: Tenants::default(),
            next_number: 0,
            scratch: Scratch::new(),
            choice: Mutex::default(),
            logits: Vec::new(),
            stats: EngineStats::default(),
            pending: Vec::new(),
        })
    }

    /// Takes a request. Its events come from later steps.
    ///
    /// # Errors
    ///
    /// The prompt is empty, too long, or has unknown tokens; an option is out of its range; or too many wait.
    pub fn submit(&mut self, request: Request) -> Result<RequestId, LlmError> {
        let waiting = self.requests.values().filter(|active| active.sequence.is_none()).count();
        if waiting >= self.options.most_waiting {
            return Err(LlmError::TooManyWaiting { waiting });
        }
        let vocabulary = self.model.vocabulary();
        if let Some(token) = request.prompt.iter().copied().find(|token| *token as usize >= vocabulary) {
            return Err(LlmError::UnknownToken { token, vocabulary });
        }
        let biased = request.sampling.logit_bias.iter().map(|(token, _)| *token);
        if let Some(token) = { biased }.find(|token| *token as usize >= vocabulary) {
            return Err(SamplingError::BiasedToken { token, vocabulary }.into());
        }
        let active = Active::new(request, &self.tokenizer, self.longest())?;
        let number = self.next_number;
        self.next_number += 1;
        self.tenants.enter(&active.tenant);
        self.requests.insert(number, active);
        Ok(RequestId(number))
    }

    /// Ends a request at the next step. Of one that has ended nothing is heard.
    pub fn cancel(&mut self, request: RequestId) {
        if let Some(active) = self.requests.get_mut(&request.0) {
            active.is_cancelled = true;
        }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The longest sequence that a request may become, in tokens.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.model.config().context.min(self.cache.pages() * PAGE_POSITIONS)
    }

    /// Does the next piece of work and adds what came of it to `events`. `now` is what deadlines are compared with.
    ///
    /// # Errors
    ///
    /// The step could not be run at all; the requests in it have ended with [`End::Failed`] and the engine goes on.
    pub fn step(&mut self, now: Instant, events: &mut Vec<Event>) -> Result<(), LlmError> {
        self.end_what_is_over(now, events);
        let parts = self.choose();
        events.append(&mut self.pending);
        if parts.is_empty() { Ok(()) } else { self.run(&parts, events) }
    }

    /// What it has done and holds.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let running = self.requests.values().filter(|active| active.sequence.is_some()).count();
        EngineStats {
            running,
            waiting: self.requests.len() - running,
            pages: self.cache.pages(),
            free_pages: self.cache.free_pages(),
            kept_pages: self.prefixes.pages(),
            idle_pages: self.cache.idle_pages(),
            ..self.stats.clone()
        }
    }

    /// Gives back all that is kept for requests to come and that no request holds. Says how many pages.
    pub fn forget_prefixes(&mut self) -> usize {
        self.prefixes.evict(&mut self.cache, usize::MAX)
    }

    fn end_what_is_over(&mut self, now: Instant, events: &mut Vec<Event>) {
        let over = |active: &Active| match active.deadline {
            _ if active.is_cancelled => Some(End::Cancelled),
            Some(deadline) if deadline <= now => Some(End::DeadlinePassed),
            _ => None,
        };
        let ended: Vec<(u64, End)> =
            self.requests.iter().filter_map(|(number, active)| Some((*number, over(active)?))).collect();
        for (number, end) in ended {
            self.end(number, String::new(), end, events);
        }
    }

    /// Makes moves until one is a run: which requests are in the step, and with how many tokens.
    fn choose(&mut self) -> Vec<(u64, usize)> {
        self.guess();
        let mut may_enter = true;
        loop {
            let running = self.running();
            let candidate = if may_enter { self.candidate() } else { None };
            let room = Room {
                pages: self.cache.free_pages() + self.cache.idle_pages(),
                tokens: self.options.step_tokens,
                running: self.options.most_running,
            };
            match schedule::next_move(&running, candidate.as_ref(), &room) {
                Move::Run(parts) => return parts,
                Move::Admit(number) => self.admit(number),
                Move::Preempt(number) => {
                    // Only for one of higher priority may another enter in the same step.
                    may_enter = candidate.is_some_and(|candidate| {
                        running.iter().any(|one| one.number == number && one.priority < candidate.priority)
                    });
                    self.preempt(number);
                }
            }
        }
    }

    fn running(&self) -> Vec<Running> {
        let view = |(number, active): (&u64, &Active)| {
            let sequence = active.sequence.as_ref()?;
            Some(Running {
                number: *number,
                priority: active.priority,
                served: self.tenants.served(&active.tenant),
                length: sequence.len(),
                unseen: active.tokens.len() - sequence.len(),
                guessed: active.guesses.len(),
                pages: sequence.pages().len(),
            })
        };
        self.requests.iter().filter_map(view).collect()
    }

    /// The next of those who wait, unless what it would compute is being computed just now by another.
    fn candidate(&mut self) -> Option<Candidate> {
        let waiting = self.requests.iter().filter(|(_, active)| active.sequence.is_none());
        let mut waiting: Vec<Waiting> = waiting
            .map(|(number, active)| Waiting {
                number: *number,
                priority: active.priority,
                served: self.tenants.served(&active.tenant),
            })
            .collect();
        for _ in 0..MOST_PASSED_OVER {
            let number = schedule::first_in_line(waiting.iter().copied())?;
            let active = &self.requests[&number];
            let found = self.prefixes.find(&active.salt, active.reusable());
            if self.is_being_read(active, found.tokens) {
                waiting.retain(|one| one.number != number);
                continue;
            }
            return Some(self.standing(number, &found));
        }
        None
    }

    /// What a request that waits would take, now and if all of lower priority had gone.
    fn standing(&self, number: u64, found: &Found) -> Candidate {
        let active = &self.requests[&number];
        let is_copied = !found.tokens.is_multiple_of(PAGE_POSITIONS);
        let all = (active.tokens.len() + 1).div_ceil(PAGE_POSITIONS) + usize::from(is_copied);
        let running = self.requests.values().filter(|other| other.sequence.is_some());
        let (below, others): (Vec<_>, Vec<_>) = running.partition(|other| other.priority < active.priority);
        let pages_of = |some: &[&Active]| -> BTreeSet<u32> {
            let sequences = some.iter().filter_map(|other| other.sequence.as_ref());
            sequences.flat_map(|sequence| sequence.pages().iter().copied()).collect()
        };
        // Pages that others hold cost nothing; those that nobody holds are then no longer there for anyone else.
        let held = found.pages.iter().filter(|page| !self.cache.is_idle(**page)).count();
        let pages = (all - held).min(self.cache.pages());
        let mut alone = Alone { pages, room: self.cache.free_pages() + self.cache.idle_pages() };
        if !below.is_empty() {
            let stays = pages_of(&others);
            let held = found.pages.iter().filter(|page| stays.contains(page)).count();
            alone.pages = (all - held).min(self.cache.pages());
            alone.room = self.cache.pages() - stays.len();
        }
        let served = self.tenants.served(&active.tenant);
        Candidate { number, priority: active.priority, served, pages, alone }
    }

    /// Whether a prompt that is being read, and not behind this one, begins with more of these tokens than are known.
    fn is_being_read(&self, active: &Active, known: usize) -> bool {
        let reading = self.requests.values().filter(|other| {
            other.is_reading()
                && other.priority >= active.priority
                && other.pooling.is_none()
                && other.salt == active.salt
        });
        let shares_more = |other: &Active| {
            let shared = active.reusable().iter().zip(&other.tokens).take_while(|(a, b)| a == b).count();
            shared / PAGE_POSITIONS > known / PAGE_POSITIONS
        };
        self.options.kept_pages > 0 && { reading }.any(shares_more)
    }

    fn admit(&mut self, number: u64) {
        let Some(active) = self.requests.get_mut(&number) else { return };
        let found = self.prefixes.find(&active.salt, active.reusable());
        let mut sequence = self.cache.begin(&found.pages, found.tokens);
        // A page that is known in part is copied at once: there is room now.
        if !found.tokens.is_multiple_of(PAGE_POSITIONS) {
            if self.cache.free_pages() == 0 {
                self.prefixes.evict(&mut self.cache, 1);
            }
            if self.cache.reserve(&mut sequence, 1).is_err() {
                self.cache.truncate(&mut sequence, found.tokens / PAGE_POSITIONS * PAGE_POSITIONS);
            }
        }
        let known = sequence.len();
        active.sequence = Some(sequence);
        self.tenants.admit(&active.tenant);
        if active.preemptions == 0 {
            // Charged now, so that the next place in the same step goes to another; what is read again is free.
            self.tenants.serve(&active.tenant, active.weight, active.prompt - known, 0);
            active.cached = known;
            self.stats.cached_tokens += known as u64;
            self.pending.push(Event::Begun { request: RequestId(number), cached_tokens: known });
        }
    }

    fn preempt(&mut self, number: u64) {
        let Some(active) = self.requests.get_mut(&number) else { return };
        active.preemptions += 1;
        active.guesses.clear();
        active.pooled.clear();
        self.stats.preemptions += 1;
        self.tenants.send_back(&active.tenant);
        self.put_away(number);
    }

    /// Takes a request's pages, and keeps those that are worth it.
    fn put_away(&mut self, number: u64) {
        let Some(active) = self.requests.get_mut(&number) else { return };
        let Some(mut sequence) = active.sequence.take() else { return };
        self.prefixes.insert(&mut self.cache, &active.salt, &active.tokens, &mut sequence);
        self.cache.release(sequence);
    }

    /// Ends a request: its pages are there for others, and its last event is said.
    fn end(&mut self, number: u64, mut text: String, end: End, events: &mut Vec<Event>) {
        let is_waiting = self.requests.get(&number).is_some_and(|active| active.sequence.is_none());
        self.put_away(number);
        let Some(mut active) = self.requests.remove(&number) else { return };
        self.tenants.leave(&active.tenant, is_waiting);
        if !matches!(end, End::Stopped(..)) {
            // What was held back, since it might have become the beginning of a stop string, is text after all.
            text.push_str(active.stop.finish(active.detokenizer.finish()).text);
        }
        self.stats.ended += 1;
        events.push(Event::Ended { request: RequestId(number), text, end, usage: active.usage() });
    }
}
