//! One running job: its child, what the child tells, and how it ends.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::{Notify, broadcast, watch};
use yard_types::ErrorCode;

use super::{SchedulerOptions, SchedulerParts};
use crate::{
    Child, ChildEnd, ChildEvent, Claim, Ending, EventBody, Job, JobEvent, JobFailure, JobKind, JobState,
    JobStoreError, Launch, LogLevel, LogLine, MAX_SUMMARY_BYTES, Product, RegisterError, Report, Setback,
    Setbacks,
};

/// Most reports written at once.
const REPORTS_AT_ONCE: usize = 256;
/// How often a write that failed is tried, and how long the first pause is; each further one is twice as long.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why a job is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody called it off.
    Cancelled,
    /// The scheduler stops.
    Shutdown,
    /// The lease ran out: the job may be somebody else's.
    Lost,
}

/// What came of a run.
pub(super) enum Verdict {
    /// The end is written already, by this event.
    Written(JobEvent),
    /// It ends like this.
    End(Ending),
    /// It goes back into the queue; with too many setbacks it fails like this.
    Again(Setback, JobFailure),
    /// It goes back into the queue through no fault of its own.
    Later,
    /// It is not ours any more.
    Gone,
}

pub(super) struct Runner {
    pub(super) parts: SchedulerParts,
    pub(super) options: Arc<SchedulerOptions>,
    pub(super) events: broadcast::Sender<JobEvent>,
    pub(super) claim: Claim,
    pub(super) job: Job,
    /// Told when a trial of this search ends.
    pub(super) trial_ended: Arc<Notify>,
    /// To be told when there are new jobs to start.
    pub(super) owner: Arc<Notify>,
    /// Since the last checkpoint, the present run included.
    pub(super) setbacks: Setbacks,
}

