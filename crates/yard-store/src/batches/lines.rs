//! Rows of what became of lines.

use sqlx::{Row as _, sqlite::SqliteRow};
use yard_batches::{BatchId, BatchStatus, BatchStoreError, LineRecord};

use super::{backend, rows::found, told};
use crate::{
    Database,
    columns::{signed, text},
};

pub(super) async fn put(
    database: &Database,
    id: &BatchId,
    line: &LineRecord,
) -> Result<bool, BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let status = found(&mut transaction, id).await?.status;
    if status != BatchStatus::InProgress {
        return Err(BatchStoreError::Conflict(format!("batch {id} is {status}")));
    }
    let done = sqlx::query(
        "INSERT INTO batch_lines (batch, line, status, custom_id, request_id, body) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (batch, line) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(i64::from(line.line))
    .bind(i64::from(line.status))
    .bind(line.custom_id.as_str())
    .bind(line.request_id.as_str())
    .bind(line.body.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "UPDATE batches SET completed = completed + ?, failed = failed + ?, outcome_bytes = outcome_bytes + ?
         WHERE id = ?",
    )
    .bind(i64::from(line.succeeded()))
    .bind(i64::from(!line.succeeded()))
    .bind(signed("outcome_bytes", line.bytes()).map_err(told)?)
    .bind(id.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    Ok(true)
}

pub(super) async fn done(database: &Database, id: &BatchId) -> Result<Vec<(u32, bool)>, BatchStoreError> {
    let rows = sqlx::query(
        "SELECT line, status BETWEEN 200 AND 299 AS succeeded FROM batch_lines WHERE batch = ? ORDER BY line",
    )
    .bind(id.as_str())
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    let pair = |row: &SqliteRow| {
        let succeeded: i64 = row.try_get("succeeded").map_err(backend)?;
        Ok((number(row)?, succeeded != 0))
    };
    rows.iter().map(pair).collect()
}

pub(super) async fn page(
    database: &Database,
    id: &BatchId,
    succeeded: bool,
    after: u32,
    limit: u32,
) -> Result<Vec<LineRecord>, BatchStoreError> {
    let rows = sqlx::query(
        "SELECT line, status, custom_id, request_id, body FROM batch_lines
         WHERE batch = ?1 AND line > ?2 AND (status BETWEEN 200 AND 299) = ?3 ORDER BY line LIMIT ?4",
    )
    .bind(id.as_str())
    .bind(i64::from(after))
    .bind(i64::from(succeeded))
    .bind(i64::from(limit))
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    rows.iter().map(record).collect()
}

fn number(row: &SqliteRow) -> Result<u32, BatchStoreError> {
    let line: i64 = row.try_get("line").map_err(backend)?;
    u32::try_from(line).map_err(backend)
}

fn record(row: &SqliteRow) -> Result<LineRecord, BatchStoreError> {
    let status: i64 = row.try_get("status").map_err(backend)?;
    Ok(LineRecord {
        line: number(row)?,
        custom_id: text(row, "custom_id").map_err(told)?.to_owned(),
        status: u16::try_from(status).map_err(backend)?,
        request_id: text(row, "request_id").map_err(told)?.to_owned(),
        body: text(row, "body").map_err(told)?.to_owned(),
    })
}
