//! Keys in SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use yard_access::{
    AccessStoreError, AllowedModels, KeyId, KeyRecord, KeyStore, ModelPattern, NewAuditEntry, PreviousSecret,
    QueueWeight, RateLimit, Role, SecretHash, StoredKey, TokenBudget,
};
use yard_types::Timestamp;

use super::{audit::insert_entry, backend};
use crate::Database;

/// Keys in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteKeyStore {
    database: Database,
}

/// A row holds what this program never writes.
#[derive(Debug, thiserror::Error)]
#[error("key {id} has {what}")]
struct MalformedRow {
    id: String,
    what: &'static str,
}

impl SqliteKeyStore {
    /// Keeps keys in this database.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl KeyStore for SqliteKeyStore {
    async fn keys(&self) -> Result<Vec<StoredKey>, AccessStoreError> {
        // Both tables as they were at one moment.
        let mut transaction = self.database.read().await.map_err(backend)?;
        let mut patterns = read_patterns(&mut transaction).await?;
        let rows = sqlx::query("SELECT * FROM access_keys ORDER BY created_at, id")
            .fetch_all(&mut *transaction)
            .await
            .map_err(backend)?;
        rows.iter().map(|row| read_key(row, &mut patterns)).collect()
    }

    async fn insert_key(&self, key: &StoredKey, entry: &NewAuditEntry) -> Result<(), AccessStoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        insert_key_row(&mut transaction, key).await?;
        for pattern in key.record.models.patterns() {
            sqlx::query("INSERT INTO access_key_models (key, pattern) VALUES (?, ?)")
                .bind(key.record.id.to_string())
                .bind(pattern.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(backend)?;
        }
        finish(transaction, entry).await
    }

    async fn replace_secret(
        &self,
        id: KeyId,
        secret: &SecretHash,
        previous: Option<&PreviousSecret>,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        require_unrevoked(&mut transaction, id).await?;
        sqlx::query(
            "UPDATE access_keys
             SET secret_sha256 = ?, previous_sha256 = ?, previous_valid_until = ?, rotated_at = ? WHERE id = ?",
        )
        .bind(secret.digest().to_string())
        .bind(previous.map(|previous| previous.hash.digest().to_string()))
        .bind(previous.map(|previous| previous.valid_until.0))
        .bind(at.0)
        .bind(id.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
        finish(transaction, entry).await
    }

    async fn revoke_key(
        &self,
        id: KeyId,
        at: Timestamp,
        entry: &NewAuditEntry,
    ) -> Result<(), AccessStoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        let role = require_unrevoked(&mut transaction, id).await?;
        if role == Role::Admin && !other_admin_is_usable(&mut transaction, id, at).await? {
            return Err(AccessStoreError::LastAdmin(id));
        }
        sqlx::query("UPDATE access_keys SET revoked_at = ? WHERE id = ?")
            .bind(at.0)
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
        finish(transaction, entry).await
    }
}

/// Writes the entry and commits it with the change before it.
async fn finish(
    mut transaction: Transaction<'static, Sqlite>,
    entry: &NewAuditEntry,
) -> Result<(), AccessStoreError> {
    insert_entry(&mut transaction, entry).await.map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

async fn insert_key_row(
    transaction: &mut Transaction<'static, Sqlite>,
    key: &StoredKey,
) -> Result<(), AccessStoreError> {
    let StoredKey { record, secret, previous } = key;
    let tokens = |budget: Option<u64>| budget.map(i64::try_from).transpose().map_err(backend);
    let inserted = sqlx::query(
        "INSERT INTO access_keys (
             id, name, role, all_models, requests_per_minute, burst, created_at, expires_at, rotated_at, revoked_at,
             secret_sha256, previous_sha256, previous_valid_until,
             tokens_per_minute, tokens_per_day, tokens_per_month, tokens_per_request, weight
         ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.id.to_string())
    .bind(&record.name)
    .bind(record.role.as_str())
    .bind(record.models == AllowedModels::All)
    .bind(record.rate.map(|rate| rate.requests_per_minute()))
    .bind(record.rate.map(|rate| rate.burst()))
    .bind(record.created_at.0)
    .bind(record.expires_at.map(|at| at.0))
    .bind(record.rotated_at.map(|at| at.0))
    .bind(record.revoked_at.map(|at| at.0))
    .bind(secret.digest().to_string())
    .bind(previous.map(|previous| previous.hash.digest().to_string()))
    .bind(previous.map(|previous| previous.valid_until.0))
    .bind(tokens(record.budget.tokens_per_minute)?)
    .bind(tokens(record.budget.tokens_per_day)?)
    .bind(tokens(record.budget.tokens_per_month)?)
    .bind(tokens(record.budget.tokens_per_request)?)
    .bind(record.weight.get())
    .execute(&mut **transaction)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(AccessStoreError::Taken(record.id))
        }
        Err(error) => Err(backend(error)),
    }
}

