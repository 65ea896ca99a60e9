//! A search in the data directory of this machine.

use anyhow::{Context as _, Result};
use yard_jobs::{Job, JobFailure, JobId, JobKind, JobQuery, JobStore as _};
use yard_store::{DataDirectory, Database, DatabaseOptions, SqliteJobStore};
use yard_types::ErrorCode;

use super::missing;
use crate::{
    cli::GlobalArgs,
    settings::{self, Sources},
};

/// Rows that are read at once.
const PAGE: u32 = 200;

/// A search and its trials.
pub(super) async fn read(search: &str, global: &GlobalArgs) -> Result<(Job, Vec<Job>)> {
    let sources = Sources { file: None, variables: settings::environment(), flags: Vec::new() };
    let (mut settings, _) = settings::load(&sources)?;
    if let Some(directory) = global.data_dir_given() {
        settings.data_dir = directory.to_owned();
    }
    // Opening one makes it.
    if !settings.data_dir.is_dir() {
        let message = format!("there is no data directory {}", settings.data_dir.display());
        return Err(JobFailure { code: ErrorCode::NotFound, message }.into());
    }
    let directory = DataDirectory::open(&settings.data_dir)?;
    let database = Database::open(&directory.database(), &DatabaseOptions::default()).await;
    let database = database.context("cannot open the database")?;
    let store = SqliteJobStore::new(database.clone());
    let found = async {
        let job = find(&store, search).await?.ok_or_else(|| missing(search))?;
        let trials = store.trials(job.id).await.context("cannot read the trials")?;
        Ok((job, trials))
    };
    let found = found.await;
    database.close().await;
    found
}

async fn find(store: &SqliteJobStore, search: &str) -> Result<Option<Job>> {
    if let Ok(id) = search.parse::<JobId>() {
        let job = store.job(id).await.context("cannot read the job")?;
        return Ok(job.filter(|job| job.kind == JobKind::Search));
    }
    let mut after = None;
    loop {
        let query = JobQuery { state: None, search: None, after, limit: PAGE };
        let page = store.jobs(&query).await.context("cannot read the jobs")?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some((last.created_at, last.id));
        let of_model = |job: &Job| job.kind == JobKind::Search && job.model.as_str() == search;
        if let Some(job) = page.into_iter().find(of_model) {
            return Ok(Some(job));
        }
    }
}
