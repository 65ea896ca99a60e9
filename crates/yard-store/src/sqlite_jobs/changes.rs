//! Changing the state of jobs.

use sqlx::SqliteConnection;
use yard_jobs::{
    Claim, Completion, Ending, EventBody, HolderId, Job, JobEvent, JobId, JobKind, JobState, Lease, Setback,
};
use yard_registry::StoreError;
use yard_types::{Timestamp, VersionNumber};

use super::queries::{find, missing};
use crate::{
    Database,
    columns::{backend, parsed, signed},
};

pub(super) async fn insert(database: &Database, job: &Job) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    if find(&mut transaction, job.id).await?.is_some() {
        return Err(StoreError::Conflict(format!("there is a job {} already", job.id)));
    }
    let (search, number) = match job.kind {
        JobKind::Trial { search, number } => (Some(search), Some(number)),
        JobKind::Train | JobKind::Search => (None, None),
    };
    if let (Some(search), Some(number)) = (search, number) {
        require_place(&mut transaction, search, number).await?;
    }
    sqlx::query(
        "INSERT INTO jobs (id, kind, search, number, model, spec, threads, memory_bytes, owner, state, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
    )
    .bind(job.id.to_string())
    .bind(job.kind.as_str())
    .bind(search.map(|id| id.to_string()))
    .bind(number)
    .bind(job.model.as_str())
    .bind(job.spec.as_str())
    .bind(job.demand.threads)
    .bind(signed("memory_bytes", job.demand.memory_bytes)?)
    .bind(job.owner.0.as_str())
    .bind(job.created_at.0)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    for (place, digest) in (0_i64..).zip(&job.inputs) {
        sqlx::query("INSERT INTO job_inputs (job, place, digest) VALUES (?, ?, ?)")
            .bind(job.id.to_string())
            .bind(place)
            .bind(digest.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
    }
    transaction.commit().await.map_err(backend)
}

pub(super) async fn start(
    database: &Database,
    id: JobId,
    lease: &Lease,
    at: Timestamp,
) -> Result<JobEvent, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = find(&mut transaction, id).await?.ok_or_else(|| missing(id))?;
    let event = next_event(&job, JobState::Running, at)?;
    sqlx::query(
        "UPDATE jobs SET state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, ?1),
             holder = ?2, lease_expires_at = ?3, sequence = ?4, state_sequence = ?4, state_at = ?1
         WHERE id = ?5",
    )
    .bind(at.0)
    .bind(lease.holder.to_string())
    .bind(lease.expires_at.0)
    .bind(signed("sequence", event.sequence)?)
    .bind(id.to_string())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    Ok(event)
}

pub(super) async fn renew(
    database: &Database,
    holder: HolderId,
    expires_at: Timestamp,
) -> Result<Vec<JobId>, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let rows = sqlx::query("UPDATE jobs SET lease_expires_at = ? WHERE holder = ? RETURNING id")
        .bind(expires_at.0)
        .bind(holder.to_string())
        .fetch_all(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    rows.iter().map(|row| parsed(row, "id")).collect()
}

pub(super) async fn requeue(
    database: &Database,
    claim: &Claim,
    setback: Option<Setback>,
    at: Timestamp,
) -> Result<JobEvent, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = claimed(&mut transaction, claim).await?;
    refuse_cancelled(&job)?;
    let event = next_event(&job, JobState::Queued, at)?;
    let setbacks = setback.map_or(job.setbacks, |setback| job.setbacks.and(setback));
    sqlx::query(
        "UPDATE jobs SET state = 'queued', holder = NULL, lease_expires_at = NULL, deaths = ?1, losses = ?2,
             sequence = ?3, state_sequence = ?3, state_at = ?4
         WHERE id = ?5",
    )
    .bind(setbacks.deaths)
    .bind(setbacks.losses)
    .bind(signed("sequence", event.sequence)?)
    .bind(at.0)
    .bind(claim.job.to_string())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    Ok(event)
}

pub(super) async fn finish(
    database: &Database,
    claim: &Claim,
    ending: &Ending,
    at: Timestamp,
) -> Result<JobEvent, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = claimed(&mut transaction, claim).await?;
    if matches!(ending, Ending::Succeeded(_)) {
        refuse_cancelled(&job)?;
    }
    let event = end(&mut transaction, &job, ending, None, at).await?;
    transaction.commit().await.map_err(backend)?;
    Ok(event)
}

pub(super) async fn end_queued(
    database: &Database,
    id: JobId,
    ending: &Ending,
    at: Timestamp,
) -> Result<JobEvent, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = find(&mut transaction, id).await?.ok_or_else(|| missing(id))?;
    if job.state != JobState::Queued {
        return Err(conflict(&job));
    }
    let event = end(&mut transaction, &job, ending, None, at).await?;
    transaction.commit().await.map_err(backend)?;
    Ok(event)
}

