//! `promote` and `rollback`: where aliases point.

use anyhow::Result;
use yard_types::{AliasName, ModelName, VersionNumber};

use super::Session;

/// Point an alias at a version, so that requests get it
///
/// The server loads and warms the version before the alias moves; requests under way end on the version they began
/// with. If it cannot be loaded, the alias stays where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct PromoteArgs {
    /// Name of the model
    name: ModelName,

    /// The version, a number
    version: VersionNumber,

    /// The alias; `production` is what requests without a version get
    #[arg(long, value_name = "ALIAS", default_value = "production")]
    alias: AliasName,
}

/// Undo the last move of an alias
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// Name of the model
    name: ModelName,

    /// The alias
    #[arg(long, value_name = "ALIAS", default_value = "production")]
    alias: AliasName,
}

pub(crate) async fn run(args: &PromoteArgs, session: &Session) -> Result<()> {
    let reply = session.client.set_alias(&args.name, &args.alias, args.version).await?;
    session.output.data(&reply, || {
        let before = match reply.previous {
            Some(previous) if previous == reply.version => " (as before)".to_owned(),
            Some(previous) => format!(" (was version {previous})"),
            None => String::new(),
        };
        format!("{} {} is version {}{before}", reply.model, reply.alias, reply.version)
    })
}

pub(crate) async fn roll_back(args: &RollbackArgs, session: &Session) -> Result<()> {
    let reply = session.client.rollback(&args.name, Some(&args.alias)).await?;
    session.output.data(&reply, || {
        format!("{} {} is version {} (was version {})", reply.model, reply.alias, reply.version, reply.from)
    })
}
