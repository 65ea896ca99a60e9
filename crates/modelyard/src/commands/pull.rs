//! `pull`: the files of a version, checked against their digests.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Session;
use crate::{
    model_ref::ModelRef,
    output::{bytes, counted},
};

/// Fetch the files of a version into a directory
///
/// Every file is checked against its digest. Files with the right content are left as they are; others are never
/// overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// The model, as NAME, NAME@alias or NAME:version
    name: ModelRef,

    /// The directory; it is made when it is not there
    dir: PathBuf,
}

#[derive(Serialize)]
struct PullReport<'a> {
    model: &'a str,
    version: u32,
    digest: &'a str,
    files: Vec<String>,
}

pub(crate) async fn run(args: &PullArgs, session: &Session) -> Result<()> {
    let Session { client, output } = session;
    let model = &args.name.model;
    let version = client.resolve(model, &args.name.selector).await?;
    let bar = output.transfer_bar();
    let pulled = client.pull(model, version, &args.dir, &bar.sink()).await;
    drop(bar);
    let pulled = pulled.with_context(|| format!("cannot pull '{}'", args.name))?;

    let version = &pulled.passport.version;
    let count = counted(pulled.files.len() as u64, "file", "files");
    output.talk(format!("{model} version {}: {count}, {}", version.version, bytes(version.size)));
    let files: Vec<String> = pulled.files.iter().map(|file| file.display().to_string()).collect();
    let report =
        PullReport { model: model.as_str(), version: version.version, digest: &version.digest, files };
    output.data(&report, || report.files.join("\n"))
}
