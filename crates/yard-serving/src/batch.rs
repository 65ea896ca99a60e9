//! Which of the waiting requests run next: a pure function.

use std::time::{Duration, Instant};

use crate::{QueueClass, clock};

/// How many requests of another shape may be passed over in search of rows that can join.
///
/// It bounds the work of one choice. The oldest request is in every batch, so being passed over never adds a batch to
/// the wait of anyone.
const LOOK_AHEAD: usize = 256;

/// What the choice needs to know of one waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) class: QueueClass,
    pub(crate) rows: usize,
    /// Requests with equal keys may run together; one without a key runs alone.
    pub(crate) join_key: Option<u64>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
    /// Whether its caller has gone.
    pub(crate) left: bool,
}

/// What bounds a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    pub(crate) max_rows: usize,
    pub(crate) max_delay: Duration,
    /// Whether background work may run now.
    pub(crate) background_allowed: bool,
}

/// What becomes of one waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the batch.
    Run,
    /// It goes on waiting.
    Stay,
    /// Its deadline has passed.
    Expired,
    /// Its caller has gone.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody waits.
    Idle,
    /// The batch may still grow until then.
    WaitUntil(Instant),
    /// Only background work waits, and none may run now.
    Blocked,
    /// The batch runs now.
    Run { class: QueueClass, rows: usize },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchDecision {
    /// What becomes of the first so many requests; those after them go on waiting.
    pub(crate) fates: Vec<Fate>,
    pub(crate) verdict: Verdict,
}

/// Chooses the next batch among the requests that wait: the interactive ones first, then those in the background, each
/// in the order of their arrival.
///
/// - Whoever has left or is too late is taken out first and never runs.
/// - The oldest request runs next, with as many later ones of the same class and key, in order, as fit into
///   `max_rows`. A request that is larger than that runs alone.
/// - Background requests run only when no interactive one waits.
/// - With a delay, the batch waits until it is full or its oldest request has waited that long, unless that would make
///   one of them late. Without one nobody waits for others.
pub(crate) fn next_batch(
    waiting: impl IntoIterator<Item = Waiting>,
    limits: &BatchLimits,
    now: Instant,
) -> BatchDecision {
    let mut fates = Vec::new();
    let mut head: Option<Waiting> = None;
    let mut rows = 0;
    let mut first_deadline = None;
    let mut full = false;
    let mut passed_over = 0;
    for request in waiting {
        // Before the next request is judged, so that a batch which cannot grow costs no look at the rest of the queue.
        let ends = head.is_some_and(|head: Waiting| {
            full || head.join_key.is_none() || head.class != request.class || passed_over == LOOK_AHEAD
        });
        if ends {
            break;
        }
        if request.left {
            fates.push(Fate::Left);
            continue;
        }
        if request.deadline <= now {
            fates.push(Fate::Expired);
            continue;
        }
        match head {
            None if request.class == QueueClass::Background && !limits.background_allowed => {
                return BatchDecision { fates, verdict: Verdict::Blocked };
            }
            None => {
                head = Some(request);
                rows = request.rows;
                first_deadline = Some(request.deadline);
            }
            Some(head) if head.join_key == request.join_key => {
                if rows.saturating_add(request.rows) > limits.max_rows {
                    // Smaller ones behind it do not overtake it.
                    full = true;
                    break;
                }
                rows += request.rows;
                first_deadline = first_deadline.min(Some(request.deadline));
            }
            Some(_) => {
                fates.push(Fate::Stay);
                passed_over += 1;
                continue;
            }
        }
        fates.push(Fate::Run);
        full = rows >= limits.max_rows;
    }
    let (Some(head), Some(first_deadline)) = (head, first_deadline) else {
        return BatchDecision { fates, verdict: Verdict::Idle };
    };
    let may_grow = head.join_key.is_some() && !full && passed_over < LOOK_AHEAD;
    if may_grow && !limits.max_delay.is_zero() {
        let until = clock::after(head.arrived, limits.max_delay);
        if until > now && until < first_deadline {
            for fate in &mut fates {
                if *fate == Fate::Run {
                    *fate = Fate::Stay;
                }
            }
            return BatchDecision { fates, verdict: Verdict::WaitUntil(until) };
        }
    }
    BatchDecision { fates, verdict: Verdict::Run { class: head.class, rows } }
}

#[cfg(test)]
mod tests;
