//! Models.

use sqlx::sqlite::SqliteRow;
use yard_registry::{ModelRecord, ServingOptions, StoreError};
use yard_types::ModelName;

use super::stored;
use crate::{
    Database,
    columns::{backend, parsed, text, timestamp},
};

pub(super) async fn all(database: &Database) -> Result<Vec<ModelRecord>, StoreError> {
    let rows = sqlx::query("SELECT name, created_at, serving_json FROM models ORDER BY name")
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    rows.iter().map(record).collect()
}

pub(super) async fn one(database: &Database, name: &ModelName) -> Result<Option<ModelRecord>, StoreError> {
    let row = sqlx::query("SELECT name, created_at, serving_json FROM models WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(database.reader())
        .await
        .map_err(backend)?;
    row.as_ref().map(record).transpose()
}

pub(super) async fn set_serving_options(
    database: &Database,
    name: &ModelName,
    options: &ServingOptions,
) -> Result<(), StoreError> {
    let serving = stored::serving_to_json(options)?;
    let mut transaction = database.write().await.map_err(backend)?;
    let done = sqlx::query("UPDATE models SET serving_json = ? WHERE name = ?")
        .bind(serving)
        .bind(name.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(backend)?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Missing(format!("model '{name}'")));
    }
    transaction.commit().await.map_err(backend)
}

fn record(row: &SqliteRow) -> Result<ModelRecord, StoreError> {
    Ok(ModelRecord {
        name: parsed(row, "name")?,
        created_at: timestamp(row, "created_at")?,
        serving: stored::serving_from_json(text(row, "serving_json")?)?,
    })
}