/// The role of a key that is there and was not revoked.
async fn require_unrevoked(
    transaction: &mut Transaction<'static, Sqlite>,
    id: KeyId,
) -> Result<Role, AccessStoreError> {
    let row = sqlx::query("SELECT role, revoked_at FROM access_keys WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(backend)?
        .ok_or(AccessStoreError::Missing(id))?;
    let revoked_at: Option<i64> = row.try_get("revoked_at").map_err(backend)?;
    if revoked_at.is_some() {
        return Err(AccessStoreError::Revoked(id));
    }
    row.try_get::<&str, _>("role").map_err(backend)?.parse().map_err(backend)
}

async fn other_admin_is_usable(
    transaction: &mut Transaction<'static, Sqlite>,
    id: KeyId,
    at: Timestamp,
) -> Result<bool, AccessStoreError> {
    let row = sqlx::query(
        "SELECT EXISTS (
             SELECT 1 FROM access_keys
             WHERE role = 'admin' AND id <> ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
         )",
    )
    .bind(id.to_string())
    .bind(at.0)
    .fetch_one(&mut **transaction)
    .await
    .map_err(backend)?;
    row.try_get(0).map_err(backend)
}

/// The patterns of all keys that have some, by the key's id.
async fn read_patterns(
    transaction: &mut Transaction<'static, Sqlite>,
) -> Result<HashMap<String, Vec<ModelPattern>>, AccessStoreError> {
    let rows = sqlx::query("SELECT key, pattern FROM access_key_models")
        .fetch_all(&mut **transaction)
        .await
        .map_err(backend)?;
    let mut patterns: HashMap<String, Vec<ModelPattern>> = HashMap::new();
    for row in &rows {
        let key = row.try_get("key").map_err(backend)?;
        let pattern: &str = row.try_get("pattern").map_err(backend)?;
        patterns.entry(key).or_default().push(pattern.parse().map_err(backend)?);
    }
    Ok(patterns)
}

fn read_key(
    row: &SqliteRow,
    patterns: &mut HashMap<String, Vec<ModelPattern>>,
) -> Result<StoredKey, AccessStoreError> {
    let id: String = row.try_get("id").map_err(backend)?;
    let malformed = |what| backend(MalformedRow { id: id.clone(), what });
    let moment = |column| {
        Ok::<_, AccessStoreError>(row.try_get::<Option<i64>, _>(column).map_err(backend)?.map(Timestamp))
    };
    let hash = |text: &str| {
        text.parse().map(SecretHash::from_digest).map_err(|_| malformed("a hash that is not SHA-256"))
    };
    let models = match row.try_get("all_models").map_err(backend)? {
        true => AllowedModels::All,
        // Without any pattern it would see nothing; more likely the rows were lost, and that must not pass unnoticed.
        false => AllowedModels::only(patterns.remove(&id).unwrap_or_default()).map_err(backend)?,
    };
    let requests: Option<u32> = row.try_get("requests_per_minute").map_err(backend)?;
    let burst = row.try_get("burst").map_err(backend)?;
    let rate = requests.map(|requests| RateLimit::new(requests, burst)).transpose().map_err(backend)?;
    let tokens = |column| {
        let kept: Option<i64> = row.try_get(column).map_err(backend)?;
        kept.map(u64::try_from).transpose().map_err(backend)
    };
    let budget = TokenBudget {
        tokens_per_minute: tokens("tokens_per_minute")?,
        tokens_per_day: tokens("tokens_per_day")?,
        tokens_per_month: tokens("tokens_per_month")?,
        tokens_per_request: tokens("tokens_per_request")?,
    };
    let previous = match (
        row.try_get::<Option<&str>, _>("previous_sha256").map_err(backend)?,
        moment("previous_valid_until")?,
    ) {
        (Some(text), Some(valid_until)) => Some(PreviousSecret { hash: hash(text)?, valid_until }),
        (None, None) => None,
        _ => return Err(malformed("half of a previous secret")),
    };
    let role: &str = row.try_get("role").map_err(backend)?;
    let record = KeyRecord {
        id: id.parse().map_err(backend)?,
        name: row.try_get("name").map_err(backend)?,
        role: role.parse().map_err(backend)?,
        models,
        rate,
        budget,
        weight: QueueWeight::new(row.try_get("weight").map_err(backend)?).map_err(backend)?,
        created_at: Timestamp(row.try_get("created_at").map_err(backend)?),
        expires_at: moment("expires_at")?,
        rotated_at: moment("rotated_at")?,
        revoked_at: moment("revoked_at")?,
    };
    let secret = hash(row.try_get("secret_sha256").map_err(backend)?)?;
    Ok(StoredKey { record, secret, previous })
}
