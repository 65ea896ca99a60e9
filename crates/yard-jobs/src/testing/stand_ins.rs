//! Stand-ins for the clock, for what starts children and for where results go.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
};
use yard_types::{ErrorCode, Timestamp, VersionNumber};

use super::MemoryJobStore;
use crate::{
    Checkpoint, Child, ChildEnd, ChildEvent, Claim, Clock, Completion, Demand, Job, JobFailure, JobId,
    JobKind, JobStoreError, Launch, Launcher, Lineage, LogLevel, LogLine, Metric, NewJob, Owner, Product,
    Progress, RegisterError, Report, Results,
};

/// A clock that goes only when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// A job of one thread whose specification is a script of a [`ScriptedLauncher`].
pub fn new_job(script: &str) -> NewJob {
    NewJob {
        kind: JobKind::Train,
        model: "m".parse().unwrap(),
        spec: script.to_owned(),
        inputs: Vec::new(),
        demand: Demand { threads: 1, memory_bytes: 1 << 20 },
        owner: Owner("key-1".to_owned()),
    }
}

/// One start of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchNote {
    /// For which job.
    pub job: JobId,
    /// In which attempt.
    pub attempt: u32,
    /// From which step it goes on.
    pub resumed: Option<u64>,
}

/// Runs jobs as tasks of this process. A job's specification is its script: words, each of which the child does in turn,
/// with `|` between attempts (the last one serves all further ones):
///
/// - `N`, a number: tells progress, a metric and a log line of step N. A child that goes on from a checkpoint leaves out
///   the steps up to it.
/// - `save:N`: tells a checkpoint of step N.
/// - `gate`: waits for [`Self::open`]; `hang`: waits for ever.
/// - `finish`, `refuse`, `die`: ends so; `ramble`: is refused with a message of a megabyte. `unlaunched`: there is no child at all. `panic`: the launcher panics.
#[derive(Debug)]
pub struct ScriptedLauncher {
    gate: Arc<Semaphore>,
    at_gate: Arc<Notify>,
    alive: Arc<AtomicUsize>,
    launches: Mutex<Vec<LaunchNote>>,
    discarded: Mutex<HashSet<JobId>>,
    translation: Mutex<Option<Translation>>,
}

/// The script for a specification that is none, and the summary of its result.
pub type Translation = fn(&str) -> (String, String);

struct ScriptedChild {
    events: mpsc::Receiver<ChildEvent>,
    task: JoinHandle<()>,
}

/// Counts a child as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for ScriptedLauncher {
    fn default() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            at_gate: Arc::default(),
            alive: Arc::default(),
            launches: Mutex::default(),
            discarded: Mutex::default(),
            translation: Mutex::default(),
        }
    }
}

impl ScriptedLauncher {
    /// From now on specifications are no scripts but are translated into them.
    pub fn translate(&self, translation: Translation) {
        *self.translation.lock().unwrap() = Some(translation);
    }

    fn script_and_summary(&self, spec: &str) -> (String, String) {
        let translation = *self.translation.lock().unwrap();
        translation.map_or_else(|| (spec.to_owned(), SUMMARY.to_owned()), |translation| translation(spec))
    }

