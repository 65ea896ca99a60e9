//! A search on a server, as rows: the same rules make the same board of them.

use anyhow::{Context as _, Result, bail};
use yard_api::management::JobBody;
use yard_client::{ClientError, JobsQuery};
use yard_jobs::{Demand, Job, JobFailure, JobId, JobKind, JobResult, JobState, NewJob, Owner};
use yard_types::{ErrorCode, Timestamp, VersionNumber};

use super::missing;
use crate::commands::Session;

/// Jobs that are listed at once.
const PAGE: u32 = 500;

/// A search and its trials.
pub(super) async fn read(search: &str, session: &Session) -> Result<(Job, Vec<Job>)> {
    let client = &session.client;
    let id = match search.parse::<JobId>() {
        Ok(id) => id.to_string(),
        Err(_) => newest(search, session).await?.ok_or_else(|| missing(search))?,
    };
    let found = client.job(&id).await.map_err(|error| match error {
        ClientError::Refused(refusal) if refusal.code == ErrorCode::NotFound => missing(search).into(),
        other => anyhow::Error::from(other),
    });
    let found = row(&found?)?;
    if found.kind != JobKind::Search {
        return Err(missing(search).into());
    }
    let mut trials = Vec::new();
    let mut query = JobsQuery { search: Some(id), limit: Some(PAGE), ..JobsQuery::default() };
    loop {
        let page = client.jobs(&query).await?;
        for trial in &page.jobs {
            // Lists leave out what a board is made of.
            trials.push(row(&client.job(&trial.id).await?)?);
        }
        query.after = page.next_after;
        if query.after.is_none() {
            return Ok((found, trials));
        }
    }
}

async fn newest(model: &str, session: &Session) -> Result<Option<String>> {
    let mut query = JobsQuery { model: Some(model.to_owned()), limit: Some(PAGE), ..JobsQuery::default() };
    loop {
        let page = session.client.jobs(&query).await?;
        if let Some(job) = page.jobs.into_iter().find(|job| job.kind == JobKind::Search.as_str()) {
            return Ok(Some(job.id));
        }
        query.after = page.next_after;
        if query.after.is_none() {
            return Ok(None);
        }
    }
}

/// The parts of a row that a board is made of.
fn row(body: &JobBody) -> Result<Job> {
    let id: JobId = body.id.parse().context("the server gave a job without a sound id")?;
    let kind = match (body.kind.as_str(), &body.parent, body.trial) {
        ("search", _, _) => JobKind::Search,
        ("trial", Some(search), Some(number)) => JobKind::Trial {
            search: search.parse().context("the server gave a trial without a search")?,
            number,
        },
        ("train", _, _) => JobKind::Train,
        (kind, _, _) => bail!("the server gave a job of the unknown kind '{kind}'"),
    };
    let new = NewJob {
        kind,
        model: body.model.parse().context("the server gave a job without a sound name")?,
        spec: body.spec.as_ref().map(|spec| spec.get().to_owned()).unwrap_or_default(),
        inputs: Vec::new(),
        demand: Demand { threads: body.threads, memory_bytes: body.memory_bytes },
        owner: Owner(body.created_by.clone()),
    };
    let mut job = Job::queued(new, id, Timestamp(0));
    job.state = JobState::from_name(&body.state)
        .with_context(|| format!("the server gave a job in the unknown state '{}'", body.state))?;
    job.result = body.result.as_ref().map(|result| JobResult {
        version: result.version.and_then(|number| VersionNumber::new(number).ok()),
        summary: result.summary.as_ref().map(|summary| summary.get().to_owned()).unwrap_or_default(),
    });
    // The code is shown nowhere.
    job.failure = body
        .error
        .as_ref()
        .map(|error| JobFailure { code: ErrorCode::Internal, message: error.message.clone() });
    Ok(job)
}
