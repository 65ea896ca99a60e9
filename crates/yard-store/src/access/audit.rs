//! The audit trail in SQLite.

use async_trait::async_trait;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use yard_access::{AccessStoreError, Actor, AuditEntry, AuditStore, NewAuditEntry};
use yard_types::Timestamp;

use super::backend;
use crate::Database;

/// The audit trail in SQLite. The database itself refuses to change or delete entries.
#[derive(Debug, Clone)]
pub struct SqliteAuditStore {
    database: Database,
}

/// Adds an entry in the transaction of the change that it tells of.
pub(super) async fn insert_entry(
    transaction: &mut Transaction<'static, Sqlite>,
    entry: &NewAuditEntry,
) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO audit_entries (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?) RETURNING sequence",
    )
    .bind(entry.at().0)
    .bind(entry.actor().as_str())
    .bind(entry.action())
    .bind(entry.subject())
    .bind(entry.detail())
    .fetch_one(&mut **transaction)
    .await?;
    row.try_get(0)
}

fn read_entry(row: &SqliteRow) -> Result<AuditEntry, AccessStoreError> {
    let sequence: i64 = row.try_get("sequence").map_err(backend)?;
    let actor: String = row.try_get("actor").map_err(backend)?;
    Ok(AuditEntry {
        sequence: sequence.try_into().map_err(backend)?,
        at: Timestamp(row.try_get("at").map_err(backend)?),
        actor: Actor::stored(actor),
        action: row.try_get("action").map_err(backend)?,
        subject: row.try_get("subject").map_err(backend)?,
        detail: row.try_get("detail").map_err(backend)?,
    })
}

impl SqliteAuditStore {
    /// Keeps the trail in this database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl AuditStore for SqliteAuditStore {
    async fn append(&self, entry: &NewAuditEntry) -> Result<u64, AccessStoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        let sequence = insert_entry(&mut transaction, entry).await.map_err(backend)?;
        transaction.commit().await.map_err(backend)?;
        sequence.try_into().map_err(backend)
    }

    async fn entries(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, AccessStoreError> {
        // A number beyond what a row can have means the same as none.
        let before = before.map_or(i64::MAX, |before| before.try_into().unwrap_or(i64::MAX));
        let rows = sqlx::query(
            "SELECT sequence, at, actor, action, subject, detail FROM audit_entries
             WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(self.database.reader())
        .await
        .map_err(backend)?;
        rows.iter().map(read_entry).collect()
    }
}
