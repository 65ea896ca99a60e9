//! Aliases and their moves.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_registry::{Actor, AliasMove, AliasRecord, MoveKind, StoreError};
use yard_types::{AliasName, ModelName, Timestamp, VersionNumber, VersionState};

use super::versions;
use crate::{
    Database,
    columns::{backend, optional_version, parsed, signed, text, timestamp, unsigned, unusable, version},
};

/// A move about to be made.
pub(super) struct Move<'a> {
    pub(super) model: &'a ModelName,
    pub(super) alias: &'a AliasName,
    pub(super) kind: MoveKind,
    pub(super) from: Option<VersionNumber>,
    pub(super) to: Option<VersionNumber>,
    pub(super) at: Timestamp,
    pub(super) by: &'a Actor,
}

pub(super) async fn all(database: &Database) -> Result<Vec<AliasRecord>, StoreError> {
    let rows = sqlx::query("SELECT model, alias, version, moved_at FROM aliases ORDER BY model, alias")
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    rows.iter().map(record).collect()
}

pub(super) async fn of_model(database: &Database, model: &ModelName) -> Result<Vec<AliasRecord>, StoreError> {
    let rows =
        sqlx::query("SELECT model, alias, version, moved_at FROM aliases WHERE model = ? ORDER BY alias")
            .bind(model.as_str())
            .fetch_all(database.reader())
            .await
            .map_err(backend)?;
    rows.iter().map(record).collect()
}

pub(super) async fn one(
    database: &Database,
    model: &ModelName,
    alias: &AliasName,
) -> Result<Option<AliasRecord>, StoreError> {
    let row =
        sqlx::query("SELECT model, alias, version, moved_at FROM aliases WHERE model = ? AND alias = ?")
            .bind(model.as_str())
            .bind(alias.as_str())
            .fetch_optional(database.reader())
            .await
            .map_err(backend)?;
    row.as_ref().map(record).transpose()
}

pub(super) async fn promote(
    database: &Database,
    model: &ModelName,
    alias: &AliasName,
    to: VersionNumber,
    at: Timestamp,
    by: &Actor,
) -> Result<Option<VersionNumber>, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    require_ready(&mut transaction, model, to).await?;
    let from = target(&mut transaction, model, alias).await?;
    if from == Some(to) {
        return Ok(from);
    }
    let step = Move { model, alias, kind: MoveKind::Promotion, from, to: Some(to), at, by };
    apply(&mut transaction, &step).await?;
    transaction.commit().await.map_err(backend)?;
    Ok(from)
}

