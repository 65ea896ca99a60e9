//! How rows of batches change.

use sqlx::SqliteConnection;
use yard_batches::{Batch, BatchEnd, BatchId, BatchStatus, BatchStoreError, FileId, Owner, Problem};
use yard_types::Timestamp;

use super::{
    backend, files,
    rows::{ProblemColumn, found, missing},
    told,
};
use crate::{
    Database,
    columns::{signed, unsigned},
};

pub(super) async fn insert(
    database: &Database,
    batch: &Batch,
    most_open: u64,
    most_ended: u64,
) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let row = sqlx::query("SELECT count(*) AS open FROM batches WHERE owner = ? AND ended_at IS NULL")
        .bind(batch.owner.0.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(backend)?;
    if unsigned(&row, "open").map_err(told)? >= most_open {
        return Err(BatchStoreError::TooMany(most_open));
    }
    sqlx::query(
        "DELETE FROM batches WHERE owner = ?1 AND ended_at IS NOT NULL AND sequence NOT IN (
             SELECT sequence FROM batches WHERE owner = ?1 AND ended_at IS NOT NULL ORDER BY sequence DESC LIMIT ?2
         )",
    )
    .bind(batch.owner.0.as_str())
    .bind(signed("limit", most_ended).map_err(told)?)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    sqlx::query(
        "INSERT INTO batches (
             id, owner, endpoint, input_file, input_digest, completion_window, metadata_json, status, created_at,
             expires_at
         ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(batch.id.as_str())
    .bind(batch.owner.0.as_str())
    .bind(batch.endpoint.as_str())
    .bind(batch.input_file.as_str())
    .bind(batch.input_digest.to_string())
    .bind(batch.window.as_str())
    .bind(serde_json::to_string(&batch.metadata).map_err(backend)?)
    .bind(batch.status.as_str())
    .bind(batch.created_at.0)
    .bind(batch.expires_at.0)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn begin(
    database: &Database,
    id: &BatchId,
    total: u64,
    at: Timestamp,
) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    check(&mut transaction, id, BatchStatus::InProgress).await?;
    sqlx::query("UPDATE batches SET status = 'in_progress', total = ?, in_progress_at = ? WHERE id = ?")
        .bind(signed("total", total).map_err(told)?)
        .bind(at.0)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn fail(
    database: &Database,
    id: &BatchId,
    problems: &[Problem],
    at: Timestamp,
) -> Result<(), BatchStoreError> {
    let problems: Vec<ProblemColumn> = problems.iter().map(Into::into).collect();
    let mut transaction = database.write().await.map_err(backend)?;
    check(&mut transaction, id, BatchStatus::Failed).await?;
    sqlx::query("UPDATE batches SET status = 'failed', problems_json = ?, ended_at = ? WHERE id = ?")
        .bind(serde_json::to_string(&problems).map_err(backend)?)
        .bind(at.0)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn begin_finalizing(
    database: &Database,
    id: &BatchId,
    at: Timestamp,
) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    check(&mut transaction, id, BatchStatus::Finalizing).await?;
    sqlx::query("UPDATE batches SET status = 'finalizing', finalizing_at = ? WHERE id = ?")
        .bind(at.0)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn cancel(
    database: &Database,
    owner: &Owner,
    id: &BatchId,
    at: Timestamp,
) -> Result<Batch, BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let batch = found(&mut transaction, id).await?;
    if batch.owner != *owner {
        return Err(missing(id));
    }
    if batch.status == BatchStatus::Cancelling {
        return Ok(batch);
    }
    // Of one whose lines were never let run there is nothing to finish.
    let (next, ended_at) = match batch.status {
        BatchStatus::Validating => (BatchStatus::Cancelled, Some(at.0)),
        _ => (BatchStatus::Cancelling, None),
    };
    may_become(&batch, next)?;
    sqlx::query("UPDATE batches SET status = ?, cancelling_at = ?, ended_at = ? WHERE id = ?")
        .bind(next.as_str())
        .bind(at.0)
        .bind(ended_at)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    let batch = found(&mut transaction, id).await?;
    transaction.commit().await.map_err(backend)?;
    Ok(batch)
}

pub(super) async fn finish(
    database: &Database,
    id: &BatchId,
    end: &BatchEnd,
    at: Timestamp,
) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    check(&mut transaction, id, end.status).await?;
    for file in [&end.output, &end.errors].into_iter().flatten() {
        files::insert(&mut transaction, file).await?;
    }
    sqlx::query(
        "UPDATE batches SET status = ?, ended_at = ?, output_file = ?, error_file = ?, outcome_bytes = 0
         WHERE id = ?",
    )
    .bind(end.status.as_str())
    .bind(at.0)
    .bind(end.output.as_ref().map(|file| FileId::as_str(&file.id)))
    .bind(end.errors.as_ref().map(|file| FileId::as_str(&file.id)))
    .bind(id.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    sqlx::query("DELETE FROM batch_lines WHERE batch = ?")
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

async fn check(
    connection: &mut SqliteConnection,
    id: &BatchId,
    next: BatchStatus,
) -> Result<(), BatchStoreError> {
    may_become(&found(connection, id).await?, next)
}

fn may_become(batch: &Batch, next: BatchStatus) -> Result<(), BatchStoreError> {
    if batch.status.may_become(next) {
        return Ok(());
    }
    let message = format!("batch {} is {} and cannot become {next}", batch.id, batch.status);
    Err(BatchStoreError::Conflict(message))
}
