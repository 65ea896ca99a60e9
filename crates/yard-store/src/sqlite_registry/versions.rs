//! Versions and their files.

use std::collections::HashMap;

use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};
use yard_registry::{Actor, FileRecord, MoveKind, NewVersion, ServingOptions, StoreError, VersionRecord};
use yard_types::{AliasName, Digest, ModelName, Timestamp, UploadState, VersionNumber, VersionState};

use super::{
    aliases::{self, Move},
    stored, uploads,
};
use crate::{
    Database,
    columns::{backend, parsed, signed, text, timestamp, unsigned, unusable, version, version_number},
    sqlite_jobs,
};

pub(super) async fn all(database: &Database, model: &ModelName) -> Result<Vec<VersionRecord>, StoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let rows = sqlx::query(
        "SELECT model, number, state, created_at, created_by, digest, proof_json, provenance_json
         FROM versions WHERE model = ? ORDER BY number",
    )
    .bind(model.as_str())
    .fetch_all(&mut *transaction)
    .await
    .map_err(backend)?;
    let file_rows = sqlx::query("SELECT number, path, digest, size FROM version_files WHERE model = ?")
        .bind(model.as_str())
        .fetch_all(&mut *transaction)
        .await
        .map_err(backend)?;
    let mut files: HashMap<VersionNumber, Vec<FileRecord>> = HashMap::new();
    for row in &file_rows {
        files.entry(version(row, "number")?).or_default().push(file(row)?);
    }
    rows.iter().map(|row| record(row, files.remove(&version(row, "number")?).unwrap_or_default())).collect()
}

pub(super) async fn one(
    database: &Database,
    model: &ModelName,
    number: VersionNumber,
) -> Result<Option<VersionRecord>, StoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let row = sqlx::query(
        "SELECT model, number, state, created_at, created_by, digest, proof_json, provenance_json
         FROM versions WHERE model = ? AND number = ?",
    )
    .bind(model.as_str())
    .bind(number.get())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(backend)?;
    let Some(row) = row else { return Ok(None) };
    let file_rows =
        sqlx::query("SELECT path, digest, size FROM version_files WHERE model = ? AND number = ?")
            .bind(model.as_str())
            .bind(number.get())
            .fetch_all(&mut *transaction)
            .await
            .map_err(backend)?;
    let files = file_rows.iter().map(file).collect::<Result<_, _>>()?;
    record(&row, files).map(Some)
}

pub(super) async fn by_digest(
    database: &Database,
    model: &ModelName,
    digest: &Digest,
) -> Result<Option<VersionNumber>, StoreError> {
    let row = sqlx::query(
        "SELECT max(number) AS number FROM versions WHERE model = ? AND digest = ? AND state = 'ready'",
    )
    .bind(model.as_str())
    .bind(digest.to_string())
    .fetch_one(database.reader())
    .await
    .map_err(backend)?;
    crate::columns::optional_version(&row, "number")
}

pub(super) async fn insert(database: &Database, new: &NewVersion) -> Result<VersionNumber, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let number = take_number(&mut transaction, &new.model, new.created_at).await?;
    sqlx::query(
        "INSERT INTO versions (model, number, state, created_at, created_by, digest, proof_json, provenance_json)
         VALUES (?, ?, 'ready', ?, ?, ?, ?, ?)",
    )
    .bind(new.model.as_str())
    .bind(number.get())
    .bind(new.created_at.0)
    .bind(new.created_by.0.as_str())
    .bind(new.digest.to_string())
    .bind(stored::proof_to_json(&new.proof)?)
    .bind(stored::provenance_to_json(&new.provenance)?)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    for file in &new.files {
        sqlx::query("INSERT INTO version_files (model, number, path, digest, size) VALUES (?, ?, ?, ?, ?)")
            .bind(new.model.as_str())
            .bind(number.get())
            .bind(file.path.as_str())
            .bind(file.digest.to_string())
            .bind(signed("size", file.size)?)
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
    }
    uploads::change_state(
        &mut transaction,
        new.upload,
        &[UploadState::Proving],
        UploadState::Ready,
        None,
        Some(number),
    )
    .await?;
    let production = AliasName::production();
    if aliases::target(&mut transaction, &new.model, &production).await?.is_none() {
        let first = Move {
            model: &new.model,
            alias: &production,
            kind: MoveKind::Promotion,
            from: None,
            to: Some(number),
            at: new.created_at,
            by: &new.created_by,
        };
        aliases::apply(&mut transaction, &first).await?;
    }
    if let Some(completion) = &new.completion {
        sqlite_jobs::succeed(&mut transaction, completion, number, new.created_at).await?;
    }
    transaction.commit().await.map_err(backend)?;
    Ok(number)
}

