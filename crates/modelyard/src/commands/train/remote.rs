//! Training on a server.

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;
use yard_api::management::{JobBody, NewJobBody};
use yard_client::Client;
use yard_jobs::Metric;
use yard_spec::TrainingSpec;

use super::{TrainArgs, outcome::Outcome};
use crate::{
    cli::GlobalArgs,
    commands::{follow, on_runtime, session},
    output::Output,
};

/// Submits a job and follows it, unless it is to be left alone.
pub(super) fn run(spec: &TrainingSpec, args: &TrainArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let written = RawValue::from_string(spec.to_json()).context("the specification cannot be written")?;
    let new = NewJobBody { spec: written, memory_bytes: args.memory };
    on_runtime(async {
        let session = session(global, output)?;
        let job = session.client.submit_job(&new).await?;
        if args.detach {
            return outcome(&job).print(spec, &[], output);
        }
        output.talk(format!("job {}", job.id));
        let job = follow::succeeded(follow::to_its_end(&session, &job.id).await?)?;
        let metrics = metrics_of(&session.client, &job.id).await?;
        outcome(&job).print(spec, &metrics, output)
    })
}

fn outcome(job: &JobBody) -> Outcome {
    let result = job.result.as_ref();
    let summary = result.and_then(|result| serde_json::from_str(result.summary.as_ref()?.get()).ok());
    Outcome {
        job: job.id.clone(),
        model: job.model.clone(),
        version: result.and_then(|result| result.version),
        summary,
    }
}

/// What a job has measured.
pub(crate) async fn metrics_of(client: &Client, job: &str) -> Result<Vec<Metric>> {
    let metrics = client.job_metrics(job).await?.into_iter().map(|metric| Metric {
        split: metric.split,
        name: metric.name,
        step: metric.step,
        value: metric.value.unwrap_or(f64::NAN),
    });
    Ok(metrics.collect())
}
