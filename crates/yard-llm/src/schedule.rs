//! What an engine does next: pure functions of what it has to do and of the room it has.
//!
//! A step runs tokens of several requests. All that are being written come first, then prompts are read with what is
//! left of the step, so that a long prompt holds nobody up. When pages run short the lowest in rank gives up its pages
//! and is computed again later. Rank is priority, then age, and never changes: whoever is first in rank always gets on,
//! so all come to their end, whatever the order of arrival.
//!
//! Between tenants it is fair by tokens: of those who wait, the one comes first whose tenant was served least (the
//! counter of Sheng and others, "Fairness in serving large language models", OSDI 2024).

use std::cmp::Reverse;

use yard_kernels::PAGE_POSITIONS;

/// Who comes first when there is not enough for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Work that nobody waits for.
    Background,
    /// Work that somebody waits for.
    #[default]
    Interactive,
}

/// A request that holds pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    /// Requests are numbered as they come.
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    /// How much was done for its tenant.
    pub(crate) served: u64,
    /// Tokens whose keys and values are known.
    pub(crate) length: usize,
    /// Tokens that have to be run before the next one can be chosen.
    pub(crate) unseen: usize,
    /// Tokens that were guessed and may be run behind those.
    pub(crate) guessed: usize,
    /// Pages it holds.
    pub(crate) pages: usize,
}

/// A request that waits for pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    pub(crate) served: u64,
}

/// The one of those who wait that is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    pub(crate) served: u64,
    /// Pages it takes from those there are until its first token can be chosen.
    pub(crate) pages: usize,
    /// The same, and the pages there would be, if all of lower priority had gone.
    pub(crate) alone: Alone,
}

/// How a candidate stands without those of lower priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alone {
    /// Pages it takes.
    pub(crate) pages: usize,
    /// Pages that would be free or could be made free.
    pub(crate) room: usize,
}

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Pages that are free or can be made free without harm.
    pub(crate) pages: usize,
    /// Tokens of a step: more than requests that may run.
    pub(crate) tokens: usize,
    /// Requests that may run.
    pub(crate) running: usize,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Take this request's pages; it waits.
    Preempt(u64),
    /// Let the candidate run.
    Admit(u64),
    /// Run a step of these requests, with so many tokens each.
    Run(Vec<(u64, usize)>),
}

impl Running {
    /// The higher, the later it loses its pages.
    const fn rank(&self) -> (Priority, Reverse<u64>) {
        (self.priority, Reverse(self.number))
    }

    const fn is_reading(&self) -> bool {
        self.unseen > 1
    }

    /// Whose prompt is read first.
    const fn place(&self) -> (Reverse<Priority>, u64, u64) {
        (Reverse(self.priority), self.served, self.number)
    }

    /// Pages that so many more tokens take.
    fn more_pages(&self, tokens: usize) -> usize {
        (self.length + tokens).div_ceil(PAGE_POSITIONS).saturating_sub(self.pages)
    }

    /// How many tokens so many more pages have room for.
    const fn tokens_in(&self, pages: usize) -> usize {
        (self.pages + pages) * PAGE_POSITIONS - self.length
    }
}

/// The next of those who wait.
pub(crate) fn first_in_line(waiting: impl Iterator<Item = Waiting>) -> Option<u64> {
    let order = |waiting: &Waiting| (Reverse(waiting.priority), waiting.served, waiting.number);
    waiting.min_by_key(order).map(|waiting| waiting.number)
}

/// What to do next. Behind any other move than a run this is asked again, with what has become of it. Nobody may be a
/// candidate behind a preemption that made room for those who run.
pub(crate) fn next_move(running: &[Running], candidate: Option<&Candidate>, room: &Room) -> Move {
    let mut step = Step { parts: Vec::new(), pages: room.pages, tokens: room.tokens };
    if let Err(lowest) = step.write(running).and_then(|()| step.read(running)) {
        return Move::Preempt(lowest);
    }
    if let Some(candidate) = candidate
        && step.has_tokens_for(running, candidate)
    {
        match entry(running, candidate, room.pages - step.pages, room) {
            Entry::Open => return Move::Admit(candidate.number),
            Entry::At(lowest) => return Move::Preempt(lowest),
            Entry::Closed => {}
        }
    }
    step.guess(running);
    Move::Run(step.parts)
}