pub(super) async fn archive(
    database: &Database,
    model: &ModelName,
    number: VersionNumber,
    at: Timestamp,
    by: &Actor,
) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    match state(&mut transaction, model, number).await? {
        None => return Err(missing(model, number)),
        Some(VersionState::Archived) => return Ok(()),
        Some(VersionState::Ready) => {}
    }
    let alias = sqlx::query("SELECT alias FROM aliases WHERE model = ? AND version = ? LIMIT 1")
        .bind(model.as_str())
        .bind(number.get())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(backend)?;
    if let Some(row) = alias {
        let alias = text(&row, "alias")?;
        return Err(StoreError::Conflict(format!(
            "alias '{alias}' points at version {number} of model '{model}': move it first"
        )));
    }
    sqlx::query(
        "UPDATE versions SET state = 'archived', archived_at = ?, archived_by = ? WHERE model = ? AND number = ?",
    )
    .bind(at.0)
    .bind(by.0.as_str())
    .bind(model.as_str())
    .bind(number.get())
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    transaction.commit().await.map_err(backend)
}

/// The state of a version, if there is such a version.
pub(super) async fn state(
    connection: &mut SqliteConnection,
    model: &ModelName,
    number: VersionNumber,
) -> Result<Option<VersionState>, StoreError> {
    let row = sqlx::query("SELECT state FROM versions WHERE model = ? AND number = ?")
        .bind(model.as_str())
        .bind(number.get())
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    row.as_ref().map(version_state).transpose()
}

pub(super) fn missing(model: &ModelName, number: VersionNumber) -> StoreError {
    StoreError::Missing(format!("version {number} of model '{model}'"))
}

/// A file of a version or an upload.
pub(super) fn file(row: &SqliteRow) -> Result<FileRecord, StoreError> {
    Ok(FileRecord {
        path: parsed(row, "path")?,
        digest: parsed(row, "digest")?,
        size: unsigned(row, "size")?,
    })
}

/// Takes the next number of a model, which it makes when it is new.
async fn take_number(
    transaction: &mut Transaction<'static, Sqlite>,
    model: &ModelName,
    now: Timestamp,
) -> Result<VersionNumber, StoreError> {
    sqlx::query("INSERT INTO models (name, created_at, next_version, serving_json) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING")
        .bind(model.as_str())
        .bind(now.0)
        .bind(stored::serving_to_json(&ServingOptions::default())?)
        .execute(&mut **transaction)
        .await
        .map_err(backend)?;
    let row = sqlx::query(
        "UPDATE models SET next_version = next_version + 1 WHERE name = ? RETURNING next_version - 1 AS number",
    )
    .bind(model.as_str())
    .fetch_one(&mut **transaction)
    .await
    .map_err(backend)?;
    version_number("next_version", row.try_get("number").map_err(backend)?)
}

fn record(row: &SqliteRow, mut files: Vec<FileRecord>) -> Result<VersionRecord, StoreError> {
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(VersionRecord {
        model: parsed(row, "model")?,
        number: version(row, "number")?,
        state: version_state(row)?,
        created_at: timestamp(row, "created_at")?,
        created_by: Actor(text(row, "created_by")?.to_owned()),
        digest: parsed(row, "digest")?,
        files,
        proof: stored::proof_from_json(text(row, "proof_json")?)?,
        provenance: stored::provenance_from_json(text(row, "provenance_json")?)?,
    })
}

fn version_state(row: &SqliteRow) -> Result<VersionState, StoreError> {
    match text(row, "state")? {
        "ready" => Ok(VersionState::Ready),
        "archived" => Ok(VersionState::Archived),
        other => Err(unusable("state", format!("'{other}' is not a state of a version"))),
    }
}
