//! Uploads and their files.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_jobs::Completion;
use yard_registry::{Actor, FileRecord, StoreError, UploadId, UploadRecord};
use yard_types::{Digest, Timestamp, UploadState, VersionNumber};

use super::{stored, versions};
use crate::{
    Database,
    columns::{backend, optional_version, parsed, signed, text, timestamp, unusable},
    sqlite_jobs,
};

pub(super) async fn insert(database: &Database, upload: &UploadRecord) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    sqlx::query(
        "INSERT INTO uploads (id, model, state, created_at, created_by, failure, version, provenance_json)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(upload.id.to_string())
    .bind(upload.model.as_str())
    .bind(upload.state.as_str())
    .bind(upload.created_at.0)
    .bind(upload.created_by.0.as_str())
    .bind(upload.failure.as_deref())
    .bind(upload.version.map(VersionNumber::get))
    .bind(stored::provenance_to_json(&upload.provenance)?)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    for file in &upload.files {
        insert_file(&mut transaction, upload.id, file).await?;
    }
    transaction.commit().await.map_err(backend)
}

pub(super) async fn one(database: &Database, id: UploadId) -> Result<Option<UploadRecord>, StoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let row = sqlx::query(
        "SELECT id, model, state, created_at, created_by, failure, version, provenance_json
         FROM uploads WHERE id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(&mut *transaction)
    .await
    .map_err(backend)?;
    match row {
        Some(row) => with_files(&mut transaction, &row).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn open(database: &Database) -> Result<Vec<UploadRecord>, StoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let rows = sqlx::query(
        "SELECT id, model, state, created_at, created_by, failure, version, provenance_json
         FROM uploads WHERE state IN ('receiving', 'proving') ORDER BY created_at, id",
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(backend)?;
    let mut uploads = Vec::with_capacity(rows.len());
    for row in &rows {
        uploads.push(with_files(&mut transaction, row).await?);
    }
    Ok(uploads)
}

pub(super) async fn put_file(database: &Database, id: UploadId, file: &FileRecord) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    require_state(&mut transaction, id, &[UploadState::Receiving]).await?;
    insert_file(&mut transaction, id, file).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn begin_proving(database: &Database, id: UploadId) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    change_state(&mut transaction, id, &[UploadState::Receiving], UploadState::Proving, None, None).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn finish(
    database: &Database,
    id: UploadId,
    version: VersionNumber,
    completion: Option<&Completion>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    change_state(&mut transaction, id, &[UploadState::Proving], UploadState::Ready, None, Some(version))
        .await?;
    if let Some(completion) = completion {
        sqlite_jobs::succeed(&mut transaction, completion, version, at).await?;
    }
    transaction.commit().await.map_err(backend)
}

pub(super) async fn fail(database: &Database, id: UploadId, reason: &str) -> Result<(), StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let open = [UploadState::Receiving, UploadState::Proving];
    change_state(&mut transaction, id, &open, UploadState::Failed, Some(reason), None).await?;
    transaction.commit().await.map_err(backend)
}

pub(super) async fn forget(database: &Database, begun_before: Timestamp) -> Result<u64, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    sqlx::query(
        "DELETE FROM upload_files WHERE upload IN
             (SELECT id FROM uploads WHERE state IN ('ready', 'failed') AND created_at < ?)",
    )
    .bind(begun_before.0)
    .execute(&mut *transaction)
    .await
    .map_err(backend)?;
    let done = sqlx::query("DELETE FROM uploads WHERE state IN ('ready', 'failed') AND created_at < ?")
        .bind(begun_before.0)
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    transaction.commit().await.map_err(backend)?;
    Ok(done.rows_affected())
}

pub(super) async fn referenced_digests(database: &Database) -> Result<Vec<Digest>, StoreError> {
    // One statement, hence one state of the database.
    let rows = sqlx::query(
        "SELECT digest FROM version_files
         UNION
         SELECT digest FROM upload_files JOIN uploads ON uploads.id = upload_files.upload
         WHERE uploads.state IN ('receiving', 'proving')
         UNION
         SELECT digest FROM job_inputs JOIN jobs ON jobs.id = job_inputs.job
         WHERE jobs.state IN ('queued', 'running')
         UNION
         SELECT digest FROM data_set_files
         UNION
         SELECT digest FROM data_set_draft_files
         UNION
         SELECT digest FROM batch_files
         UNION
         SELECT input_digest FROM batches WHERE ended_at IS NULL",
    )
    .fetch_all(database.reader())
    .await
    .map_err(backend)?;
    rows.iter().map(|row| parsed(row, "digest")).collect()
}

/// Moves an upload that is in one of the states of `from` on to `to`.
pub(super) async fn change_state(
    connection: &mut SqliteConnection,
    id: UploadId,
    from: &[UploadState],
    to: UploadState,
    failure: Option<&str>,
    version: Option<VersionNumber>,
) -> Result<(), StoreError> {
    require_state(connection, id, from).await?;
    sqlx::query("UPDATE uploads SET state = ?, failure = ?, version = ? WHERE id = ?")
        .bind(to.as_str())
        .bind(failure)
        .bind(version.map(VersionNumber::get))
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(backend)?;
    Ok(())
}

async fn require_state(
    connection: &mut SqliteConnection,
    id: UploadId,
    allowed: &[UploadState],
) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT state FROM uploads WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(backend)?
        .ok_or_else(|| StoreError::Missing(format!("upload {id}")))?;
    let state = upload_state(&row)?;
    if !allowed.contains(&state) {
        return Err(StoreError::Conflict(format!("upload {id} is {}", state.as_str())));
    }
    Ok(())
}

async fn insert_file(
    connection: &mut SqliteConnection,
    id: UploadId,
    file: &FileRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO upload_files (upload, path, digest, size) VALUES (?, ?, ?, ?)
         ON CONFLICT (upload, path) DO UPDATE SET digest = excluded.digest, size = excluded.size",
    )
    .bind(id.to_string())
    .bind(file.path.as_str())
    .bind(file.digest.to_string())
    .bind(signed("size", file.size)?)
    .execute(connection)
    .await
    .map_err(backend)?;
    Ok(())
}

async fn with_files(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<UploadRecord, StoreError> {
    let id: UploadId = parsed(row, "id")?;
    let file_rows = sqlx::query("SELECT path, digest, size FROM upload_files WHERE upload = ?")
        .bind(id.to_string())
        .fetch_all(connection)
        .await
        .map_err(backend)?;
    let mut files: Vec<FileRecord> = file_rows.iter().map(versions::file).collect::<Result<_, _>>()?;
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(UploadRecord {
        id,
        model: parsed(row, "model")?,
        state: upload_state(row)?,
        created_at: timestamp(row, "created_at")?,
        created_by: Actor(text(row, "created_by")?.to_owned()),
        files,
        failure: row.try_get("failure").map_err(backend)?,
        version: optional_version(row, "version")?,
        provenance: stored::provenance_from_json(text(row, "provenance_json")?)?,
    })
}

fn upload_state(row: &SqliteRow) -> Result<UploadState, StoreError> {
    match text(row, "state")? {
        "receiving" => Ok(UploadState::Receiving),
        "proving" => Ok(UploadState::Proving),
        "ready" => Ok(UploadState::Ready),
        "failed" => Ok(UploadState::Failed),
        other => Err(unusable("state", format!("'{other}' is not a state of an upload"))),
    }
}
