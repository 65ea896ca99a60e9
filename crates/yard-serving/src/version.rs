//! A loaded version.

use std::{
    any::Any,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;
use yard_engine::{LoadedModel, RowJoining};
use yard_types::{Dim, Signature, Tensor, VersionRef};

use crate::{
    MetricsSnapshot, QueueOptions, ServingError, clock,
    host::Host,
    memory::Charge,
    metrics::VersionMetrics,
    queue::{Full, Queue, RowShape, Tuning},
};

/// So many runs that panic, one after the other, and the version is marked as failed.
const PANICS_UNTIL_FAILED: u32 = 3;

/// So many runs on the I/O thread that are stopped, one after the other, and the model leaves it.
const STOPS_UNTIL_MOVED: u32 = 3;

/// A refused caller is told to wait at least this long, and at most [`LONGEST_RETRY`].
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// One loaded version with its queue and its numbers.
///
/// Routes, leases, its drain and its runs share it. When the last of them is gone, the model is unloaded on a thread
/// that may block, then its package is released and its memory given back.
pub(crate) struct Version {
    pub(crate) reference: VersionRef,
    pub(crate) signature: Arc<Signature>,
    pub(crate) host: Arc<Host>,
    pub(crate) queue: Queue,
    pub(crate) metrics: VersionMetrics,
    /// What it takes of the memory for models.
    pub(crate) memory_bytes: u64,
    /// `None` only while it is dropped.
    held: Option<Held>,
    /// The time of a single run at proof.
    single_run: Option<Duration>,
    /// Whether rows of several requests may run together.
    joining: AtomicBool,
    /// As [`QueueOptions::share_prefixes`] says now.
    shares_prefixes: AtomicBool,
    /// Whether all requests have rows of the same shape.
    rows_alike: bool,
    /// Whether runs take place on the I/O thread.
    inline: AtomicBool,
    /// Moving mean of runs on the I/O thread, in nanoseconds.
    inline_mean: AtomicU64,
    /// Moving mean of a row's time on the compute threads, in nanoseconds; 0 before the first.
    row_mean: AtomicU64,
    /// Runs on the I/O thread that were stopped since the last one that was not.
    stopped_inline: AtomicU32,
    /// Panics since the last run that did not.
    panics: AtomicU32,
    failed: AtomicBool,
    /// By [`Host::micros`].
    last_progress: AtomicU64,
    /// By [`Host::micros`].
    last_used: AtomicU64,
    /// How many are at work on it beside its queue.
    holds: AtomicUsize,
    gone: watch::Receiver<()>,
}

/// What is dropped on a thread that may block, in this order.
struct Held {
    model: Arc<dyn LoadedModel>,
    _package_guard: Box<dyn Send + Sync>,
    _charge: Charge,
    /// Closes when all of it is gone.
    _gone: watch::Sender<()>,
}

/// What a version is made of.
pub(crate) struct VersionParts {
    pub(crate) reference: VersionRef,
    pub(crate) host: Arc<Host>,
    pub(crate) model: Arc<dyn LoadedModel>,
    pub(crate) package_guard: Box<dyn Send + Sync>,
    pub(crate) charge: Charge,
    pub(crate) joining_allowed: bool,
    pub(crate) single_run: Option<Duration>,
    pub(crate) options: QueueOptions,
}

impl Version {
    pub(crate) fn new(parts: VersionParts) -> Self {
        let VersionParts {
            reference,
            host,
            model,
            package_guard,
            charge,
            joining_allowed,
            single_run,
            options,
        } = parts;
        let signature = Arc::new(model.signature().clone());
        let joining = joining_allowed
            && model.row_joining() == RowJoining::Plausible
            && takes_any_number_of_rows(&signature);
        let inline = single_run.is_some_and(|time| time < host.settings.inline_below);
        let (gone_sender, gone) = watch::channel(());
        let memory_bytes = charge.bytes();
        let held = Held { model, _package_guard: package_guard, _charge: charge, _gone: gone_sender };
        let now = host.micros(clock::now());
        let queue = Queue::new(reference.clone(), tuning(&options, &host, single_run));
        if single_run.is_none() {
            queue.limit_rows(1);
        }
        Self {
            queue,
            metrics: VersionMetrics::new(),
            rows_alike: has_rows_alike(&signature),
            signature,
            memory_bytes,
            held: Some(held),
            single_run,
            joining: AtomicBool::new(joining),
            shares_prefixes: AtomicBool::new(options.share_prefixes),
            inline: AtomicBool::new(inline),
            inline_mean: AtomicU64::new(0),
            row_mean: AtomicU64::new(0),
            stopped_inline: AtomicU32::new(0),
            panics: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            last_progress: AtomicU64::new(now),
            last_used: AtomicU64::new(now),
            holds: AtomicUsize::new(0),
            gone,
            reference,
            host,
        }
    }

    /// The model itself.
    pub(crate) fn model(&self) -> &dyn LoadedModel {
        let held = self.held.as_ref().expect("only dropping the version takes it away");
        &*held.model
    }

    /// What else the model offers, if it is of this type.
    pub(crate) fn service<Service: Any + Send + Sync>(&self) -> Option<Arc<Service>> {
        self.model().service()?.downcast().ok()
    }

    /// Applies changed options.
    pub(crate) fn retune(&self, options: &QueueOptions) {
        self.queue.retune(tuning(options, &self.host, self.single_run));
        self.shares_prefixes.store(options.share_prefixes, Ordering::Relaxed);
    }

    pub(crate) fn shares_prefixes(&self) -> bool {
        self.shares_prefixes.load(Ordering::Relaxed)
    }

    /// How many rows the inputs have, and with which others they may run.
    pub(crate) fn row_shape(&self, inputs: &[Tensor]) -> RowShape {
        let mut all_rows = inputs.iter().map(Tensor::rows);
        let first = all_rows.next().flatten();
        let rows = first.unwrap_or(1);
        let agree = first.is_some() && all_rows.all(|rows| rows == first);
        if !agree || !self.joins_rows() {
            return RowShape { rows, join_key: None };
        }
        if self.rows_alike {
            return RowShape { rows, join_key: Some(0) };
        }
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            input.shape().get(1..).hash(&mut hasher);
        }
        // Two shapes with the same hash would fail to join, and then run one by one.
        RowShape { rows, join_key: Some(hasher.finish()) }
    }

    pub(crate) fn joins_rows(&self) -> bool {
        self.joining.load(Ordering::Relaxed)
    }

    /// From now on each request runs alone.
    pub(crate) fn stop_joining(&self, reason: &str) {
        if self.joining.swap(false, Ordering::Relaxed) {
            tracing::error!(model = %self.reference.model, version = %self.reference.version, reason, "requests are no longer joined by rows");
        }
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.inline.load(Ordering::Relaxed)
    }

    /// From now on runs take place on the compute threads.
    pub(crate) fn leave_io_thread(&self, reason: &str) {
        if self.inline.swap(false, Ordering::Relaxed) {
            tracing::warn!(model = %self.reference.model, version = %self.reference.version, reason, "runs move to the compute threads");
        }
    }

    /// Notes that a run on the I/O thread was stopped after it had used so much processor time.
    ///
    /// A model that computed all the time leaves that thread. One that hardly computed was either kept from running by
    /// others, which is no fault of its own, or waited for something: three times in a row is no accident.
    pub(crate) fn was_stopped_inline(&self, used: Duration) {
        let stops = self.stopped_inline.fetch_add(1, Ordering::Relaxed) + 1;
        if used >= self.host.settings.inline_limit / 2 || stops >= STOPS_UNTIL_MOVED {
            self.leave_io_thread("a run took too long");
        }
    }

    /// Notes how much processor time a run on the I/O thread used; a model that is slower than it was at proof leaves
    /// that thread.
    pub(crate) fn ran_inline(&self, time: Duration) {
        if self.stopped_inline.load(Ordering::Relaxed) != 0 {
            self.stopped_inline.store(0, Ordering::Relaxed);
        }
        let below = u64::try_from(self.host.settings.inline_below.as_nanos()).unwrap_or(u64::MAX);
        // Cut off, so that one run which the operating system interrupted does not decide.
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(below.saturating_mul(8));
        let mean = self.inline_mean.load(Ordering::Relaxed);
        let mean = mean - mean / 16 + time / 16;
        self.inline_mean.store(mean, Ordering::Relaxed);
        if mean > below.saturating_mul(2) {
            self.leave_io_thread("runs take longer than at proof");
        }
    }

    /// Notes how long a run on a compute thread took. Where the time of a row is not known from the proof, it is learned
    /// here how many rows fit into [`crate::ServingSettings::max_joined_run`]: one, until a run was measured.
    pub(crate) fn ran_on_compute(&self, rows: usize, time: Duration) {
        if self.single_run.is_some() {
            return;
        }
        let row = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / (rows.max(1) as u64);
        let known = self.row_mean.load(Ordering::Relaxed);
        let mean = if known == 0 { row } else { known - known / 8 + row / 8 }.max(1);
        self.row_mean.store(mean, Ordering::Relaxed);
        let limit = self.host.settings.max_joined_run.as_nanos() / u128::from(mean);
        self.queue.limit_rows(usize::try_from(limit).unwrap_or(usize::MAX));
    }

    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn panicked(&self) {
        self.metrics.panicked();
        let panics = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::error!(model = %self.reference.model, version = %self.reference.version, panics, "the engine panicked");
        if panics >= PANICS_UNTIL_FAILED && !self.failed.swap(true, Ordering::Relaxed) {
            tracing::error!(model = %self.reference.model, version = %self.reference.version, "the version is marked as failed until it is loaded anew");
        }
    }

    /// A run ended without panic.
    pub(crate) fn ran(&self) {
        if self.panics.load(Ordering::Relaxed) != 0 {
            self.panics.store(0, Ordering::Relaxed);
        }
    }

    /// Something was done, or work came to a version that had none.
    pub(crate) fn progressed(&self, now: Instant) {
        self.last_progress.store(self.host.micros(now), Ordering::Relaxed);
    }

    pub(crate) fn used(&self, now: Instant) {
        self.last_used.store(self.host.micros(now), Ordering::Relaxed);
    }

    /// Somebody begins to work on it beside its queue.
    pub(crate) fn hold(&self) {
        self.holds.fetch_add(1, Ordering::SeqCst);
        self.used(clock::now());
    }

    /// Somebody is through with that.
    pub(crate) fn release(&self) {
        self.used(clock::now());
        self.holds.fetch_sub(1, Ordering::SeqCst);
        self.rested();
    }

    /// It may be idle now, so that those who wait for memory look whether it can go.
    pub(crate) fn rested(&self) {
        self.host.memory.tell();
    }

    /// Whether nobody works on it, or waits to.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_idle() && self.holds.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// How long ago something was last done.
    pub(crate) fn since_progress(&self, now: Instant) -> Duration {
        let passed = self.host.micros(now).saturating_sub(self.last_progress.load(Ordering::Relaxed));
        Duration::from_micros(passed)
    }

    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        !self.queue.is_idle() && self.since_progress(now) > self.host.settings.stall_after
    }

    /// Waits until the model is unloaded and its package released. The future holds nothing of the version.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut gone = self.gone.clone();
        async move {
            // Nothing is ever sent: this ends when the sender is dropped.
            let _ = gone.changed().await;
        }
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let load = self.queue.load();
        MetricsSnapshot {
            queued_interactive: load.interactive,
            queued_background: load.background,
            running: load.running,
            ..self.metrics.snapshot(self.reference.clone())
        }
    }
}

