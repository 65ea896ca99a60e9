//! The task that owns all jobs.

use std::{collections::HashMap, panic::resume_unwind, sync::Arc};

use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    SchedulerOptions, SchedulerParts,
    handle::Command,
    runner::{Runner, Stop},
};
use crate::{
    Choice, Ending, HolderId, Job, JobEvent, JobFailure, JobId, JobKind, JobState, JobStoreError, JobsError,
    Lease, MAX_SPEC_BYTES, NewJob, Setback, lease::is_orphan, next_job, next_job::never_fits,
};

pub(super) struct Owner {
    parts: SchedulerParts,
    options: Arc<SchedulerOptions>,
    holder: HolderId,
    events: broadcast::Sender<JobEvent>,
    running: HashMap<JobId, Running>,
    runners: JoinSet<JobId>,
    /// Told by searches when they have submitted trials.
    submitted: Arc<Notify>,
    /// When old jobs were last forgotten, by the clock.
    forgot_at: Option<yard_types::Timestamp>,
}

/// How a running job is reached.
struct Running {
    stop: watch::Sender<Option<Stop>>,
    search: Option<JobId>,
    trial_ended: Arc<Notify>,
}

/// How often old jobs are looked for, in milliseconds.
const FORGET_EVERY: i64 = 3_600_000;

