//! The settings of serving as a whole and of one model's queue.

use std::{num::NonZeroUsize, thread, time::Duration};

use yard_engine::LoadOptions;

/// How requests to one model queue and are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOptions {
    /// Most rows in a joined run. One request may bring more; it then runs alone. Default: 64.
    pub max_batch: NonZeroUsize,
    /// How long the first request waits for others to join it, if the batch is not full before. Default: 0 s, which
    /// takes what waits already and delays nobody.
    pub max_queue_delay: Duration,
    /// Most interactive requests that may wait. Default: 1024.
    pub interactive_length: NonZeroUsize,
    /// Most background requests that may wait. Default: 256.
    pub background_length: NonZeroUsize,
    /// Most runs at once on the compute threads. Default: as many as there are compute threads.
    pub workers: Option<NonZeroUsize>,
    /// How long a request may take from its arrival to its answer, if it brings no earlier deadline. Default: 30 s.
    pub timeout: Duration,
    /// Whether what a language model computed for one key may serve the requests of others. Tells nobody's texts, but how
    /// soon an answer begins tells whether somebody asked the same before. Default: no.
    pub share_prefixes: bool,
}

/// The settings of serving as a whole.
#[derive(Debug, Clone)]
pub struct ServingSettings {
    /// Threads that run models. Default: the number of processors.
    pub compute_threads: NonZeroUsize,
    /// By how much the compute threads yield to the threads that talk to clients, as `nice` counts: 0 to 19.
    /// Default: 19, which keeps a small model's latency low beside a large one at no cost to the large one.
    pub compute_niceness: u8,
    /// Most requests admitted and not yet answered, over all models. Default: 4096.
    pub max_in_flight: NonZeroUsize,
    /// The queue of a model that has no options of its own.
    pub queue: QueueOptions,
    /// A model whose single run was measured to take less than this runs on the I/O thread. Default: 100 us.
    pub inline_below: Duration,
    /// A run on the I/O thread that takes longer than this is stopped, and its model moves to the compute threads.
    /// Default: 50 ms.
    pub inline_limit: Duration,
    /// Rows are joined only as far as the run is expected to stay below this, since every caller waits for the whole
    /// of it. How long a row takes is known from the proof or learned from the first runs. Default: 5 ms: a model that
    /// takes longer gains a few per cent by joining, and each caller loses a whole run.
    pub max_joined_run: Duration,
    /// With work at hand and none done for this long, a version is stalled. Default: 30 s.
    pub stall_after: Duration,
    /// How long [`crate::Serving::unload`] waits for running requests before it returns. Default: 30 s.
    pub drain_timeout: Duration,
    /// Whether a version that is not in memory is loaded when a request asks for it. Default: true.
    pub lazy_load: bool,
    /// Most versions in memory; for one more an idle one is evicted. Default: 256.
    pub max_loaded_versions: NonZeroUsize,
    /// Memory of all versions together, as [`crate::LoadPlan::memory_bytes`] says of each; 0 for no bound. Whoever does not
    /// fit has idle versions evicted, or is refused. Default: 0.
    pub memory_budget_bytes: u64,
    /// How long a load waits for others to give back their memory, from when it was asked for. Default: 30 s.
    pub memory_wait: Duration,
    /// How long a version that failed to load is refused without another try. Default: 10 s.
    pub retry_failed_after: Duration,
    /// Loads at the same time. Default: 1.
    pub concurrent_loads: NonZeroUsize,
    /// How long the first, warming run of a loaded version may take. Default: 30 s.
    pub warm_up_limit: Duration,
    /// What engines are told when they load.
    pub load: LoadOptions,
}

const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            max_batch: count(64),
            max_queue_delay: Duration::ZERO,
            interactive_length: count(1024),
            background_length: count(256),
            workers: None,
            timeout: Duration::from_secs(30),
            share_prefixes: false,
        }
    }
}

impl Default for ServingSettings {
    fn default() -> Self {
        Self {
            compute_threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            compute_niceness: 19,
            max_in_flight: count(4096),
            queue: QueueOptions::default(),
            inline_below: Duration::from_micros(100),
            inline_limit: Duration::from_millis(50),
            max_joined_run: Duration::from_millis(5),
            stall_after: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            lazy_load: true,
            max_loaded_versions: count(256),
            memory_budget_bytes: 0,
            memory_wait: Duration::from_secs(30),
            retry_failed_after: Duration::from_secs(10),
            concurrent_loads: NonZeroUsize::MIN,
            warm_up_limit: Duration::from_secs(30),
            load: LoadOptions::default(),
        }
    }
}
