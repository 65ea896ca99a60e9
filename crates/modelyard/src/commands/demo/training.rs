//! How the demo comes by its model: it is trained by the server, as any other.

use std::{future, path::Path};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde_json::value::RawValue;
use yard_api::management::{JobBody, NewJobBody};
use yard_client::{LocalPackage, ProgressSink};
use yard_spec::TrainingSpec;
use yard_types::{ModelName, VersionNumber};

use crate::commands::{Session, data, follow, train};

const TRAIN_CSV: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits/train.csv"));
const SPEC: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits/digits.toml"));

/// A model that the demo has trained.
pub(super) struct Trained {
    pub(super) model: ModelName,
    pub(super) version: VersionNumber,
    pub(super) job: String,
}

/// Registers the training rows, trains on them, and shows how it goes.
pub(super) async fn train(session: &Session, workshop: &Path) -> Result<Trained> {
    let Session { client, output } = session;
    let file = workshop.join("digits.csv");
    fs::write(&file, TRAIN_CSV)?;
    let mut spec = TrainingSpec::from_toml(SPEC).context("the demo's specification cannot be used")?;
    let data = spec.data.dataset.as_mut().context("the demo's specification names no data")?;
    output.talk(format!("registering the data set '{}'", data.name));
    let (described, output_of_it) = (vec![file.clone()], *output);
    // In a thread of its own, so that Ctrl-C is heard meanwhile.
    let description = tokio::task::spawn_blocking(move || data::description(&described, output_of_it));
    let description = description.await?.context("the demo's data cannot be looked at")?;
    let files = LocalPackage::scan_data(&[file])?;
    let added = client
        .add_data_set_until(&data.name, files, &description, &ProgressSink::none(), future::pending())
        .await
        .context("cannot register the demo's data")?
        .context("the demo's data were not registered")?;
    // A directory that was named may hold others of the name.
    data.version = Some(VersionNumber::new(added.version)?);

    output.talk("training a network of one hidden layer on it; a child process does the work");
    let spec = RawValue::from_string(spec.to_json()).context("the specification cannot be written")?;
    let job = client.submit_job(&NewJobBody { spec, memory_bytes: None }).await?;
    let job = follow::succeeded(follow::watch(session, &job.id).await?)?;
    let metrics = train::metrics_of(client, &job.id).await?;
    if let Some(curve) = train::draw_curve(&metrics) {
        output.talk(curve);
    }
    let trained = trained(job)?;
    output.talk(format!("{} version {} is ready", trained.model, trained.version));
    Ok(trained)
}

fn trained(job: JobBody) -> Result<Trained> {
    let version = job.result.and_then(|result| result.version).context("the job made no version")?;
    Ok(Trained { model: job.model.parse()?, version: VersionNumber::new(version)?, job: job.id })
}
