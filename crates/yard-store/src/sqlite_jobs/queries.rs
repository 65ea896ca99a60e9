//! Reading jobs.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_jobs::{
    Demand, Job, JobFailure, JobId, JobKind, JobQuery, JobResult, JobState, Lease, Owner, Progress, Setbacks,
};
use yard_registry::StoreError;
use yard_types::{Digest, ErrorCode, Timestamp};

use crate::{
    Database,
    columns::{backend, optional_version, parsed, text, timestamp, unsigned, unusable},
};

/// All columns, and the inputs in one text. What is appended is ours alone.
macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT *, (SELECT group_concat(digest, ' ' ORDER BY place) FROM job_inputs WHERE job = jobs.id)
             AS inputs FROM jobs ",
            $rest
        )
    };
}

pub(super) async fn one(database: &Database, id: JobId) -> Result<Option<Job>, StoreError> {
    let mut connection = database.reader().acquire().await.map_err(backend)?;
    find(&mut connection, id).await
}

/// One job, as this connection sees it.
pub(super) async fn find(connection: &mut SqliteConnection, id: JobId) -> Result<Option<Job>, StoreError> {
    let row = sqlx::query(select_jobs!("WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    row.as_ref().map(job).transpose()
}

pub(super) async fn page(database: &Database, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
    let state = query.state.map(JobState::as_str);
    let search = query.search.map(|id| id.to_string());
    let (at, id) = query.after.map_or((i64::MAX, String::new()), |(at, id)| (at.0, id.to_string()));
    let rows = sqlx::query(select_jobs!(
        "WHERE search IS ?1 AND (?2 IS NULL OR state = ?2)
           AND (created_at < ?3 OR created_at = ?3 AND id < ?4)
         ORDER BY created_at DESC, id DESC LIMIT ?5"
    ))
    .bind(search)
    .bind(state)
    .bind(at)
    .bind(id)
    .bind(query.limit)
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    rows.iter().map(job).collect()
}

pub(super) async fn active(database: &Database) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query(select_jobs!("WHERE state IN ('queued', 'running') ORDER BY created_at, id"))
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    rows.iter().map(job).collect()
}

pub(super) async fn trials(database: &Database, search: JobId) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query(select_jobs!("WHERE search = ? ORDER BY number"))
        .bind(search.to_string())
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    rows.iter().map(job).collect()
}

pub(super) fn missing(id: JobId) -> StoreError {
    StoreError::Missing(format!("job {id}"))
}

pub(super) fn state(row: &SqliteRow) -> Result<JobState, StoreError> {
    let name = text(row, "state")?;
    JobState::from_name(name).ok_or_else(|| unusable("state", format!("'{name}' is not a state of a job")))
}

/// A progress, if there is one.
pub(super) fn progress(row: &SqliteRow) -> Result<Option<Progress>, StoreError> {
    let Some(phase) = row.try_get::<Option<String>, _>("progress_phase").map_err(backend)? else {
        return Ok(None);
    };
    let of: Option<i64> = row.try_get("progress_of").map_err(backend)?;
    let of = of.map(u64::try_from).transpose().map_err(|error| unusable("progress_of", error))?;
    Ok(Some(Progress { phase, step: unsigned(row, "progress_step")?, of }))
}

fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    Ok(Job {
        id: parsed(row, "id")?,
        kind: kind(row)?,
        model: parsed(row, "model")?,
        spec: text(row, "spec")?.to_owned(),
        inputs: inputs(row)?,
        demand: Demand { threads: small(row, "threads")?, memory_bytes: unsigned(row, "memory_bytes")? },
        owner: Owner(text(row, "owner")?.to_owned()),
        state: state(row)?,
        created_at: timestamp(row, "created_at")?,
        started_at: optional_timestamp(row, "started_at")?,
        ended_at: optional_timestamp(row, "ended_at")?,
        attempt: small(row, "attempt")?,
        setbacks: Setbacks { deaths: small(row, "deaths")?, losses: small(row, "losses")? },
        cancel_requested: row.try_get("cancel_requested").map_err(backend)?,
        lease: lease(row)?,
        progress: progress(row)?,
        failure: failure(row)?,
        result: result(row)?,
        sequence: unsigned(row, "sequence")?,
    })
}

fn kind(row: &SqliteRow) -> Result<JobKind, StoreError> {
    match text(row, "kind")? {
        "train" => Ok(JobKind::Train),
        "search" => Ok(JobKind::Search),
        "trial" => Ok(JobKind::Trial { search: parsed(row, "search")?, number: small(row, "number")? }),
        other => Err(unusable("kind", format!("'{other}' is not a kind of job"))),
    }
}

fn inputs(row: &SqliteRow) -> Result<Vec<Digest>, StoreError> {
    let inputs: Option<&str> = row.try_get("inputs").map_err(backend)?;
    let digests = inputs.unwrap_or_default().split_ascii_whitespace().map(str::parse);
    digests.collect::<Result<_, _>>().map_err(|error| unusable("digest", error))
}

fn lease(row: &SqliteRow) -> Result<Option<Lease>, StoreError> {
    let Some(expires_at) = optional_timestamp(row, "lease_expires_at")? else { return Ok(None) };
    Ok(Some(Lease { holder: parsed(row, "holder")?, expires_at }))
}

fn failure(row: &SqliteRow) -> Result<Option<JobFailure>, StoreError> {
    let Some(name) = row.try_get::<Option<&str>, _>("failure_code").map_err(backend)? else {
        return Ok(None);
    };
    let code = ErrorCode::ALL.into_iter().find(|code| code.as_str() == name);
    let code = code.ok_or_else(|| unusable("failure_code", format!("'{name}' is not a code")))?;
    Ok(Some(JobFailure { code, message: text(row, "failure_message")?.to_owned() }))
}

fn result(row: &SqliteRow) -> Result<Option<JobResult>, StoreError> {
    let Some(summary) = row.try_get("result_summary").map_err(backend)? else { return Ok(None) };
    Ok(Some(JobResult { version: optional_version(row, "result_version")?, summary }))
}

fn optional_timestamp(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    let moment: Option<i64> = row.try_get(column).map_err(backend)?;
    Ok(moment.map(Timestamp))
}

fn small(row: &SqliteRow, column: &'static str) -> Result<u32, StoreError> {
    row.try_get(column).map_err(backend)
}
