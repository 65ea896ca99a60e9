//! The bounded queue of one version, in two classes.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};
use yard_types::{Tensor, VersionRef};

use crate::{
    Prediction, QueueClass, ServingError,
    batch::{BatchLimits, Fate, Verdict, Waiting, next_batch},
    clock,
};

/// What a caller gets back.
pub(crate) type Reply = Result<Prediction, ServingError>;

/// A full queue is searched for requests whose callers left at most this often, so that refusing stays cheap.
const SWEEP_INTERVAL: Duration = Duration::from_millis(1);

/// The part of [`crate::QueueOptions`] that the queue works by, as it applies to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuning {
    pub(crate) max_rows: usize,
    pub(crate) max_delay: Duration,
    pub(crate) interactive_length: usize,
    pub(crate) background_length: usize,
    pub(crate) workers: usize,
    pub(crate) timeout: Duration,
}

/// How many rows a request brings, and with which others it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowShape {
    pub(crate) rows: usize,
    pub(crate) join_key: Option<u64>,
}

/// A request on its way into the queue.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) shape: RowShape,
    pub(crate) class: QueueClass,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued {
    /// Nobody empties the queue yet: the caller must see to it.
    pub(crate) needs_drain: bool,
    /// There was no work before it.
    pub(crate) was_idle: bool,
    /// When the request is too late.
    pub(crate) deadline: Instant,
}

/// The queue had no room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    pub(crate) class: QueueClass,
    /// Runs that it takes until the queue is empty, at most.
    pub(crate) runs_ahead: usize,
}

/// Requests that run together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) class: QueueClass,
    pub(crate) rows: usize,
    /// One list of inputs for each request.
    pub(crate) inputs: Vec<Vec<Tensor>>,
    /// In the same order.
    pub(crate) pending: Vec<Pending>,
}

/// A caller who waits for the result of a run.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) reply: oneshot::Sender<Reply>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
}

/// What whoever empties the queue does next.
#[derive(Debug)]
pub(crate) enum Step<Work> {
    /// The queue is empty and nobody is in charge of it any more.
    Idle,
    /// Nothing to do until then, or until [`Queue::changed`].
    Wait(Option<Instant>),
    /// This.
    Work(Work),
}

/// Where the work would run, which decides what bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    IoThread,
    ComputeThreads,
}

/// Gauges of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) interactive: usize,
    pub(crate) background: usize,
    pub(crate) running: usize,
}

#[derive(Debug)]
pub(crate) struct Queue {
    version: VersionRef,
    state: Mutex<State>,
    /// Signalled when whoever waits should look again.
    changed: Notify,
    /// Most rows that may run together as far as runs have been measured.
    measured_limit: AtomicUsize,
}

#[derive(Debug)]
struct State {
    tuning: Tuning,
    interactive: VecDeque<Entry>,
    background: VecDeque<Entry>,
    running: usize,
    running_background: usize,
    /// Whether a drain is in charge of the queue.
    armed: bool,
    /// Whether the drain waits for [`Queue::changed`].
    waiting: bool,
    /// Whether everything new is dropped.
    closed: bool,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    inputs: Vec<Tensor>,
    shape: RowShape,
    class: QueueClass,
    pending: Pending,
}

