//! `gc`: what nothing points at is deleted.

use anyhow::Result;

use super::Session;
use crate::output::{bytes, counted};

/// Delete stored content that no version points at
#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {}

pub(crate) async fn run(_: &GcArgs, session: &Session) -> Result<()> {
    let garbage = session.client.collect_garbage().await?;
    session.output.data(&garbage, || {
        format!(
            "deleted {} ({}) and {}, kept {}",
            counted(garbage.deleted, "content", "contents"),
            bytes(garbage.bytes),
            counted(
                garbage.temporary,
                "left-over of an interrupted write",
                "left-overs of interrupted writes"
            ),
            garbage.kept,
        )
    })
}