pub(super) async fn roll_back(
    database: &Database,
    model: &ModelName,
    alias: &AliasName,
    to: VersionNumber,
    newest: u64,
    at: Timestamp,
    by: &Actor,
) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    require_ready(&mut transaction, model, to).await?;
    let from = target(&mut transaction, model, alias).await?.ok_or_else(|| missing(model, alias))?;
    let last = sqlx::query("SELECT max(sequence) AS last FROM alias_moves WHERE model = ? AND alias = ?")
        .bind(model.as_str())
        .bind(alias.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(backend)?;
    let last: Option<i64> = last.try_get("last").map_err(backend)?;
    if last != Some(signed("sequence", newest)?) {
        return Err(StoreError::Conflict(format!("alias '{alias}' of model '{model}' was moved meanwhile")));
    }
    let step = Move { model, alias, kind: MoveKind::Rollback, from: Some(from), to: Some(to), at, by };
    apply(&mut transaction, &step).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn remove(
    database: &Database,
    model: &ModelName,
    alias: &AliasName,
    at: Timestamp,
    by: &Actor,
) -> Result<(), StoreError> {
    if *alias == AliasName::production() {
        return Err(StoreError::Conflict("alias 'production' cannot be removed".to_owned()));
    }
    let mut transaction = database.write().await.map_err(backend)?;
    let from = target(&mut transaction, model, alias).await?.ok_or_else(|| missing(model, alias))?;
    let step = Move { model, alias, kind: MoveKind::Removal, from: Some(from), to: None, at, by };
    apply(&mut transaction, &step).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn moves(
    database: &Database,
    model: &ModelName,
    alias: &AliasName,
    limit: u32,
) -> Result<Vec<AliasMove>, StoreError> {
    let rows = sqlx::query(
        "SELECT sequence, model, alias, kind, from_version, to_version, moved_at, moved_by
         FROM alias_moves WHERE model = ? AND alias = ? ORDER BY sequence DESC LIMIT ?",
    )
    .bind(model.as_str())
    .bind(alias.as_str())
    .bind(limit)
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    rows.iter().map(alias_move).collect()
}

pub(super) async fn moves_of_version(
    database: &Database,
    model: &ModelName,
    version: VersionNumber,
    limit: u32,
) -> Result<Vec<AliasMove>, StoreError> {
    let rows = sqlx::query(
        "SELECT sequence, model, alias, kind, from_version, to_version, moved_at, moved_by
         FROM alias_moves WHERE model = ?1 AND (from_version = ?2 OR to_version = ?2)
         ORDER BY sequence DESC LIMIT ?3",
    )
    .bind(model.as_str())
    .bind(version.get())
    .bind(limit)
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    rows.iter().map(alias_move).collect()
}

/// Where an alias points.
pub(super) async fn target(
    connection: &mut SqliteConnection,
    model: &ModelName,
    alias: &AliasName,
) -> Result<Option<VersionNumber>, StoreError> {
    let row = sqlx::query("SELECT version FROM aliases WHERE model = ? AND alias = ?")
        .bind(model.as_str())
        .bind(alias.as_str())
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    row.as_ref().map(|row| version(row, "version")).transpose()
}

/// Moves an alias and writes the move beside it.
pub(super) async fn apply(connection: &mut SqliteConnection, step: &Move<'_>) -> Result<(), StoreError> {
    let change = match step.to {
        Some(to) => sqlx::query(
            "INSERT INTO aliases (model, alias, version, moved_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, moved_at = excluded.moved_at",
        )
        .bind(step.model.as_str())
        .bind(step.alias.as_str())
        .bind(to.get())
        .bind(step.at.0),
        None => sqlx::query("DELETE FROM aliases WHERE model = ? AND alias = ?")
            .bind(step.model.as_str())
            .bind(step.alias.as_str()),
    };
    change.execute(&mut *connection).await.map_err(backend)?;
    sqlx::query(
        "INSERT INTO alias_moves (model, alias, kind, from_version, to_version, moved_at, moved_by)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(step.model.as_str())
    .bind(step.alias.as_str())
    .bind(step.kind.as_str())
    .bind(step.from.map(VersionNumber::get))
    .bind(step.to.map(VersionNumber::get))
    .bind(step.at.0)
    .bind(step.by.0.as_str())
    .execute(connection)
    .await
    .map_err(backend)?;
    Ok(())
}

async fn require_ready(
    connection: &mut SqliteConnection,
    model: &ModelName,
    number: VersionNumber,
) -> Result<(), StoreError> {
    match versions::state(connection, model, number).await? {
        None => Err(versions::missing(model, number)),
        Some(VersionState::Archived) => {
            Err(StoreError::Conflict(format!("version {number} of model '{model}' is archived")))
        }
        Some(VersionState::Ready) => Ok(()),
    }
}

fn missing(model: &ModelName, alias: &AliasName) -> StoreError {
    StoreError::Missing(format!("alias '{alias}' of model '{model}'"))
}

fn record(row: &SqliteRow) -> Result<AliasRecord, StoreError> {
    Ok(AliasRecord {
        model: parsed(row, "model")?,
        alias: parsed(row, "alias")?,
        version: version(row, "version")?,
        moved_at: timestamp(row, "moved_at")?,
    })
}

fn alias_move(row: &SqliteRow) -> Result<AliasMove, StoreError> {
    let kind = match text(row, "kind")? {
        "promotion" => MoveKind::Promotion,
        "rollback" => MoveKind::Rollback,
        "removal" => MoveKind::Removal,
        other => return Err(unusable("kind", format!("'{other}' is not a kind of move"))),
    };
    Ok(AliasMove {
        sequence: unsigned(row, "sequence")?,
        kind,
        model: parsed(row, "model")?,
        alias: parsed(row, "alias")?,
        from: optional_version(row, "from_version")?,
        to: optional_version(row, "to_version")?,
        at: timestamp(row, "moved_at")?,
        by: Actor(text(row, "moved_by")?.to_owned()),
    })
}
