//! The task in charge of a version's queue while there is work in it.
//!
//! The first request that finds nobody in charge starts it; it ends when the queue is empty. It belongs to no request,
//! so a request that is dropped strands nobody.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::yield_now};
use yard_engine::{PredictError, RunControl};

use crate::{
    QueueClass, ServingError, clock,
    compute::ComputePermit,
    execution::{self, Outcome, RunFailure},
    queue::{Batch, Lane, Pending, Step},
    version::Version,
};

/// Starts the drain of a queue that has just been armed.
///
/// A version that runs on the I/O thread is drained on the thread that the request came in on; others where serving
/// lives.
pub(crate) fn spawn(version: &Arc<Version>) {
    let charge = Charge { version: Arc::clone(version), given_up: false };
    match Handle::try_current() {
        Ok(current) if version.is_inline() => current.spawn(drain(charge)),
        _ => version.host.runtime.spawn(drain(charge)),
    };
}

/// Being in charge of a queue. Dropped before it was given up, it clears the queue.
struct Charge {
    version: Arc<Version>,
    given_up: bool,
}

async fn drain(mut charge: Charge) {
    let version = Arc::clone(&charge.version);
    // Whatever can be read from the network now is read first, and joins the batch.
    yield_now().await;
    let mut since_yield = Duration::ZERO;
    loop {
        let lane = if version.is_inline() { Lane::IoThread } else { Lane::ComputeThreads };
        let step = match lane {
            Lane::IoThread => version.queue.take(lane, clock::now()),
            Lane::ComputeThreads => match version.queue.peek(lane, clock::now()) {
                Step::Idle => Step::Idle,
                Step::Wait(until) => Step::Wait(until),
                Step::Work(class) => {
                    // The batch is chosen when a thread is free, so that all that came meanwhile can be in it.
                    let Some(permit) = permit_or_change(&version, class).await else { continue };
                    match version.queue.take(lane, clock::now()) {
                        Step::Work(batch) => {
                            run_on_compute_thread(&version, batch, Some(permit));
                            continue;
                        }
                        Step::Idle => Step::Idle,
                        Step::Wait(until) => Step::Wait(until),
                    }
                }
            },
        };
        match step {
            Step::Idle => {
                charge.given_up = true;
                version.rested();
                return;
            }
            Step::Wait(None) => version.queue.changed().await,
            Step::Wait(Some(until)) => {
                tokio::select! {
                    () = version.queue.changed() => {}
                    () = clock::sleep_until(until) => {}
                }
            }
            // One large request would keep the thread from its clients.
            Step::Work(batch) if batch.rows > version.queue.max_rows() => {
                run_on_compute_thread(&version, batch, None);
            }
            Step::Work(batch) => {
                since_yield += run_here(&version, batch);
                if since_yield >= version.host.settings.inline_below {
                    since_yield = Duration::ZERO;
                    yield_now().await;
                }
            }
        }
    }
}

/// Waits for a compute thread; gives up when the work is in the background and something came that may be more urgent.
async fn permit_or_change(version: &Version, class: QueueClass) -> Option<ComputePermit> {
    tokio::select! {
        biased;
        permit = version.host.pool.permit(class) => Some(permit),
        () = version.queue.changed(), if class == QueueClass::Background => None,
    }
}

/// Counts a run as running until it is dropped.
struct Running {
    version: Arc<Version>,
    class: QueueClass,
}

/// Runs the batch on the present thread, and says how long that took.
fn run_here(version: &Arc<Version>, batch: Batch) -> Duration {
    let running = Running { version: Arc::clone(version), class: batch.class };
    let control = RunControl::new();
    let before = clock::thread_cpu();
    let outcome = {
        let _watched = version.host.watchdog.watch(&control);
        execution::run(version, &batch.inputs, &control)
    };
    // What the run itself used: on a busy machine the thread may have been kept from running for much longer.
    let used = clock::thread_cpu().saturating_sub(before);
    let took = outcome.took;
    if control.is_terminated() && outcome.results.iter().any(is_terminated) {
        version.was_stopped_inline(used);
        version.host.runtime.spawn(supervise(running, batch, None));
        return took;
    }
    version.ran_inline(used);
    execution::deliver(version, batch.rows, batch.pending, outcome);
    took
}

const fn is_terminated(result: &execution::RunResult) -> bool {
    matches!(result, Err(RunFailure::Predict(PredictError::Terminated)))
}

/// Runs the batch on a compute thread, from a task of its own that stops the run when nobody waits for it any more.
fn run_on_compute_thread(version: &Arc<Version>, batch: Batch, permit: Option<ComputePermit>) {
    let running = Running { version: Arc::clone(version), class: batch.class };
    version.host.runtime.spawn(supervise(running, batch, permit));
}

async fn supervise(running: Running, batch: Batch, permit: Option<ComputePermit>) {
    let version = &running.version;
    let Batch { class, rows, inputs, mut pending } = batch;
    let control = RunControl::new();
    let work = compute(version, class, inputs, control.clone(), permit);
    let mut work = std::pin::pin!(work);
    let latest = pending.iter().map(|pending| pending.deadline).max();
    tokio::select! {
        biased;
        outcome = &mut work => {
            if let Some(outcome) = outcome {
                version.ran_on_compute(rows, outcome.took);
                execution::deliver(version, rows, pending, outcome);
            }
            return;
        }
        () = all_left(&mut pending) => {}
        () = deadline(latest) => {
            for pending in pending.drain(..) {
                let error = ServingError::DeadlineExceeded { version: version.reference.clone() };
                let _ = pending.reply.send(Err(error));
            }
        }
        () = version.host.admission.abandoned() => {}
    }
    drop(pending);
    control.terminate();
    // The worker is free again only when the engine has let go of the thread.
    if let Some(outcome) = work.await {
        version.metrics.ran(rows, outcome.took);
    }
}

/// `None` when the compute thread could not finish it.
async fn compute(
    version: &Arc<Version>,
    class: QueueClass,
    inputs: Vec<Vec<yard_types::Tensor>>,
    control: RunControl,
    permit: Option<ComputePermit>,
) -> Option<Outcome> {
    let permit = match permit {
        Some(permit) => permit,
        None => version.host.pool.permit(class).await,
    };
    let running = Arc::clone(version);
    let outcome = version.host.pool.run(permit, move || execution::run(&running, &inputs, &control));
    outcome.await.ok()
}

/// Waits until every caller has left.
async fn all_left(pending: &mut [Pending]) {
    let mut first_present = 0;
    poll_fn(|context| {
        while let Some(pending) = pending.get_mut(first_present) {
            ready!(pending.reply.poll_closed(context));
            first_present += 1;
        }
        Poll::Ready(())
    })
    .await;
}

async fn deadline(latest: Option<Instant>) {
    match latest {
        Some(latest) => clock::sleep_until(latest).await,
        None => std::future::pending().await,
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.version.queue.finished(self.class);
        self.version.rested();
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if !self.given_up {
            self.version.queue.drain_lost();
        }
    }
}