impl Owner {
    pub(super) fn new(
        parts: SchedulerParts,
        options: SchedulerOptions,
        holder: HolderId,
        events: broadcast::Sender<JobEvent>,
    ) -> Self {
        Self {
            parts,
            options: Arc::new(options),
            holder,
            events,
            running: HashMap::new(),
            runners: JoinSet::new(),
            submitted: Arc::default(),
            forgot_at: None,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        // The first tick comes at once: what an earlier process left is taken up before the first command is heard.
        let mut heartbeat = interval(self.options.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let submitted = Arc::clone(&self.submitted);
        let told = loop {
            tokio::select! {
                biased;
                _ = heartbeat.tick() => {
                    self.keep_house().await;
                    self.fill().await;
                }
                Some(ended) = self.runners.join_next() => {
                    // A runner catches its job's panics; one of its own is a fault that must not be hidden.
                    let id = ended.unwrap_or_else(|error| resume_unwind(error.into_panic()));
                    self.runner_ended(id).await;
                    self.fill().await;
                }
                () = submitted.notified() => self.fill().await,
                command = commands.recv() => match command {
                    Some(Command::Submit(job, reply)) => {
                        let submitted = self.submit(*job).await;
                        let begin = submitted.is_ok();
                        // Whoever asked may have left: the job is done all the same.
                        let _ = reply.send(submitted);
                        if begin {
                            self.fill().await;
                        }
                    }
                    Some(Command::Cancel(id, reply)) => {
                        let _ = reply.send(self.cancel(id).await);
                    }
                    Some(Command::Shutdown(reply)) => break Some(reply),
                    None => break None,
                },
            }
        };
        commands.close();
        for running in self.running.values() {
            running.stop.send_replace(Some(Stop::Shutdown));
        }
        while self.runners.join_next().await.is_some() {}
        if let Some(told) = told {
            let _ = told.send(());
        }
    }

    async fn submit(&self, new: NewJob) -> Result<Job, JobsError> {
        if matches!(new.kind, JobKind::Trial { .. }) {
            return Err(JobsError::Invalid("trials are submitted by their search alone".to_owned()));
        }
        if new.spec.len() > MAX_SPEC_BYTES {
            return Err(JobsError::Invalid(format!(
                "the specification is longer than {MAX_SPEC_BYTES} bytes"
            )));
        }
        if !self.options.capacity.could_hold(&new.demand) {
            return Err(JobsError::NeverFits(never_fits(&new.demand, &self.options.capacity)));
        }
        let unfinished = self.parts.store.active().await?;
        // Trials do not count: their search did, and bounds them.
        let count = unfinished.iter().filter(|job| job.search().is_none()).count();
        if count >= self.options.max_unfinished {
            return Err(JobsError::QueueFull { limit: self.options.max_unfinished });
        }
        let id = JobId::random().map_err(JobsError::Random)?;
        let job = Job::queued(new, id, self.parts.clock.now());
        self.parts.store.insert(&job).await?;
        Ok(job)
    }

    async fn cancel(&self, id: JobId) -> Result<Job, JobsError> {
        let job = self.parts.store.job(id).await?.ok_or(JobsError::Unknown(id))?;
        self.call_off(&job).await?;
        if job.kind == JobKind::Search {
            for trial in self.parts.store.trials(id).await? {
                match self.call_off(&trial).await {
                    Ok(()) | Err(JobsError::Ended { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.parts.store.job(id).await?.ok_or(JobsError::Unknown(id))
    }

    async fn call_off(&self, job: &Job) -> Result<(), JobsError> {
        match job.state {
            JobState::Queued => {
                let ended =
                    self.parts.store.end_queued(job.id, &Ending::Cancelled, self.parts.clock.now()).await;
                self.tell(ended?);
                self.trial_ended(job.search());
                self.parts.launcher.discard(job.id).await;
            }
            JobState::Running => {
                let noted = self.parts.store.request_cancel(job.id).await;
                noted.map_err(|error| match error {
                    JobStoreError::Conflict(_) => JobsError::Ended { id: job.id, state: JobState::Succeeded },
                    other => other.into(),
                })?;
                if let Some(running) = self.running.get(&job.id) {
                    running.stop.send_replace(Some(Stop::Cancelled));
                }
            }
            state => return Err(JobsError::Ended { id: job.id, state }),
        }
        Ok(())
    }

    /// Starts what can be started.
    async fn fill(&mut self) {
        let mut jobs = match self.parts.store.active().await {
            Ok(jobs) => jobs,
            Err(error) => return complain(&error, "jobs could not be read; the next heartbeat tries again"),
        };
        loop {
            let now = self.parts.clock.now();
            let done = match next_job(&jobs, &self.options.policy(), now) {
                Choice::Wait => return,
                Choice::Start(id) => self.start(id).await,
                Choice::Fail(id, failure) => self.fail_queued(&mut jobs, id, failure).await,
            };
            match done {
                Ok(Some(started)) => jobs.iter_mut().filter(|job| job.id == started.id).for_each(|job| {
                    job.state = JobState::Running;
                }),
                Ok(None) => {}
                // Somebody else took or ended it: what is known here is out of date.
                Err(JobStoreError::Conflict(_) | JobStoreError::Missing(_)) => {
                    self.submitted.notify_one();
                    return;
                }
                Err(error) => {
                    return complain(&error, "a job could not be started; the next heartbeat tries again");
                }
            }
        }
    }

    async fn start(&mut self, id: JobId) -> Result<Option<Job>, JobStoreError> {
        let now = self.parts.clock.now();
        let lease = Lease { holder: self.holder, expires_at: later(now, self.options.lease) };
        let event = self.parts.store.start(id, &lease, now).await?;
        self.tell(event);
        let job = self.parts.store.job(id).await?;
        let job = job.ok_or_else(|| JobStoreError::Missing(format!("job {id}")))?;
        let Some(claim) = job.claim().filter(|claim| claim.holder == self.holder) else {
            return Err(JobStoreError::Conflict(format!("job {id} is held by somebody else")));
        };
        let (stop, stopped) = watch::channel(None);
        let trial_ended = Arc::new(Notify::new());
        let runner = Runner {
            parts: self.parts.clone(),
            options: Arc::clone(&self.options),
            events: self.events.clone(),
            claim,
            setbacks: job.setbacks,
            job: job.clone(),
            trial_ended: Arc::clone(&trial_ended),
            owner: Arc::clone(&self.submitted),
        };
        self.running.insert(id, Running { stop, search: job.search(), trial_ended });
        self.runners.spawn(async move {
            runner.run(stopped).await;
            id
        });
        Ok(Some(job))
    }

    async fn fail_queued(
        &self,
        jobs: &mut Vec<Job>,
        id: JobId,
        failure: JobFailure,
    ) -> Result<Option<Job>, JobStoreError> {
        let ended = self.parts.store.end_queued(id, &Ending::Failed(failure), self.parts.clock.now()).await?;
        self.tell(ended);
        let search = jobs.iter().find(|job| job.id == id).and_then(Job::search);
        self.trial_ended(search);
        jobs.retain(|job| job.id != id);
        self.parts.launcher.discard(id).await;
        Ok(None)
    }

    async fn runner_ended(&mut self, id: JobId) {
        let Some(running) = self.running.remove(&id) else { return };
        self.trial_ended(running.search);
        // A search that ended leaves trials that nobody waits for.
        if running.search.is_none() {
            match self.parts.store.active().await {
                Ok(jobs) => self.end_abandoned(&jobs).await,
                Err(error) => complain(&error, "abandoned trials are ended by the next heartbeat"),
            }
        }
    }

    fn trial_ended(&self, search: Option<JobId>) {
        if let Some(search) = search.and_then(|search| self.running.get(&search)) {
            search.trial_ended.notify_one();
        }
    }

    /// Renews leases, takes up what nobody holds, ends what nobody waits for, and forgets what is old.
    async fn keep_house(&mut self) {
        if let Err(error) = self.renew().await {
            return complain(&error, "leases could not be renewed");
        }
        let jobs = match self.parts.store.active().await {
            Ok(jobs) => jobs,
            Err(error) => return complain(&error, "jobs could not be read"),
        };
        for job in &jobs {
            let running = self.running.get(&job.id);
            if let (true, Some(running)) = (job.cancel_requested, running) {
                // Called off through another server.
                running.stop.send_replace(Some(Stop::Cancelled));
            }
            let own_remains = running.is_none() && job.lease.is_some_and(|lease| lease.holder == self.holder);
            if own_remains || is_orphan(job, self.holder, self.options.exclusive, self.parts.clock.now()) {
                match self.take_up(job, own_remains).await {
                    Ok(event) => self.tell(event),
                    // Somebody else was faster.
                    Err(JobStoreError::Conflict(_)) => {}
                    Err(error) => complain(&error, "a job without a holder could not be taken up"),
                }
            }
        }
        self.end_abandoned(&jobs).await;
        self.forget().await;
    }

    /// What is held by this scheduler but not among the renewed is somebody else's by now.
    async fn renew(&self) -> Result<(), JobStoreError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let until = later(self.parts.clock.now(), self.options.lease);
        let held = self.parts.store.renew(self.holder, until).await?;
        for (id, running) in &self.running {
            if !held.contains(id) {
                running.stop.send_if_modified(|stop| {
                    let first = stop.is_none();
                    *stop = stop.or(Some(Stop::Lost));
                    first
                });
            }
        }
        Ok(())
    }

    /// Ends or queues again a job that is running in its row alone. `own_remains`: its end could not be written before,
    /// which is no setback of the job.
    async fn take_up(&self, job: &Job, own_remains: bool) -> Result<JobEvent, JobStoreError> {
        let now = self.parts.clock.now();
        let claim = job.claim().ok_or_else(|| JobStoreError::Conflict("nobody held the job".to_owned()))?;
        if job.cancel_requested {
            let event = self.parts.store.finish(&claim, &Ending::Cancelled, now).await?;
            self.parts.launcher.discard(job.id).await;
            return Ok(event);
        }
        // A search has no child that could harm the server.
        let blameless = own_remains || job.kind == JobKind::Search;
        if !blameless && job.setbacks.and(Setback::ServerLost).losses >= self.options.max_losses {
            let message = format!(
                "the server went away {} times while the job was running, without a checkpoint in between",
                self.options.max_losses
            );
            let failure = JobFailure { code: yard_types::ErrorCode::Internal, message };
            let event = self.parts.store.finish(&claim, &Ending::Failed(failure), now).await?;
            self.parts.launcher.discard(job.id).await;
            return Ok(event);
        }
        self.parts.store.requeue(&claim, (!blameless).then_some(Setback::ServerLost), now).await
    }

    /// Calls off trials whose search has ended.
    async fn end_abandoned(&self, active: &[Job]) {
        for trial in active {
            let Some(search) = trial.search() else { continue };
            if active.iter().any(|job| job.id == search) || trial.cancel_requested {
                continue;
            }
            match self.call_off(trial).await {
                Ok(()) | Err(JobsError::Ended { .. } | JobsError::Store(JobStoreError::Conflict(_))) => {}
                Err(error) => complain(&error, "a trial without its search could not be called off"),
            }
        }
    }

    async fn forget(&mut self) {
        let now = self.parts.clock.now();
        if self.forgot_at.is_some_and(|last| now < last.plus_milliseconds(FORGET_EVERY)) {
            return;
        }
        self.forgot_at = Some(now);
        let retention = i64::try_from(self.options.retention.as_millis()).unwrap_or(i64::MAX);
        match self.parts.store.forget(now.plus_milliseconds(retention.saturating_neg())).await {
            Ok(forgotten) => {
                for id in forgotten {
                    self.parts.launcher.discard(id).await;
                }
            }
            Err(error) => complain(&error, "old jobs could not be forgotten"),
        }
    }

    fn tell(&self, event: JobEvent) {
        // An error says that nobody follows.
        let _ = self.events.send(event);
    }
}

fn later(now: yard_types::Timestamp, by: std::time::Duration) -> yard_types::Timestamp {
    now.plus_milliseconds(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

fn complain(error: &(dyn std::error::Error + 'static), what: &str) {
    tracing::error!(error, "{what}");
}