/// The options as they apply to a version of which a single run takes so long.
fn tuning(options: &QueueOptions, host: &Host, single_run: Option<Duration>) -> Tuning {
    let settings = &host.settings;
    let fitting = single_run.filter(|time| !time.is_zero()).map_or(usize::MAX, |time| {
        usize::try_from(settings.max_joined_run.as_nanos() / time.as_nanos()).unwrap_or(usize::MAX)
    });
    Tuning {
        max_rows: options.max_batch.get().min(fitting).max(1),
        max_delay: options.max_queue_delay,
        interactive_length: options.interactive_length.get(),
        background_length: options.background_length.get(),
        workers: options.workers.unwrap_or(settings.compute_threads).get(),
        timeout: options.timeout,
    }
}

/// Whether the first dimension of every input is free.
fn takes_any_number_of_rows(signature: &Signature) -> bool {
    signature.inputs.iter().all(|input| {
        let first = input.shape.as_ref().and_then(|dims| dims.first());
        matches!(first, Some(Dim::Symbol(_) | Dim::Any))
    })
}

/// Whether the signature fixes all dimensions of the inputs but the first.
fn has_rows_alike(signature: &Signature) -> bool {
    signature.inputs.iter().all(|input| {
        let dims = input.shape.as_ref().and_then(|dims| dims.get(1..));
        dims.is_some_and(|dims| dims.iter().all(|dim| matches!(dim, Dim::Fixed(_))))
    })
}

impl Full {
    /// What the caller hears, with a guess at when there will be room.
    pub(crate) fn into_error(self, version: &Version) -> ServingError {
        let run = version.metrics.mean_run().unwrap_or_default();
        let runs = u32::try_from(self.runs_ahead).unwrap_or(u32::MAX);
        let retry_after = run.saturating_mul(runs).clamp(SHORTEST_RETRY, LONGEST_RETRY);
        ServingError::QueueFull { version: version.reference.clone(), class: self.class, retry_after }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Unloaded only here: where the runtime is ending this is dropped on a thread that may not block.
            self.host.runtime.spawn_blocking(move || {
                held.model.unload();
                drop(held);
            });
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Version").field("reference", &self.reference).finish_non_exhaustive()
    }
}
