//! Rows of files.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_batches::{BatchStoreError, FileId, FileQuery, Owner, StoredFile, Usage};
use yard_types::Timestamp;

use super::{backend, told};
use crate::{
    Database,
    columns::{parsed, signed, text, timestamp, unsigned},
};

/// What belongs to a key that was revoked is kept for so long, in milliseconds: thirty days.
const KEPT_WITHOUT_KEY: i64 = 30 * 24 * 3_600_000;

pub(super) async fn insert_bounded(
    database: &Database,
    file: &StoredFile,
    most: u64,
    most_bytes: u64,
) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let usage = usage_in(&mut transaction, &file.owner).await?;
    if usage.uploaded >= most {
        return Err(BatchStoreError::TooMany(most));
    }
    if usage.bytes.saturating_add(file.bytes) > most_bytes {
        return Err(BatchStoreError::NoRoom(most_bytes));
    }
    insert(&mut transaction, file).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn usage(database: &Database, owner: &Owner) -> Result<Usage, BatchStoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    usage_in(&mut transaction, owner).await
}

async fn usage_in(connection: &mut SqliteConnection, owner: &Owner) -> Result<Usage, BatchStoreError> {
    let row = sqlx::query(
        "SELECT
             (SELECT count(*) FROM batch_files WHERE owner = ?1 AND purpose = 'batch') AS uploaded,
             (SELECT coalesce(sum(bytes), 0) FROM batch_files WHERE owner = ?1) AS written,
             (SELECT coalesce(sum(outcome_bytes), 0) FROM batches WHERE owner = ?1 AND ended_at IS NULL) AS answered",
    )
    .bind(owner.0.as_str())
    .fetch_one(connection)
    .await
    .map_err(backend)?;
    let written = unsigned(&row, "written").map_err(told)?;
    Ok(Usage {
        uploaded: unsigned(&row, "uploaded").map_err(told)?,
        bytes: written.saturating_add(unsigned(&row, "answered").map_err(told)?),
    })
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    file: &StoredFile,
) -> Result<(), BatchStoreError> {
    sqlx::query(
        "INSERT INTO batch_files (id, owner, purpose, name, digest, bytes, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(file.id.as_str())
    .bind(file.owner.0.as_str())
    .bind(file.purpose.as_str())
    .bind(file.name.as_str())
    .bind(file.digest.to_string())
    .bind(signed("bytes", file.bytes).map_err(told)?)
    .bind(file.created_at.0)
    .bind(file.expires_at.map(|at| at.0))
    .execute(connection)
    .await
    .map_err(backend)?;
    Ok(())
}

pub(super) async fn one(
    database: &Database,
    owner: &Owner,
    id: &FileId,
    now: Timestamp,
) -> Result<Option<StoredFile>, BatchStoreError> {
    let row = sqlx::query(
        "SELECT * FROM batch_files WHERE id = ? AND owner = ? AND (expires_at IS NULL OR expires_at > ?)",
    )
    .bind(id.as_str())
    .bind(owner.0.as_str())
    .bind(now.0)
    .fetch_optional(database.reader())
    .await
    .map_err(backend)?;
    row.as_ref().map(file).transpose()
}

pub(super) async fn page(
    database: &Database,
    owner: &Owner,
    query: &FileQuery,
) -> Result<Vec<StoredFile>, BatchStoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let after: Option<i64> = match &query.after {
        None => None,
        Some(id) => {
            let row = sqlx::query("SELECT sequence FROM batch_files WHERE id = ? AND owner = ?")
                .bind(id.as_str())
                .bind(owner.0.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(backend)?;
            let row = row.ok_or_else(|| BatchStoreError::Missing(format!("file {id}")))?;
            Some(row.try_get("sequence").map_err(backend)?)
        }
    };
    let statement = if query.oldest_first {
        sqlx::query(
            "SELECT * FROM batch_files
             WHERE owner = ?1 AND (?2 IS NULL OR purpose = ?2) AND (?3 IS NULL OR sequence > ?3)
                 AND (expires_at IS NULL OR expires_at > ?4)
             ORDER BY sequence LIMIT ?5",
        )
    } else {
        sqlx::query(
            "SELECT * FROM batch_files
             WHERE owner = ?1 AND (?2 IS NULL OR purpose = ?2) AND (?3 IS NULL OR sequence < ?3)
                 AND (expires_at IS NULL OR expires_at > ?4)
             ORDER BY sequence DESC LIMIT ?5",
        )
    };
    let rows = statement
        .bind(owner.0.as_str())
        .bind(query.purpose.map(|purpose| purpose.as_str()))
        .bind(after)
        .bind(query.now.0)
        .bind(i64::from(query.limit))
        .fetch_all(&mut *transaction)
        .await
        .map_err(backend)?;
    rows.iter().map(file).collect()
}

pub(super) async fn remove(database: &Database, owner: &Owner, id: &FileId) -> Result<(), BatchStoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let done = sqlx::query("DELETE FROM batch_files WHERE id = ? AND owner = ?")
        .bind(id.as_str())
        .bind(owner.0.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    if done.rows_affected() == 0 {
        return Err(BatchStoreError::Missing(format!("file {id}")));
    }
    transaction.commit().await.map_err(backend)
}

pub(super) async fn remove_expired(database: &Database, now: Timestamp) -> Result<u64, BatchStoreError> {
    let revoked = now.plus_milliseconds(-KEPT_WITHOUT_KEY);
    // Asked often, and hardly ever for anything: whoever writes is not made to wait for that.
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM batch_files WHERE expires_at <= ?1)
             OR EXISTS (
                 SELECT 1 FROM access_keys WHERE revoked_at <= ?2 AND (
                     EXISTS (SELECT 1 FROM batch_files WHERE owner = access_keys.id)
                     OR EXISTS (SELECT 1 FROM batches WHERE owner = access_keys.id AND ended_at IS NOT NULL)
                 )
             ) AS any_over",
    )
    .bind(now.0)
    .bind(revoked.0)
    .fetch_one(database.reader())
    .await
    .map_err(backend)?;
    if unsigned(&row, "any_over").map_err(told)? == 0 {
        return Ok(0);
    }
    let mut transaction = database.write().await.map_err(backend)?;
    let done = sqlx::query(
        "DELETE FROM batch_files
         WHERE expires_at <= ? OR owner IN (SELECT id FROM access_keys WHERE revoked_at <= ?)",
    )
    .bind(now.0)
    .bind(revoked.0)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    // What their makers noted with them goes as well.
    sqlx::query(
        "DELETE FROM batches
         WHERE ended_at IS NOT NULL AND owner IN (SELECT id FROM access_keys WHERE revoked_at <= ?)",
    )
    .bind(revoked.0)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    Ok(done.rows_affected())
}

fn file(row: &SqliteRow) -> Result<StoredFile, BatchStoreError> {
    let expires_at: Option<i64> = row.try_get("expires_at").map_err(backend)?;
    Ok(StoredFile {
        id: parsed(row, "id").map_err(told)?,
        owner: Owner(text(row, "owner").map_err(told)?.to_owned()),
        purpose: parsed(row, "purpose").map_err(told)?,
        name: text(row, "name").map_err(told)?.to_owned(),
        digest: parsed(row, "digest").map_err(told)?,
        bytes: unsigned(row, "bytes").map_err(told)?,
        created_at: timestamp(row, "created_at").map_err(told)?,
        expires_at: expires_at.map(Timestamp),
    })
}