/// A step as far as it is made, and what is left.
struct Step {
    parts: Vec<(u64, usize)>,
    pages: usize,
    tokens: usize,
}

impl Step {
    /// Everyone who writes gets a token. The error names the one that has to go first.
    fn write(&mut self, running: &[Running]) -> Result<(), u64> {
        let mut writing: Vec<&Running> = running.iter().filter(|one| !one.is_reading()).collect();
        writing.sort_unstable_by_key(|one| Reverse(one.rank()));
        for one in writing {
            let sure = one.unseen;
            if one.more_pages(sure) > self.pages {
                return Err(lowest(running).map_or(one.number, |lowest| lowest.number));
            }
            self.take(one, sure);
        }
        Ok(())
    }

    /// Prompts get what is left of the step. The error names the one that has to go first.
    fn read(&mut self, running: &[Running]) -> Result<(), u64> {
        let mut reading: Vec<&Running> = running.iter().filter(|one| one.is_reading()).collect();
        reading.sort_unstable_by_key(|one| one.place());
        for one in reading {
            let tokens = one.unseen.min(self.tokens).min(one.tokens_in(self.pages));
            if tokens > 0 {
                self.take(one, tokens);
            } else if self.tokens > 0
                && let Some(lowest) = lowest(running).filter(|lowest| lowest.rank() < one.rank())
            {
                return Err(lowest.number);
            }
        }
        Ok(())
    }

    /// What was guessed gets what nobody else wants.
    fn guess(&mut self, running: &[Running]) {
        for (number, tokens) in &mut self.parts {
            let guessing = running.iter().find(|one| one.number == *number && one.guessed > 0);
            let Some(one) = guessing else { continue };
            let more = one.more_pages(*tokens + one.guessed) - one.more_pages(*tokens);
            if more <= self.pages && one.guessed <= self.tokens {
                self.pages -= more;
                self.tokens -= one.guessed;
                *tokens += one.guessed;
            }
        }
    }

    /// Whether a candidate would get a token: some are left, or one that reads would come behind it.
    fn has_tokens_for(&self, running: &[Running], candidate: &Candidate) -> bool {
        let place = (Reverse(candidate.priority), candidate.served, candidate.number);
        self.tokens > 0 || running.iter().any(|one| one.is_reading() && one.place() > place)
    }

    fn take(&mut self, one: &Running, tokens: usize) {
        self.pages -= one.more_pages(tokens);
        self.tokens -= tokens;
        self.parts.push((one.number, tokens));
    }
}

/// Whether a candidate may enter.
enum Entry {
    Open,
    /// When this one has gone.
    At(u64),
    Closed,
}

fn entry(running: &[Running], candidate: &Candidate, taken: usize, room: &Room) -> Entry {
    // Each that runs will want a page soon: who enters shall not be sent away at once.
    let wanted = |pages: usize, running: usize| if running == 0 { pages } else { pages + running };
    if running.len() < room.running && wanted(candidate.pages, running.len()) + taken <= room.pages {
        return Entry::Open;
    }
    let below = running.iter().filter(|one| one.priority < candidate.priority).count();
    let Alone { pages, room } = candidate.alone;
    if below > 0 && wanted(pages, running.len() - below) + taken <= room {
        return lowest(running).map_or(Entry::Closed, |lowest| Entry::At(lowest.number));
    }
    Entry::Closed
}

fn lowest(running: &[Running]) -> Option<&Running> {
    running.iter().min_by_key(|one| one.rank())
}

#[cfg(test)]
mod tests;
