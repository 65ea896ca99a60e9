//! Training on a server.

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;
use yard_api::management::NewJobBody;
use yard_jobs::Metric;
use yard_spec::TrainingSpec;

use super::{TrainArgs, curve, figures};
use crate::{
    cli::GlobalArgs,
    commands::{follow, on_runtime, session},
    output::Output,
};

/// Submits a job and follows it, unless it is to be left alone.
pub(super) fn run(spec: &TrainingSpec, args: &TrainArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let spec = RawValue::from_string(spec.to_json()).context("the specification cannot be written")?;
    let new = NewJobBody { spec, memory_bytes: args.memory };
    on_runtime(async {
        let session = session(global, output)?;
        let job = session.client.submit_job(&new).await?;
        if args.detach {
            return output.data(&job, || job.id.clone());
        }
        output.talk(format!("job {}", job.id));
        let job = follow::succeeded(follow::to_its_end(&session, &job.id).await?)?;
        let metrics = session.client.job_metrics(&job.id).await?.into_iter().map(|metric| Metric {
            split: metric.split,
            name: metric.name,
            step: metric.step,
            value: metric.value.unwrap_or(f64::NAN),
        });
        let metrics: Vec<Metric> = metrics.collect();
        if let Some(curve) = curve::draw(&metrics) {
            output.talk(curve);
        }
        output.talk(figures::table(&metrics));
        output.data(&job, || follow::result(&job))
    })
}
