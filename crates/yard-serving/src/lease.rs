//! A hold on a loaded version, and the path of one request through it.

use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use yard_types::{Coded, ErrorCode, ModelName, Signature, Tensor, VersionNumber, VersionRef};

use crate::{
    ServingError,
    admission::Admitted,
    clock, drain,
    queue::{Arrival, Reply},
    version::Version,
};

/// Whether somebody waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QueueClass {
    /// Somebody waits.
    #[default]
    Interactive,
    /// Nobody waits: explanations, batches, shadow traffic. Never delays an interactive request.
    Background,
}

/// What a request brings besides its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestContext {
    /// Which queue it joins.
    pub class: QueueClass,
    /// When its answer loses its worth, if that is before [`crate::QueueOptions::timeout`] is over.
    pub deadline: Option<Instant>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The outputs, in the order of the signature.
    pub outputs: Vec<Tensor>,
    /// Where the time went.
    pub timings: Timings,
    /// Rows of the run that this request was part of.
    pub batch_rows: usize,
}

/// Where the time of a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// From its arrival to the start of its run.
    pub queue: Duration,
    /// Its run.
    pub compute: Duration,
}

/// A loaded version, kept in memory for as long as this lives.
///
/// Cheap to clone. A version that is replaced goes on serving those who hold a lease, and is unloaded after the last.
#[derive(Clone)]
pub struct Lease {
    version: Arc<Version>,
}

/// Says that somebody works on a version beside its queue: it is not unloaded for the sake of others meanwhile.
#[derive(Debug)]
pub struct Hold {
    lease: Lease,
}

/// Counts a request from its admission to its end, even if its future is dropped in between.
struct Counted<'a> {
    version: &'a Version,
    _admitted: Admitted<'a>,
    finished: bool,
}

impl Lease {
    pub(crate) const fn new(version: Arc<Version>) -> Self {
        Self { version }
    }

    /// The model.
    pub fn model(&self) -> &ModelName {
        &self.version.reference.model
    }

    /// The version.
    pub fn version(&self) -> VersionNumber {
        self.version.reference.version
    }

    /// Model and version.
    pub fn reference(&self) -> &VersionRef {
        &self.version.reference
    }

    /// What the version takes and gives.
    pub fn signature(&self) -> &Arc<Signature> {
        &self.version.signature
    }

    /// What else the version offers, if it is of this type: see [`yard_engine::LoadedModel::service`].
    pub fn service<Service: Any + Send + Sync>(&self) -> Option<Arc<Service>> {
        self.version.service()
    }

    /// Whether what was computed for one key may serve others, as the model's options say at this moment: see
    /// [`crate::QueueOptions::share_prefixes`].
    pub fn shares_prefixes(&self) -> bool {
        self.version.shares_prefixes()
    }

    /// Whether rows of several texts or requests may run together, as far as is known at this moment.
    pub fn joins_rows(&self) -> bool {
        self.version.joins_rows()
    }

    /// To be kept for as long as something of [`Lease::service`] is at work.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.version.hold();
        Hold { lease: self.clone() }
    }

    /// Answers a request whose inputs stand in the order of the signature (see [`Signature::arrange`]).
    ///
    /// Dropping the future takes the request out of the queue; a run that nobody waits for any more is stopped.
    pub async fn predict(
        &self,
        inputs: Vec<Tensor>,
        context: RequestContext,
    ) -> Result<Prediction, ServingError> {
        let version = &self.version;
        version.metrics.request();
        let admitted = match version.host.admission.admit() {
            Ok(admitted) => admitted,
            Err(refused) => {
                version.metrics.failure(refused.code());
                return Err(refused);
            }
        };
        let mut counted = Counted { version, _admitted: admitted, finished: false };
        let result = answer(version, inputs, context).await;
        counted.finished = true;
        if let Err(error) = &result {
            version.metrics.failure(error.code());
        }
        result
    }
}

async fn answer(
    version: &Arc<Version>,
    inputs: Vec<Tensor>,
    context: RequestContext,
) -> Result<Prediction, ServingError> {
    let expected = version.signature.inputs.len();
    if inputs.len() != expected {
        let model = version.reference.model.clone();
        return Err(ServingError::InputCount { model, expected, got: inputs.len() });
    }
    version.signature.check(&version.reference.model, &inputs)?;
    let shape = version.row_shape(&inputs);
    version.metrics.rows(shape.rows);
    let (reply, receiver) = oneshot::channel::<Reply>();
    let arrived = clock::now();
    let arrival = Arrival { inputs, shape, class: context.class, arrived, deadline: context.deadline, reply };
    let queued = version.queue.push(arrival).map_err(|full| full.into_error(version))?;
    version.used(arrived);
    if queued.was_idle {
        version.progressed(arrived);
    }
    if queued.needs_drain {
        drain::spawn(version);
    }
    // A run on the I/O thread is over before a timer could matter, and a timer costs as much as a small model.
    let received = if version.is_inline() {
        receiver.await
    } else {
        match tokio::time::timeout_at(queued.deadline.into(), receiver).await {
            Ok(received) => received,
            Err(_) => return Err(ServingError::DeadlineExceeded { version: version.reference.clone() }),
        }
    };
    match received {
        Ok(result) => result,
        Err(_) if version.host.admission.is_stopping() => Err(ServingError::Stopping),
        Err(_) => Err(ServingError::Interrupted { version: version.reference.clone() }),
    }
}

impl Hold {
    pub(crate) const fn version(&self) -> &Arc<Version> {
        &self.lease.version
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lease.version.release();
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.version.metrics.failure(ErrorCode::Cancelled);
        }
    }
}

impl fmt::Display for QueueClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Interactive => "interactive",
            Self::Background => "background",
        })
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lease").field(&self.version.reference).finish()
    }
}