impl Queue {
    pub(crate) fn new(version: VersionRef, tuning: Tuning) -> Self {
        let state = State {
            tuning,
            interactive: VecDeque::new(),
            background: VecDeque::new(),
            running: 0,
            running_background: 0,
            armed: false,
            waiting: false,
            closed: false,
            swept: None,
        };
        Self {
            version,
            state: Mutex::new(state),
            changed: Notify::new(),
            measured_limit: AtomicUsize::new(usize::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn retune(&self, tuning: Tuning) {
        let mut state = self.lock();
        state.tuning = tuning;
        self.wake(&mut state);
    }

    pub(crate) fn max_rows(&self) -> usize {
        self.lock().tuning.max_rows.min(self.measured_limit())
    }

    /// Joins at most so many rows from now on, as far as runs have been measured, whatever the options allow.
    pub(crate) fn limit_rows(&self, rows: usize) {
        self.measured_limit.store(rows.max(1), Ordering::Relaxed);
    }

    fn measured_limit(&self) -> usize {
        self.measured_limit.load(Ordering::Relaxed)
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.lock();
        Load {
            interactive: state.interactive.len(),
            background: state.background.len(),
            running: state.running,
        }
    }

    /// Whether nothing waits and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.load() == Load::default()
    }

    /// Puts a request into the queue, if there is room. A closed queue drops it, which its caller sees at once.
    pub(crate) fn push(&self, arrival: Arrival) -> Result<Queued, Full> {
        let Arrival { inputs, shape, class, arrived, deadline, reply } = arrival;
        let mut state = self.lock();
        let latest = clock::after(arrived, state.tuning.timeout);
        let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
        if state.closed {
            return Ok(Queued { needs_drain: false, was_idle: false, deadline });
        }
        if !state.has_room(class) {
            state.sweep(class, arrived);
            if !state.has_room(class) {
                let runs_ahead = state.runs_ahead();
                drop(state);
                return Err(Full { class, runs_ahead });
            }
        }
        let was_idle = state.is_empty() && state.running == 0;
        let pending = Pending { reply, arrived, deadline };
        state.lane(class).push_back(Entry { inputs, shape, class, pending });
        self.wake(&mut state);
        let needs_drain = !std::mem::replace(&mut state.armed, true);
        Ok(Queued { needs_drain, was_idle, deadline })
    }

    /// Takes the next batch out of the queue. Its taker calls [`Queue::finished`] when the run is over.
    pub(crate) fn take(&self, lane: Lane, now: Instant) -> Step<Batch> {
        self.step(lane, now, |state, fates, class, rows, dead| {
            let batch = state.take_batch(fates, class, rows, dead);
            state.running += 1;
            state.running_background += usize::from(class == QueueClass::Background);
            batch
        })
    }

    /// Says of which class the next batch is, without taking it.
    pub(crate) fn peek(&self, lane: Lane, now: Instant) -> Step<QueueClass> {
        self.step(lane, now, |state, fates, class, _rows, dead| {
            state.remove_dead(fates, dead);
            // Something more urgent may come while its taker waits for a thread.
            state.waiting = true;
            class
        })
    }

    fn step<Work>(
        &self,
        lane: Lane,
        now: Instant,
        work: impl FnOnce(&mut State, &[Fate], QueueClass, usize, &mut Vec<(Entry, Fate)>) -> Work,
    ) -> Step<Work> {
        let mut dead = Vec::new();
        let mut state = self.lock();
        state.waiting = false;
        let saturated = lane == Lane::ComputeThreads && state.running >= state.tuning.workers;
        let step = if saturated && !state.is_empty() {
            Step::Wait(None)
        } else {
            let limits = BatchLimits {
                max_rows: state.tuning.max_rows.min(self.measured_limit()),
                max_delay: state.tuning.max_delay,
                background_allowed: lane == Lane::IoThread || state.may_run_background(),
            };
            let decision = next_batch(state.waiting(), &limits, now);
            match decision.verdict {
                Verdict::Run { class, rows } => {
                    Step::Work(work(&mut state, &decision.fates, class, rows, &mut dead))
                }
                verdict => {
                    state.remove_dead(&decision.fates, &mut dead);
                    match verdict {
                        Verdict::WaitUntil(until) => Step::Wait(Some(until)),
                        Verdict::Idle if state.is_empty() => Step::Idle,
                        _ => Step::Wait(None),
                    }
                }
            }
        };
        match step {
            Step::Idle => state.armed = false,
            Step::Wait(_) => state.waiting = true,
            Step::Work(_) => {}
        }
        drop(state);
        self.bury(dead);
        step
    }

    /// A run is over.
    pub(crate) fn finished(&self, class: QueueClass) {
        let mut state = self.lock();
        state.running -= 1;
        state.running_background -= usize::from(class == QueueClass::Background);
        self.wake(&mut state);
    }

    /// Waits until something changed that may matter to whoever empties the queue.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Drops what waits and all that comes; the callers see it at once.
    pub(crate) fn close(&self) -> usize {
        let mut state = self.lock();
        state.closed = true;
        let dropped = state.drop_all();
        self.wake(&mut state);
        drop(state);
        dropped.len()
    }

    /// Whoever emptied the queue was dropped in the middle of it: what waits is dropped as well, so that no caller
    /// waits for nobody, and the next arrival starts anew.
    pub(crate) fn drain_lost(&self) {
        let mut state = self.lock();
        state.armed = false;
        state.waiting = false;
        let dropped = state.drop_all();
        drop(state);
        drop(dropped);
    }

    fn wake(&self, state: &mut State) {
        if std::mem::replace(&mut state.waiting, false) {
            self.changed.notify_one();
        }
    }

    /// Tells those who are too late, after the lock is released; those who left are dropped.
    fn bury(&self, dead: Vec<(Entry, Fate)>) {
        for (entry, fate) in dead {
            if fate == Fate::Expired {
                let error = ServingError::DeadlineExceeded { version: self.version.clone() };
                let _ = entry.pending.reply.send(Err(error));
            }
        }
    }
}

// === impl State ===

impl State {
    fn is_empty(&self) -> bool {
        self.interactive.is_empty() && self.background.is_empty()
    }

    fn lane(&mut self, class: QueueClass) -> &mut VecDeque<Entry> {
        match class {
            QueueClass::Interactive => &mut self.interactive,
            QueueClass::Background => &mut self.background,
        }
    }

    fn has_room(&self, class: QueueClass) -> bool {
        match class {
            QueueClass::Interactive => self.interactive.len() < self.tuning.interactive_length,
            QueueClass::Background => self.background.len() < self.tuning.background_length,
        }
    }

    /// Background runs leave a worker for interactive ones, where there is more than one.
    fn may_run_background(&self) -> bool {
        self.running_background < self.tuning.workers.saturating_sub(1).max(1)
    }

    fn runs_ahead(&self) -> usize {
        let waiting = self.interactive.len() + self.background.len();
        (waiting + self.running).div_ceil(self.tuning.workers.max(1))
    }

    /// Removes those whose callers left.
    fn sweep(&mut self, class: QueueClass, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP_INTERVAL) {
            return;
        }
        self.swept = Some(now);
        self.lane(class).retain(|entry| !entry.pending.reply.is_closed());
    }

    fn waiting(&self) -> impl Iterator<Item = Waiting> + '_ {
        self.interactive.iter().chain(&self.background).map(|entry| Waiting {
            class: entry.class,
            rows: entry.shape.rows,
            join_key: entry.shape.join_key,
            arrived: entry.pending.arrived,
            deadline: entry.pending.deadline,
            left: entry.pending.reply.is_closed(),
        })
    }