    /// Lets so many children pass a gate.
    pub fn open(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// Waits until a child has come to a gate since the last call.
    pub async fn at_gate(&self) {
        self.at_gate.notified().await;
    }

    /// How many children live.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// The starts so far.
    pub fn launches(&self) -> Vec<LaunchNote> {
        self.launches.lock().unwrap().clone()
    }

    /// Whether the files of a job were given up.
    pub fn has_discarded(&self, job: JobId) -> bool {
        self.discarded.lock().unwrap().contains(&job)
    }
}

#[async_trait]
impl Launcher for ScriptedLauncher {
    async fn launch(&self, launch: Launch) -> Result<Box<dyn Child>, ChildEnd> {
        let resumed = launch.resume.map(|checkpoint| checkpoint.step);
        let note = LaunchNote { job: launch.job.id, attempt: launch.job.attempt, resumed };
        self.launches.lock().unwrap().push(note);
        let (script, summary) = self.script_and_summary(&launch.job.spec);
        let attempts: Vec<&str> = script.split('|').collect();
        let which = (launch.job.attempt as usize - 1).min(attempts.len() - 1);
        let words: Vec<String> = attempts[which].split_whitespace().map(str::to_owned).collect();
        match words.first().map(String::as_str) {
            Some("unlaunched") => return Err(ChildEnd::Died(failure("there is no child"))),
            Some("panic") => panic!("asked to panic"),
            _ => {}
        }
        let (sender, events) = mpsc::channel(4);
        let (gate, at_gate) = (Arc::clone(&self.gate), Arc::clone(&self.at_gate));
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.alive));
        let task = tokio::spawn(async move {
            let _alive = alive;
            for word in words {
                match word.as_str() {
                    "gate" => {
                        at_gate.notify_one();
                        gate.acquire().await.unwrap().forget();
                    }
                    "hang" => std::future::pending().await,
                    word => {
                        for event in does(word, resumed, &summary) {
                            // The parent has gone: so does the child.
                            if sender.send(event).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            }
        });
        Ok(Box::new(ScriptedChild { events, task }))
    }

    async fn product(&self, job: &Job) -> Result<Product, JobFailure> {
        if self.has_discarded(job.id) {
            return Err(failure("the files are gone"));
        }
        Ok(product(&self.script_and_summary(&job.spec).1))
    }

    async fn discard(&self, job: JobId) {
        self.discarded.lock().unwrap().insert(job);
    }
}

#[async_trait]
impl Child for ScriptedChild {
    async fn next(&mut self) -> ChildEvent {
        let event = self.events.recv().await;
        event.unwrap_or_else(|| ChildEvent::Ended(ChildEnd::Died(failure("it left without a word"))))
    }

    async fn kill(&mut self) {
        self.task.abort();
        // The task is gone for good once its channel is closed.
        while self.events.recv().await.is_some() {}
    }
}

impl Drop for ScriptedChild {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn does(word: &str, resumed: Option<u64>, summary: &str) -> Vec<ChildEvent> {
    if let Ok(step) = word.parse::<u64>() {
        if resumed.is_some_and(|resumed| step <= resumed) {
            return Vec::new();
        }
        let metric = Metric { split: "train".into(), name: "loss".into(), step, value: 1.0 / step as f64 };
        return vec![
            ChildEvent::Report(Report::Progress(Progress { phase: "epoch".into(), step, of: Some(10) })),
            ChildEvent::Report(Report::Metric(metric)),
            ChildEvent::Report(Report::Log(LogLine { level: LogLevel::Info, text: format!("step {step}") })),
        ];
    }
    if let Some(step) = word.strip_prefix("save:") {
        let step = step.parse().unwrap();
        let file = format!("checkpoints/{step}").parse().unwrap();
        return vec![ChildEvent::Report(Report::Checkpoint(Checkpoint { step, file, bytes: 100 }))];
    }
    vec![ChildEvent::Ended(match word {
        "finish" => ChildEnd::Finished(product(summary)),
        "refuse" => ChildEnd::Refused(JobFailure {
            code: ErrorCode::InvalidArgument,
            message: "column 'label' is missing".to_owned(),
        }),
        "ramble" => ChildEnd::Refused(failure(&"é".repeat(1 << 19))),
        "die" => ChildEnd::Died(failure("it was killed by signal 9")),
        word => panic!("'{word}' is no word of a script"),
    })]
}

const SUMMARY: &str = r#"{"accuracy":0.97}"#;

fn product(summary: &str) -> Product {
    Product { files: Vec::new(), summary: summary.to_owned(), lineage: Lineage::default() }
}

fn failure(message: &str) -> JobFailure {
    JobFailure { code: ErrorCode::Internal, message: message.to_owned() }
}

/// Counts versions up, ending jobs in a [`MemoryJobStore`].
#[derive(Debug)]
pub struct StandInResults {
    store: Arc<MemoryJobStore>,
    clock: Arc<ManualClock>,
    versions: AtomicU32,
    faults_before: AtomicU32,
    faults_after: AtomicU32,
    refusals: AtomicU32,
    gate: Semaphore,
    at_gate: Notify,
}

impl StandInResults {
    /// Ends the jobs of this store.
    pub fn new(store: Arc<MemoryJobStore>, clock: Arc<ManualClock>) -> Self {
        Self {
            store,
            clock,
            versions: AtomicU32::new(0),
            faults_before: AtomicU32::new(0),
            faults_after: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            at_gate: Notify::new(),
        }
    }

    /// Lets the next calls fail before anything is written, so many.
    pub fn fail_before(&self, count: u32) {
        self.faults_before.store(count, Ordering::SeqCst);
    }

    /// Lets the answers of the next calls that write get lost, so many.
    pub fn fail_after(&self, count: u32) {
        self.faults_after.store(count, Ordering::SeqCst);
    }

    /// Refuses the next results, so many.
    pub fn refuse(&self, count: u32) {
        self.refusals.store(count, Ordering::SeqCst);
    }

    /// Lets calls wait before they write, until the gate is opened.
    pub fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets all calls pass.
    pub fn open_gate(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS - self.gate.available_permits());
    }

    /// Waits until a call has come to the gate since the last time.
    pub async fn at_gate(&self) {
        self.at_gate.notified().await;
    }

    /// How many versions there are.
    pub fn versions(&self) -> u32 {
        self.versions.load(Ordering::SeqCst)
    }
}

fn take(faults: &AtomicU32) -> bool {
    faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl Results for StandInResults {
    async fn register(&self, claim: Claim, _: &Job, product: &Product) -> Result<(), RegisterError> {
        self.at_gate.notify_one();
        drop(self.gate.acquire().await.unwrap());
        if take(&self.faults_before) {
            return Err(RegisterError::Unavailable("nothing was written".into()));
        }
        if take(&self.refusals) {
            let message = "the model does not load".to_owned();
            return Err(RegisterError::Refused(JobFailure { code: ErrorCode::InvalidArgument, message }));
        }
        let completion = Completion { claim, summary: product.summary.clone() };
        let number = VersionNumber::new(self.versions() + 1).unwrap();
        self.store.succeed(&completion, number, self.clock.now()).map_err(|error| match error {
            JobStoreError::Conflict(_) | JobStoreError::Missing(_) => RegisterError::ClaimLost,
            other => RegisterError::Unavailable(Box::new(other)),
        })?;
        self.versions.fetch_add(1, Ordering::SeqCst);
        if take(&self.faults_after) {
            return Err(RegisterError::Unavailable("the answer was lost".into()));
        }
        Ok(())
    }
}
