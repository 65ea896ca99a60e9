//! What keys used, in SQLite.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};
use yard_access::{AccessStoreError, UsageFilter, UsageRow, UsageStore, UsedTokens, UtcDay};

use super::backend;
use crate::Database;

/// What keys used, in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteUsageStore {
    database: Database,
}

/// A day that no calendar has stands in a row.
#[derive(Debug, thiserror::Error)]
#[error("usage of the day {0}")]
struct MalformedDay(i64);

impl SqliteUsageStore {
    /// Keeps usage in this database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UsageStore for SqliteUsageStore {
    async fn add(&self, rows: &[UsageRow]) -> Result<(), AccessStoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.write().await.map_err(backend)?;
        for row in rows {
            sqlx::query(
                "INSERT INTO access_usage (day, key, model, requests, prompt_tokens, answer_tokens)
                 VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (day, key, model) DO UPDATE SET
                     requests = requests + excluded.requests,
                     prompt_tokens = prompt_tokens + excluded.prompt_tokens,
                     answer_tokens = answer_tokens + excluded.answer_tokens",
            )
            .bind(row.day.number())
            .bind(row.key.map(|key| key.to_string()).unwrap_or_default())
            .bind(row.model.as_str())
            .bind(i64::try_from(row.requests).map_err(backend)?)
            .bind(i64::try_from(row.prompt_tokens).map_err(backend)?)
            .bind(i64::try_from(row.answer_tokens).map_err(backend)?)
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
        }
        transaction.commit().await.map_err(backend)
    }

    async fn usage(&self, filter: &UsageFilter, limit: u32) -> Result<Vec<UsageRow>, AccessStoreError> {
        let rows = sqlx::query(
            "SELECT day, key, model, requests, prompt_tokens, answer_tokens FROM access_usage
             WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR key = ?3)
             ORDER BY day, key, model LIMIT ?4",
        )
        .bind(filter.from.number())
        .bind(filter.to.number())
        .bind(filter.key.map(|key| key.to_string()))
        .bind(i64::from(limit))
        .fetch_all(self.database.reader())
        .await
        .map_err(backend)?;
        rows.iter().map(read_row).collect()
    }

    async fn used_tokens(&self, from: UtcDay, to: UtcDay) -> Result<Vec<UsedTokens>, AccessStoreError> {
        let rows = sqlx::query(
            "SELECT key, sum(prompt_tokens) + sum(answer_tokens) AS tokens FROM access_usage
             WHERE day BETWEEN ? AND ? AND key <> '' GROUP BY key ORDER BY key",
        )
        .bind(from.number())
        .bind(to.number())
        .fetch_all(self.database.reader())
        .await
        .map_err(backend)?;
        rows.iter().map(read_sum).collect()
    }
}

fn count(row: &SqliteRow, column: &str) -> Result<u64, AccessStoreError> {
    row.try_get::<i64, _>(column).map_err(backend)?.try_into().map_err(backend)
}

fn read_sum(row: &SqliteRow) -> Result<UsedTokens, AccessStoreError> {
    let key: &str = row.try_get("key").map_err(backend)?;
    Ok(UsedTokens { key: key.parse().map_err(backend)?, tokens: count(row, "tokens")? })
}

fn read_row(row: &SqliteRow) -> Result<UsageRow, AccessStoreError> {
    let day: i64 = row.try_get("day").map_err(backend)?;
    let key: &str = row.try_get("key").map_err(backend)?;
    let model: &str = row.try_get("model").map_err(backend)?;
    Ok(UsageRow {
        key: if key.is_empty() { None } else { Some(key.parse().map_err(backend)?) },
        model: model.parse().map_err(backend)?,
        day: UtcDay::from_number(day).ok_or_else(|| backend(MalformedDay(day)))?,
        requests: count(row, "requests")?,
        prompt_tokens: count(row, "prompt_tokens")?,
        answer_tokens: count(row, "answer_tokens")?,
    })
}
