//! Data sets and their drafts.

use async_trait::async_trait;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_registry::{
    Actor, DataSetDraft, DataSetRecord, DataSetStore, FileRecord, NewDataSet, StoreError, UploadId,
    package_digest,
};
use yard_types::{ModelName, VersionNumber};

use super::{SqliteRegistryStore, versions};
use crate::columns::{backend, parsed, signed, text, timestamp, unsigned, version, version_number};

#[async_trait]
impl DataSetStore for SqliteRegistryStore {
    async fn data_sets(&self) -> Result<Vec<DataSetRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM data_set_versions AS newest
             WHERE number = (SELECT max(number) FROM data_set_versions WHERE name = newest.name) ORDER BY name",
        )
        .fetch_all(self.database.reader())
        .await
        .map_err(backend)?;
        rows.iter().map(record).collect()
    }

    async fn data_set_versions(&self, name: &ModelName) -> Result<Vec<DataSetRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM data_set_versions WHERE name = ? ORDER BY number")
            .bind(name.as_str())
            .fetch_all(self.database.reader())
            .await
            .map_err(backend)?;
        rows.iter().map(record).collect()
    }

    async fn data_set(
        &self,
        name: &ModelName,
        number: Option<VersionNumber>,
    ) -> Result<Option<DataSetRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM data_set_versions WHERE name = ?1 AND (?2 IS NULL OR number = ?2)
             ORDER BY number DESC LIMIT 1",
        )
        .bind(name.as_str())
        .bind(number.map(VersionNumber::get))
        .fetch_optional(self.database.reader())
        .await
        .map_err(backend)?;
        row.as_ref().map(record).transpose()
    }

    async fn data_set_files(
        &self,
        name: &ModelName,
        number: VersionNumber,
    ) -> Result<Vec<FileRecord>, StoreError> {
        let rows = sqlx::query("SELECT path, digest, size FROM data_set_files WHERE name = ? AND number = ?")
            .bind(name.as_str())
            .bind(number.get())
            .fetch_all(self.database.reader())
            .await
            .map_err(backend)?;
        files(&rows)
    }

    async fn remove_data_set(&self, name: &ModelName, number: VersionNumber) -> Result<(), StoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        sqlx::query("DELETE FROM data_set_files WHERE name = ? AND number = ?")
            .bind(name.as_str())
            .bind(number.get())
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
        let done = sqlx::query("DELETE FROM data_set_versions WHERE name = ? AND number = ?")
            .bind(name.as_str())
            .bind(number.get())
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Missing(format!("data set {name} version {number}")));
        }
        transaction.commit().await.map_err(backend)
    }

    async fn insert_draft(&self, draft: &DataSetDraft) -> Result<(), StoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        sqlx::query("INSERT INTO data_set_drafts (id, name, created_at, created_by) VALUES (?, ?, ?, ?)")
            .bind(draft.id.to_string())
            .bind(draft.name.as_str())
            .bind(draft.created_at.0)
            .bind(draft.created_by.0.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(backend)?;
        transaction.commit().await.map_err(backend)
    }

    async fn drafts(&self) -> Result<Vec<DataSetDraft>, StoreError> {
        let rows = sqlx::query("SELECT * FROM data_set_drafts ORDER BY created_at, id")
            .fetch_all(self.database.reader())
            .await
            .map_err(backend)?;
        rows.iter().map(draft).collect()
    }

    async fn draft(&self, id: UploadId) -> Result<Option<DataSetDraft>, StoreError> {
        let mut connection = self.database.reader().acquire().await.map_err(backend)?;
        find_draft(&mut connection, id).await
    }

    async fn draft_files(&self, id: UploadId) -> Result<Vec<FileRecord>, StoreError> {
        let mut connection = self.database.reader().acquire().await.map_err(backend)?;
        files_of_draft(&mut connection, id).await
    }

    async fn put_draft_file(&self, id: UploadId, file: &FileRecord) -> Result<(), StoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        let before = sqlx::query("SELECT size FROM data_set_draft_files WHERE draft = ? AND path = ?")
            .bind(id.to_string())
            .bind(file.path.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(backend)?;
        let replaced = before.as_ref().map(|row| unsigned(row, "size")).transpose()?;
        let done =
            sqlx::query("UPDATE data_set_drafts SET files = files + ?, bytes = bytes + ? - ? WHERE id = ?")
                .bind(i64::from(replaced.is_none()))
                .bind(signed("size", file.size)?)
                .bind(signed("size", replaced.unwrap_or(0))?)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(backend)?;
        if done.rows_affected() == 0 {
            return Err(missing(id));
        }
        sqlx::query(
            "INSERT INTO data_set_draft_files (draft, path, digest, size) VALUES (?, ?, ?, ?)
             ON CONFLICT (draft, path) DO UPDATE SET digest = excluded.digest, size = excluded.size",
        )
        .bind(id.to_string())
        .bind(file.path.as_str())
        .bind(file.digest.to_string())
        .bind(signed("size", file.size)?)
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
        transaction.commit().await.map_err(backend)
    }

    async fn remove_draft(&self, id: UploadId) -> Result<(), StoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        delete_draft(&mut transaction, id).await?;
        transaction.commit().await.map_err(backend)
    }

    async fn insert_data_set(&self, new: &NewDataSet) -> Result<VersionNumber, StoreError> {
        let mut transaction = self.database.write().await.map_err(backend)?;
        let draft = find_draft(&mut transaction, new.draft).await?.ok_or_else(|| missing(new.draft))?;
        if package_digest(&files_of_draft(&mut transaction, new.draft).await?) != new.digest {
            return Err(StoreError::Conflict("a file of the data set came in meanwhile".to_owned()));
        }
        let number = take_number(&mut transaction, new, &draft).await?;
        sqlx::query(
            "INSERT INTO data_set_versions (name, number, created_at, created_by, digest, files, bytes, schema, statistics)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(draft.name.as_str())
        .bind(number.get())
        .bind(new.created_at.0)
        .bind(draft.created_by.0.as_str())
        .bind(new.digest.to_string())
        .bind(signed("files", draft.files)?)
        .bind(signed("bytes", draft.bytes)?)
        .bind(new.schema.as_str())
        .bind(new.statistics.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
        sqlx::query(
            "INSERT INTO data_set_files (name, number, path, digest, size)
             SELECT ?, ?, path, digest, size FROM data_set_draft_files WHERE draft = ?",
        )
        .bind(draft.name.as_str())
        .bind(number.get())
        .bind(new.draft.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
        delete_draft(&mut transaction, new.draft).await?;
        transaction.commit().await.map_err(backend)?;
        Ok(number)
    }
}

/// Takes the next number of a data set, which it makes when it is new.
async fn take_number(
    connection: &mut SqliteConnection,
    new: &NewDataSet,
    draft: &DataSetDraft,
) -> Result<VersionNumber, StoreError> {
    sqlx::query(
        "INSERT INTO data_sets (name, created_at, next_version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING",
    )
    .bind(draft.name.as_str())
    .bind(new.created_at.0)
    .execute(&mut *connection)
    .await
    .map_err(backend)?;
    let row = sqlx::query(
        "UPDATE data_sets SET next_version = next_version + 1 WHERE name = ? RETURNING next_version - 1 AS number",
    )
    .bind(draft.name.as_str())
    .fetch_one(connection)
    .await
    .map_err(backend)?;
    version_number("next_version", row.try_get("number").map_err(backend)?)
}

async fn find_draft(
    connection: &mut SqliteConnection,
    id: UploadId,
) -> Result<Option<DataSetDraft>, StoreError> {
    let row = sqlx::query("SELECT * FROM data_set_drafts WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(backend)?;
    row.as_ref().map(draft).transpose()
}

async fn files_of_draft(
    connection: &mut SqliteConnection,
    id: UploadId,
) -> Result<Vec<FileRecord>, StoreError> {
    let rows = sqlx::query("SELECT path, digest, size FROM data_set_draft_files WHERE draft = ?")
        .bind(id.to_string())
        .fetch_all(connection)
        .await
        .map_err(backend)?;
    files(&rows)
}

async fn delete_draft(connection: &mut SqliteConnection, id: UploadId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM data_set_draft_files WHERE draft = ?")
        .bind(id.to_string())
        .execute(&mut *connection)
        .await
        .map_err(backend)?;
    let done = sqlx::query("DELETE FROM data_set_drafts WHERE id = ?")
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(backend)?;
    if done.rows_affected() == 0 { Err(missing(id)) } else { Ok(()) }
}

fn missing(id: UploadId) -> StoreError {
    StoreError::Missing(format!("draft {id}"))
}

fn files(rows: &[SqliteRow]) -> Result<Vec<FileRecord>, StoreError> {
    let mut files: Vec<FileRecord> = rows.iter().map(versions::file).collect::<Result<_, _>>()?;
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

fn draft(row: &SqliteRow) -> Result<DataSetDraft, StoreError> {
    Ok(DataSetDraft {
        id: parsed(row, "id")?,
        name: parsed(row, "name")?,
        created_at: timestamp(row, "created_at")?,
        created_by: Actor(text(row, "created_by")?.to_owned()),
        files: unsigned(row, "files")?,
        bytes: unsigned(row, "bytes")?,
    })
}

fn record(row: &SqliteRow) -> Result<DataSetRecord, StoreError> {
    Ok(DataSetRecord {
        name: parsed(row, "name")?,
        number: version(row, "number")?,
        created_at: timestamp(row, "created_at")?,
        created_by: Actor(text(row, "created_by")?.to_owned()),
        digest: parsed(row, "digest")?,
        files: unsigned(row, "files")?,
        bytes: unsigned(row, "bytes")?,
        schema: text(row, "schema")?.to_owned(),
        statistics: text(row, "statistics")?.to_owned(),
    })
}