pub(super) async fn request_cancel(database: &Database, id: JobId) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = find(&mut transaction, id).await?.ok_or_else(|| missing(id))?;
    if job.state != JobState::Running {
        return Err(conflict(&job));
    }
    sqlx::query("UPDATE jobs SET cancel_requested = 1 WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

/// Ends a running job with a version that is written in the same transaction.
pub(crate) async fn succeed(
    connection: &mut SqliteConnection,
    completion: &Completion,
    version: VersionNumber,
    at: Timestamp,
) -> Result<(), StoreError> {
    let job = claimed(connection, &completion.claim).await?;
    refuse_cancelled(&job)?;
    let ending = Ending::Succeeded(completion.summary.clone());
    end(connection, &job, &ending, Some(version), at).await.map(drop)
}

pub(super) async fn forget(database: &Database, ended_before: Timestamp) -> Result<Vec<JobId>, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    // A trial goes with its search, not by its own age; one that still ends after its search stays until the next time.
    let rows = sqlx::query(
        "SELECT id FROM jobs
         WHERE state IN ('succeeded', 'failed', 'cancelled')
           AND CASE WHEN search IS NULL THEN ended_at
                    ELSE (SELECT ended_at FROM jobs AS searches WHERE searches.id = jobs.search) END < ?1
           AND NOT EXISTS (SELECT 1 FROM jobs AS trials
                           WHERE trials.search = jobs.id AND trials.state IN ('queued', 'running'))
         -- Trials first: they refer to their search.
         ORDER BY search IS NULL",
    )
    .bind(ended_before.0)
    .fetch_all(&mut *transaction)
    .await
    .map_err(backend)?;
    let forgotten: Vec<JobId> = rows.iter().map(|row| parsed(row, "id")).collect::<Result<_, _>>()?;
    for id in &forgotten {
        for delete in [
            "DELETE FROM job_inputs WHERE job = ?",
            "DELETE FROM job_metrics WHERE job = ?",
            "DELETE FROM job_log WHERE job = ?",
            "DELETE FROM job_checkpoints WHERE job = ?",
            "DELETE FROM jobs WHERE id = ?",
        ] {
            sqlx::query(delete).bind(id.to_string()).execute(&mut *transaction).await.map_err(backend)?;
        }
    }
    transaction.commit().await.map_err(backend)?;
    Ok(forgotten)
}

/// A job that is running under this claim.
pub(super) async fn claimed(connection: &mut SqliteConnection, claim: &Claim) -> Result<Job, StoreError> {
    let job = find(connection, claim.job).await?.ok_or_else(|| missing(claim.job))?;
    if job.state != JobState::Running || job.claim() != Some(*claim) {
        return Err(conflict(&job));
    }
    Ok(job)
}

fn refuse_cancelled(job: &Job) -> Result<(), StoreError> {
    if job.cancel_requested {
        return Err(StoreError::Conflict(format!("job {} was called off", job.id)));
    }
    Ok(())
}

fn conflict(job: &Job) -> StoreError {
    StoreError::Conflict(format!("job {} is {}", job.id, job.state))
}

fn next_event(job: &Job, state: JobState, at: Timestamp) -> Result<JobEvent, StoreError> {
    if !job.state.may_become(state) {
        return Err(conflict(job));
    }
    Ok(JobEvent { job: job.id, sequence: job.sequence + 1, at, body: EventBody::State(state) })
}

async fn end(
    connection: &mut SqliteConnection,
    job: &Job,
    ending: &Ending,
    version: Option<VersionNumber>,
    at: Timestamp,
) -> Result<JobEvent, StoreError> {
    let event = next_event(job, ending.state(), at)?;
    let (summary, failure) = match ending {
        Ending::Succeeded(summary) => (Some(summary.as_str()), None),
        Ending::Failed(failure) => (None, Some(failure)),
        Ending::Cancelled => (None, None),
    };
    sqlx::query(
        "UPDATE jobs SET state = ?1, ended_at = ?2, holder = NULL, lease_expires_at = NULL, failure_code = ?3,
             failure_message = ?4, result_version = ?5, result_summary = ?6, sequence = ?7, state_sequence = ?7,
             state_at = ?2
         WHERE id = ?8",
    )
    .bind(ending.state().as_str())
    .bind(at.0)
    .bind(failure.map(|failure| failure.code.as_str()))
    .bind(failure.map(|failure| failure.message.as_str()))
    .bind(version.map(VersionNumber::get))
    .bind(summary)
    .bind(signed("sequence", event.sequence)?)
    .bind(job.id.to_string())
    .execute(connection)
    .await
    .map_err(backend)?;
    Ok(event)
}

/// A trial belongs to a running search, which has no trial of this number yet.
async fn require_place(
    connection: &mut SqliteConnection,
    search: JobId,
    number: u32,
) -> Result<(), StoreError> {
    let running = sqlx::query("SELECT 1 FROM jobs WHERE id = ? AND kind = 'search' AND state = 'running'")
        .bind(search.to_string())
        .fetch_optional(&mut *connection)
        .await
        .map_err(backend)?;
    if running.is_none() {
        return Err(StoreError::Conflict(format!("search {search} is not running")));
    }
    let taken = sqlx::query("SELECT 1 FROM jobs WHERE search = ? AND number = ?")
        .bind(search.to_string())
        .bind(number)
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    if taken.is_some() {
        return Err(StoreError::Conflict(format!("search {search} has a trial {number} already")));
    }
    Ok(())
}
