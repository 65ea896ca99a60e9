//! `archive`: a version goes out of use.

use anyhow::Result;
use serde::Serialize;
use yard_types::{ModelName, VersionNumber};

use super::Session;

/// Take a version out of use; its files and passport stay
///
/// Refused while an alias points at it.
#[derive(Debug, clap::Args)]
pub(crate) struct ArchiveArgs {
    /// Name of the model
    name: ModelName,

    /// The version, a number
    version: VersionNumber,
}

#[derive(Serialize)]
struct ArchiveReport<'a> {
    model: &'a str,
    version: u32,
    state: &'static str,
}

pub(crate) async fn run(args: &ArchiveArgs, session: &Session) -> Result<()> {
    session.client.archive(&args.name, args.version).await?;
    let report = ArchiveReport { model: args.name.as_str(), version: args.version.get(), state: "archived" };
    session.output.data(&report, || format!("{} version {} is archived", args.name, args.version))
}