impl Runner {
    /// Runs the job to its end, or to where it has to be taken up again. A panic fails this job alone.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<Option<Stop>>) {
        let work = async {
            match self.job.kind {
                JobKind::Train | JobKind::Trial { .. } => self.run_child(&mut stop).await,
                JobKind::Search => self.search(&mut stop).await,
            }
        };
        let verdict = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(job = %self.job.id, "a job ended in a panic of the server");
            Verdict::End(Ending::Failed(JobFailure {
                code: ErrorCode::Internal,
                message: "the job ended in an internal fault of the server".to_owned(),
            }))
        });
        self.conclude(verdict).await;
    }

    async fn run_child(&mut self, stop: &mut watch::Receiver<Option<Stop>>) -> Verdict {
        let checkpoints = match self.tried(|| self.parts.store.checkpoints(self.job.id)).await {
            Ok(checkpoints) => checkpoints,
            Err(error) => return self.given_up(&error),
        };
        let launch = Launch { job: self.job.clone(), resume: checkpoints.into_iter().next_back() };
        let launched = tokio::select! {
            biased;
            reason = stopped(stop) => return Self::verdict_of(reason),
            launched = self.parts.launcher.launch(launch) => launched,
        };
        let mut child = match launched {
            Ok(child) => child,
            Err(end) => return self.after_child(end, stop).await,
        };
        loop {
            let event = tokio::select! {
                biased;
                reason = stopped(stop) => {
                    child.kill().await;
                    return Self::verdict_of(reason);
                }
                event = child.next() => event,
            };
            let (reports, end) = gather(event, &mut *child);
            if !reports.is_empty() {
                let recorded = tokio::select! {
                    biased;
                    reason = stopped(stop) => Err(Self::verdict_of(reason)),
                    recorded = self.record(&reports) => recorded,
                };
                if let Err(verdict) = recorded {
                    child.kill().await;
                    return verdict;
                }
            }
            if let Some(end) = end {
                // Nothing of the child is left when its result is looked at.
                drop(child);
                return self.after_child(end, stop).await;
            }
        }
    }

    async fn after_child(&mut self, end: ChildEnd, stop: &mut watch::Receiver<Option<Stop>>) -> Verdict {
        match end {
            ChildEnd::Refused(failure) => Verdict::End(Ending::Failed(failure)),
            ChildEnd::Died(failure) => Verdict::Again(Setback::ChildDied, failure),
            ChildEnd::Finished(product) if product.summary.len() > MAX_SUMMARY_BYTES => {
                let message = format!("the summary of the result is longer than {MAX_SUMMARY_BYTES} bytes");
                Verdict::End(Ending::Failed(JobFailure { code: ErrorCode::Internal, message }))
            }
            ChildEnd::Finished(product) => match self.job.kind {
                JobKind::Trial { .. } => Verdict::End(Ending::Succeeded(product.summary)),
                JobKind::Train | JobKind::Search => self.register(&product, stop).await,
            },
        }
    }

    /// Registers a product, in one transaction with the end of this job.
    pub(super) async fn register(
        &mut self,
        product: &Product,
        stop: &mut watch::Receiver<Option<Stop>>,
    ) -> Verdict {
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES {
            let registered = tokio::select! {
                biased;
                // What has been written by then stands; what has not is refused when it comes to be written.
                reason = stopped(stop) => return Self::verdict_of(reason),
                registered = self.parts.results.register(self.claim, &self.job, product) => registered,
            };
            let error = match registered {
                Err(RegisterError::Refused(failure)) => return Verdict::End(Ending::Failed(failure)),
                Err(error) => Some(error),
                Ok(()) => None,
            };
            // The row says what was written, be it that the answer was lost.
            match self.tried(|| self.parts.store.job(self.job.id)).await {
                Ok(Some(job)) if job.claim() != Some(self.claim) => return self.verdict_of_other(&job),
                Ok(Some(job)) if job.cancel_requested => return Verdict::End(Ending::Cancelled),
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => return Verdict::Gone,
            }
            let Some(error) = error else { return Verdict::Later };
            tracing::warn!(job = %self.job.id, error = &error as &dyn std::error::Error, "a result could not be registered");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let message = "the result could not be registered because of a fault of the server".to_owned();
        Verdict::Again(Setback::ChildDied, JobFailure { code: ErrorCode::Internal, message })
    }

    /// Writes what a child told, and tells followers.
    pub(super) async fn record(&mut self, reports: &[Report]) -> Result<(), Verdict> {
        let write = || self.parts.store.record(&self.claim, reports, self.parts.clock.now());
        let events = match self.tried(write).await {
            Ok(events) => events,
            Err(error) => return Err(self.given_up(&error)),
        };
        let got_on = |event: &JobEvent| matches!(event.body, EventBody::Report(Report::Checkpoint(_)));
        if events.iter().any(got_on) {
            self.setbacks = Setbacks::default();
        }
        for event in events {
            self.tell(event);
        }
        Ok(())
    }

    /// Writes how the run came out. What cannot be written is taken up by the next heartbeat of whoever can.
    async fn conclude(&mut self, verdict: Verdict) {
        let (ending, setback) = match verdict {
            Verdict::Written(event) => {
                self.tell(event);
                return self.discard_files(JobState::Succeeded).await;
            }
            Verdict::Gone => return,
            Verdict::End(Ending::Failed(failure)) => (Some(Ending::Failed(failure.bounded())), None),
            Verdict::End(ending) => (Some(ending), None),
            Verdict::Later => (None, None),
            Verdict::Again(setback, failure) => {
                self.note(&failure).await;
                let spent = self.setbacks.and(setback).deaths >= self.options.max_deaths;
                (spent.then_some(Ending::Failed(failure.bounded())), Some(setback))
            }
        };
        let write = || {
            let now = self.parts.clock.now();
            match &ending {
                Some(ending) => self.parts.store.finish(&self.claim, ending, now),
                None => self.parts.store.requeue(&self.claim, setback, now),
            }
        };
        let written = match self.tried(write).await {
            // It was called off in the last moment, or is not ours any more: then this is refused as well.
            Err(JobStoreError::Conflict(_)) => self.cancelled_meanwhile().await,
            written => written.map(Some),
        };
        match written {
            Ok(Some(event)) => {
                let state = match &event.body {
                    EventBody::State(state) => *state,
                    EventBody::Report(_) => JobState::Running,
                };
                self.tell(event);
                self.discard_files(state).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(
                    job = %self.job.id,
                    error = &error as &dyn std::error::Error,
                    "the end of a job could not be written; it will be taken up again"
                );
            }
        }
    }

    /// Ends the job as cancelled if that is why it could not be written otherwise.
    async fn cancelled_meanwhile(&self) -> Result<Option<JobEvent>, JobStoreError> {
        let job = self.tried(|| self.parts.store.job(self.job.id)).await?;
        if !job.is_some_and(|job| job.claim() == Some(self.claim) && job.cancel_requested) {
            return Ok(None);
        }
        let now = self.parts.clock.now();
        self.tried(|| self.parts.store.finish(&self.claim, &Ending::Cancelled, now)).await.map(Some)
    }

    /// Says in the job's log that a child died.
    async fn note(&mut self, failure: &JobFailure) {
        let text = format!("attempt {} ended early: {}", self.claim.attempt, failure.message);
        let report = Report::Log(LogLine { level: LogLevel::Error, text });
        // Without it only this line is missing.
        let recorded = self.parts.store.record(&self.claim, &[report], self.parts.clock.now()).await;
        for event in recorded.unwrap_or_default() {
            self.tell(event);
        }
    }

    /// Deletes files that nobody needs after this end. Those of a trial that succeeded wait for the end of its search.
    async fn discard_files(&self, state: JobState) {
        if !state.is_final() {
            return;
        }
        match self.job.kind {
            JobKind::Trial { .. } if state == JobState::Succeeded => return,
            JobKind::Train | JobKind::Trial { .. } => {}
            JobKind::Search => match self.parts.store.trials(self.job.id).await {
                Ok(trials) => {
                    for trial in trials.iter().filter(|trial| trial.state.is_final()) {
                        self.parts.launcher.discard(trial.id).await;
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(job = %self.job.id, error, "files of trials stay until their jobs are forgotten");
                }
            },
        }
        self.parts.launcher.discard(self.job.id).await;
    }

    /// Tries a call of the store again while it has a fault of its own.
    pub(super) async fn tried<'call, T>(
        &self,
        call: impl Fn() -> BoxFuture<'call, Result<T, JobStoreError>>,
    ) -> Result<T, JobStoreError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match call().await {
                Err(error @ (JobStoreError::Full(_) | JobStoreError::Backend(_))) => {
                    tracing::warn!(job = %self.job.id, error = &error as &dyn std::error::Error, "the job store failed");
                }
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        call().await
    }

    /// What becomes of a job that the store did not let get on.
    pub(super) fn given_up(&self, error: &JobStoreError) -> Verdict {
        match error {
            // Called off or taken over: the row says which when the end is written.
            JobStoreError::Conflict(_) | JobStoreError::Full(_) | JobStoreError::Backend(_) => Verdict::Later,
            JobStoreError::Missing(_) => Verdict::Gone,
        }
    }

    pub(super) fn verdict_of(reason: Stop) -> Verdict {
        match reason {
            Stop::Cancelled => Verdict::End(Ending::Cancelled),
            Stop::Shutdown => Verdict::Later,
            Stop::Lost => Verdict::Gone,
        }
    }

    /// The job went on without this run: registered after all, or taken over.
    fn verdict_of_other(&self, job: &Job) -> Verdict {
        if job.state != JobState::Succeeded {
            return Verdict::Gone;
        }
        Verdict::Written(JobEvent {
            job: job.id,
            sequence: job.sequence,
            at: job.ended_at.unwrap_or_else(|| self.parts.clock.now()),
            body: EventBody::State(job.state),
        })
    }

    pub(super) fn tell(&self, event: JobEvent) {
        // An error says that nobody follows.
        let _ = self.events.send(event);
    }
}

/// Waits until the job is to stop. An owner that is gone stops it too.
pub(super) async fn stopped(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    match stop.wait_for(Option::is_some).await {
        Ok(reason) => reason.unwrap_or(Stop::Shutdown),
        Err(_) => Stop::Shutdown,
    }
}

/// Takes what a child has told already, so that it is written at once.
fn gather(first: ChildEvent, child: &mut dyn Child) -> (Vec<Report>, Option<ChildEnd>) {
    let mut reports = Vec::new();
    let mut event = first;
    loop {
        match event {
            ChildEvent::Report(report) => reports.push(report),
            ChildEvent::Ended(end) => return (reports, Some(end)),
        }
        if reports.len() >= REPORTS_AT_ONCE {
            return (reports, None);
        }
        match child.next().now_or_never() {
            Some(next) => event = next,
            None => return (reports, None),
        }
    }
}
