//! Training on this machine: the scheduler of the server, in this process, over the local data directory.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use yard_jobs::{
    Capacity, Demand, Job, JobFailure, JobKind, JobState, Jobs, JobsError, Metric, NewJob, Owner,
    SchedulerOptions,
};
use yard_spec::TrainingSpec;
use yard_store::{DataDirectory, Database, DatabaseOptions};
use yard_types::ErrorCode;

use super::{TrainArgs, outcome::Outcome, watch};
use crate::{
    cli::GlobalArgs,
    engines,
    exit::Interrupted,
    output::Output,
    settings::{self, Settings, Sources},
    wiring::{self, JobsParts, Paths},
};

/// The memory of a job, if the command line does not say.
const MEMORY_BYTES: u64 = 4 << 30;
/// Whom local jobs belong to.
const OWNER: &str = "local";

pub(super) fn run(spec: TrainingSpec, args: &TrainArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let sources = Sources { file: None, variables: settings::environment(), flags: Vec::new() };
    let (mut settings, warnings) = settings::load(&sources)?;
    if let Some(directory) = global.data_dir_given() {
        settings.data_dir = directory.to_owned();
    }
    for warning in warnings {
        output.talk(warning);
    }
    let library = engines::find_onnxruntime(args.onnxruntime.as_deref(), global.home.path().as_deref())
        .map(|found| found.path);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let trained =
        runtime.block_on(train(&spec, args.memory.unwrap_or(MEMORY_BYTES), &settings, library, output));
    runtime.shutdown_background();
    trained
}

async fn train(
    spec: &TrainingSpec,
    memory_bytes: u64,
    settings: &Settings,
    library: Option<PathBuf>,
    output: Output,
) -> Result<()> {
    let directory = DataDirectory::open(&settings.data_dir)?;
    let options = DatabaseOptions::default();
    let database =
        Database::open(&directory.database(), &options).await.context("cannot open the database")?;
    let artifacts = wiring::artifacts(&directory)?;
    let registry =
        wiring::registry(settings, &directory, &database, artifacts.clone(), library.clone()).await?;
    let mut spec = spec.clone();
    for data_set in spec.data.data_sets_mut() {
        // An attempt that goes on tomorrow reads the same data.
        data_set.version = Some(registry.data_set(&data_set.name, data_set.version).await?.number);
    }
    let spec = &spec;
    let threads = u32::try_from(spec.training.threads).unwrap_or(u32::MAX);
    let demand = Demand { threads, memory_bytes };
    let jobs = wiring::start_jobs(JobsParts {
        directory: &directory,
        database: &database,
        registry: &registry,
        results: Arc::new(registry.clone()),
        artifacts,
        library,
        paths: Paths::Allowed,
        options: SchedulerOptions::new(capacity(demand)),
    })?;
    let ended = submit_and_watch(&jobs, spec, demand, output).await;
    jobs.shutdown().await;
    database.close().await;
    let (job, metrics) = ended?;
    tell(&job, spec, &metrics, output)
}

/// What the machine has, and never less than this job asks for: jobs that a server left waiting must not fail because
/// they ask for more than this one.
fn capacity(demand: Demand) -> Capacity {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = u32::try_from(cores).unwrap_or(u32::MAX).max(demand.threads);
    Capacity { threads, memory_bytes: settings::machine_bytes().unwrap_or(0).max(demand.memory_bytes) }
}

/// Runs one job to its end. Ctrl-C calls it off and waits until it has ended.
async fn submit_and_watch(
    jobs: &Jobs,
    spec: &TrainingSpec,
    demand: Demand,
    output: Output,
) -> Result<(Job, Vec<Metric>)> {
    let kind = if spec.search.is_some() { JobKind::Search } else { JobKind::Train };
    let new = NewJob {
        kind,
        model: spec.name.clone(),
        spec: spec.to_json(),
        inputs: Vec::new(),
        // What a search asks is for each of its trials.
        demand,
        owner: Owner(OWNER.to_owned()),
    };
    // From before the job is named: whoever has read its name may call it off.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    // What an earlier process that was killed, or a server, left.
    for other in jobs.active().await?.iter().filter(|job| job.search().is_none()) {
        output.talk(format!(
            "job {} ({}), which was not finished, goes on beside this one",
            other.id, other.model
        ));
    }
    let id = jobs.submit(new).await?.id;
    output.talk(format!("job {id}"));
    let mut watching = Box::pin(watch::to_its_end(jobs, id, output));
    tokio::select! {
        ended = &mut watching => return ended,
        _ = interrupt.recv() => {}
    }
    match jobs.cancel(id).await {
        Ok(_) | Err(JobsError::Ended { .. }) => {}
        Err(error) => return Err(error).context("cannot call the job off"),
    }
    timeout(watch::CANCEL_LIMIT, watching).await.context("the job does not end")?
}

/// Says how the job ended.
fn tell(job: &Job, spec: &TrainingSpec, metrics: &[Metric], output: Output) -> Result<()> {
    match job.state {
        JobState::Succeeded => {}
        JobState::Cancelled => return Err(Interrupted).context("the job was called off"),
        _ => {
            let unknown = || JobFailure { code: ErrorCode::Internal, message: "the job failed".to_owned() };
            return Err(job.failure.clone().unwrap_or_else(unknown).into());
        }
    }
    let Some(result) = &job.result else { bail!("the job succeeded without a result") };
    let Some(version) = result.version else { bail!("the job succeeded without a version") };
    let outcome = Outcome {
        job: job.id.to_string(),
        model: job.model.to_string(),
        version: Some(version.get()),
        summary: serde_json::from_str(&result.summary).ok(),
    };
    outcome.print(spec, metrics, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_never_asks_for_more_than_there_is_taken_to_be() {
        let demand = Demand { threads: 4096, memory_bytes: 1 << 60 };
        assert!(capacity(demand).could_hold(&demand));
        assert!(capacity(Demand::default()).threads >= 1);
        assert!(capacity(Demand::default()).memory_bytes > 1 << 20);
    }
}
