//! Serving: which versions are in memory, which of them a request gets, and how requests become runs of an engine.
//!
//! [`Serving`] is the handle. [`Serving::find`] gives a [`Lease`] on a loaded version without a lock; [`Serving::open`]
//! loads it first where that is allowed; [`Lease::predict`] admits a request, queues it, joins it with others where
//! that is proven harmless, and answers. What exists and which alias points where comes from a [`ModelSource`].
//!
//! All loaded versions share one memory budget ([`ServingSettings::memory_budget_bytes`]): a load takes what its
//! [`LoadPlan`] says before it begins, idle versions are evicted for it, and it comes back when a model is really gone.
//!
//! The life of a request: admission ([`ServingSettings::max_in_flight`]), the queue of its version (bounded, two
//! classes), the pure choice of the next batch, a run (on the I/O thread for models of a few microseconds, else on the
//! compute threads), the answer. Whoever leaves or is too late is dropped before the run; a run that nobody waits for
//! is stopped.
//!
//! This crate knows no HTTP, no SQL, no registry and no concrete engine.

#![warn(missing_docs)]

mod admission;
mod batch;
mod clock;
mod compute;
mod control;
mod drain;
mod error;
mod eviction;
mod execution;
mod host;
mod lease;
mod line;
mod loading;
mod memory;
mod metrics;
mod operations;
mod options;
mod queue;
mod refresh;
mod room;
mod routes;
mod serving;
mod source;
mod status;
mod version;
mod watchdog;

pub use control::Prepared;
pub use error::{ServingError, Shortage, StartError};
pub use lease::{Hold, Lease, Prediction, QueueClass, RequestContext, Timings};
pub use metrics::{Bucket, HistogramSnapshot, MetricsSnapshot};
pub use options::{QueueOptions, ServingSettings};
pub use serving::{RefreshReport, Serving, ShutdownReport, StartReport};
pub use source::{LoadPlan, ModelRoutes, ModelSource, SourceError};
pub use status::{MemoryStatus, ModelStatus, VersionStatus, VersionStatusState};
