//! Reading rows of batches.

use serde::{Deserialize, Serialize};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_batches::{Batch, BatchId, BatchStatus, BatchStoreError, Counts, FileId, Moments, Owner, Problem};
use yard_types::Timestamp;

use super::{backend, told};
use crate::{
    Database,
    columns::{parsed, text, timestamp, unsigned, unusable},
};

/// A problem as its column keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProblemColumn {
    code: String,
    message: String,
    param: Option<String>,
    line: Option<u32>,
}

impl From<&Problem> for ProblemColumn {
    fn from(problem: &Problem) -> Self {
        let Problem { code, message, param, line } = problem.clone();
        Self { code, message, param, line }
    }
}

impl From<ProblemColumn> for Problem {
    fn from(column: ProblemColumn) -> Self {
        let ProblemColumn { code, message, param, line } = column;
        Self { code, message, param, line }
    }
}

pub(super) async fn one(
    database: &Database,
    owner: &Owner,
    id: &BatchId,
) -> Result<Option<Batch>, BatchStoreError> {
    let row = sqlx::query("SELECT * FROM batches WHERE id = ? AND owner = ?")
        .bind(id.as_str())
        .bind(owner.0.as_str())
        .fetch_optional(database.reader())
        .await
        .map_err(backend)?;
    row.as_ref().map(batch).transpose()
}

/// A batch inside a transaction that changes it.
pub(super) async fn found(connection: &mut SqliteConnection, id: &BatchId) -> Result<Batch, BatchStoreError> {
    let row = sqlx::query("SELECT * FROM batches WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    batch(&row.ok_or_else(|| missing(id))?)
}

pub(super) async fn page(
    database: &Database,
    owner: &Owner,
    after: Option<&BatchId>,
    limit: u32,
) -> Result<Vec<Batch>, BatchStoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let after: Option<i64> = match after {
        None => None,
        Some(id) => {
            let row = sqlx::query("SELECT sequence FROM batches WHERE id = ? AND owner = ?")
                .bind(id.as_str())
                .bind(owner.0.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(backend)?;
            Some(row.ok_or_else(|| missing(id))?.try_get("sequence").map_err(backend)?)
        }
    };
    let rows = sqlx::query(
        "SELECT * FROM batches WHERE owner = ?1 AND (?2 IS NULL OR sequence < ?2) ORDER BY sequence DESC LIMIT ?3",
    )
    .bind(owner.0.as_str())
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(&mut *transaction)
    .await
    .map_err(backend)?;
    rows.iter().map(batch).collect()
}

pub(super) async fn open(database: &Database) -> Result<Vec<Batch>, BatchStoreError> {
    let rows = sqlx::query("SELECT * FROM batches WHERE ended_at IS NULL ORDER BY sequence")
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    rows.iter().map(batch).collect()
}

pub(super) fn missing(id: &BatchId) -> BatchStoreError {
    BatchStoreError::Missing(format!("batch {id}"))
}

fn batch(row: &SqliteRow) -> Result<Batch, BatchStoreError> {
    let moment = |column| -> Result<Option<Timestamp>, BatchStoreError> {
        let at: Option<i64> = row.try_get(column).map_err(backend)?;
        Ok(at.map(Timestamp))
    };
    let file = |column: &'static str| -> Result<Option<FileId>, BatchStoreError> {
        let id: Option<&str> = row.try_get(column).map_err(backend)?;
        id.map(str::parse::<FileId>).transpose().map_err(|error| told(unusable(column, error)))
    };
    let problems: Vec<ProblemColumn> = serde_json::from_str(text(row, "problems_json").map_err(told)?)
        .map_err(|error| told(unusable("problems_json", error)))?;
    let metadata = serde_json::from_str(text(row, "metadata_json").map_err(told)?)
        .map_err(|error| told(unusable("metadata_json", error)))?;
    let status: BatchStatus = parsed(row, "status").map_err(told)?;
    Ok(Batch {
        id: parsed(row, "id").map_err(told)?,
        owner: Owner(text(row, "owner").map_err(told)?.to_owned()),
        endpoint: parsed(row, "endpoint").map_err(told)?,
        input_file: parsed(row, "input_file").map_err(told)?,
        input_digest: parsed(row, "input_digest").map_err(told)?,
        window: parsed(row, "completion_window").map_err(told)?,
        metadata,
        status,
        created_at: timestamp(row, "created_at").map_err(told)?,
        expires_at: timestamp(row, "expires_at").map_err(told)?,
        moments: Moments {
            in_progress: moment("in_progress_at")?,
            finalizing: moment("finalizing_at")?,
            cancelling: moment("cancelling_at")?,
            ended: moment("ended_at")?,
        },
        counts: Counts {
            total: unsigned(row, "total").map_err(told)?,
            completed: unsigned(row, "completed").map_err(told)?,
            failed: unsigned(row, "failed").map_err(told)?,
        },
        problems: problems.into_iter().map(Into::into).collect(),
        output_file: file("output_file")?,
        error_file: file("error_file")?,
    })
}