    fn take_batch(
        &mut self,
        fates: &[Fate],
        class: QueueClass,
        rows: usize,
        dead: &mut Vec<(Entry, Fate)>,
    ) -> Batch {
        let mut batch = Batch {
            class,
            rows,
            inputs: Vec::with_capacity(fates.len()),
            pending: Vec::with_capacity(fates.len()),
        };
        self.apply(fates, dead, |entry| {
            batch.inputs.push(entry.inputs);
            batch.pending.push(entry.pending);
        });
        batch
    }

    fn remove_dead(&mut self, fates: &[Fate], dead: &mut Vec<(Entry, Fate)>) {
        if fates.iter().any(|fate| matches!(fate, Fate::Left | Fate::Expired)) {
            let spared: Vec<Fate> = fates
                .iter()
                .map(|fate| match fate {
                    Fate::Run => Fate::Stay,
                    other => *other,
                })
                .collect();
            self.apply(&spared, dead, drop);
        }
    }

    /// Carries out what was decided of the first requests, in the order of [`State::waiting`].
    fn apply(&mut self, fates: &[Fate], dead: &mut Vec<(Entry, Fate)>, mut run: impl FnMut(Entry)) {
        let (interactive, background) = fates.split_at(fates.len().min(self.interactive.len()));
        for (lane, fates) in [(&mut self.interactive, interactive), (&mut self.background, background)] {
            let mut stay = Vec::new();
            for fate in fates {
                let Some(entry) = lane.pop_front() else { break };
                match fate {
                    Fate::Run => run(entry),
                    Fate::Stay => stay.push(entry),
                    Fate::Left | Fate::Expired => dead.push((entry, *fate)),
                }
            }
            for entry in stay.into_iter().rev() {
                lane.push_front(entry);
            }
        }
    }

    fn drop_all(&mut self) -> Vec<Entry> {
        self.interactive.drain(..).chain(self.background.drain(..)).collect()
    }
}
