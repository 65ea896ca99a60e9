use sqlx::Row;
use yard_registry::StoreError;

use super::*;
use crate::columns::backend;

async fn open() -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(&directory.path().join("t.db"), &DatabaseOptions::default()).await.unwrap();
    (directory, database)
}

async fn pragma(pool: &SqlitePool, text: &'static str) -> String {
    let row = sqlx::query(text).fetch_one(pool).await.unwrap();
    row.try_get::<String, _>(0)
        .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
        .unwrap()
}

#[tokio::test]
async fn every_connection_is_durable_and_checks_references() {
    let (_directory, database) = open().await;
    for pool in [&database.writer, &database.readers] {
        assert_eq!(pragma(pool, "PRAGMA journal_mode").await, "wal");
        assert_eq!(pragma(pool, "PRAGMA synchronous").await, "2", "FULL");
        assert_eq!(pragma(pool, "PRAGMA foreign_keys").await, "1");
    }
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_directory, database) = open().await;
    let text = "INSERT INTO models (name, created_at, next_version, serving_json) VALUES ('m', 0, 1, '{}')";
    let error = sqlx::query(text).execute(database.reader()).await.unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let (_directory, database) = open().await;
    let insert = "INSERT INTO models (name, created_at, next_version, serving_json) VALUES (?, 0, 1, '{}')";
    let mut dropped = database.write().await.unwrap();
    sqlx::query(insert).bind("dropped").execute(&mut *dropped).await.unwrap();
    drop(dropped);
    let mut kept = database.write().await.unwrap();
    sqlx::query(insert).bind("kept").execute(&mut *kept).await.unwrap();
    kept.commit().await.unwrap();
    let names = sqlx::query("SELECT name FROM models").fetch_all(database.reader()).await.unwrap();
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["kept"]);
}

const INSERT: &str = "INSERT INTO models (name, created_at, next_version, serving_json) VALUES (?, 0, 1, ?)";

/// Lets the file grow no more, as on a full disk. It holds for one connection.
async fn fill(database: &Database) {
    let pages = pragma(&database.writer, "PRAGMA page_count").await;
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit).fetch_one(&database.writer).await.unwrap();
}

/// Writes a row that takes many pages.
async fn insert_large(database: &Database, name: &str) -> Result<(), sqlx::Error> {
    let mut transaction = database.write().await?;
    sqlx::query(INSERT).bind(name).bind("x".repeat(100_000)).execute(&mut *transaction).await?;
    transaction.commit().await
}

#[tokio::test]
async fn a_full_disk_refuses_writes_only_as_long_as_it_is_full() {
    let (_directory, database) = open().await;
    insert_large(&database, "before").await.unwrap();
    for _ in 0..3 {
        fill(&database).await;
        let error = backend(insert_large(&database, "lost").await.unwrap_err());
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    }
    insert_large(&database, "after").await.unwrap();
    let names = sqlx::query("SELECT name FROM models ORDER BY name DESC").fetch_all(database.reader()).await;
    let names: Vec<String> = names.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["before", "after"]);
    assert_eq!(pragma(database.reader(), "PRAGMA integrity_check").await, "ok");
}

#[tokio::test]
async fn a_connection_in_good_order_is_kept() {
    let (_directory, database) = open().await;
    // Lives as long as its connection.
    sqlx::query("CREATE TEMP TABLE mark (x)").execute(&database.writer).await.unwrap();
    insert_large(&database, "kept").await.unwrap();
    insert_large(&database, "kept").await.expect_err("the name is taken");
    drop(database.write().await.unwrap());
    assert_eq!(pragma(&database.writer, "SELECT count(*) FROM mark").await, "0");
}

#[tokio::test]
async fn opening_again_applies_nothing_twice() {
    let (directory, database) = open().await;
    database.close().await;
    let path = directory.path().join("t.db");
    let again = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    let applied = pragma(again.reader(), "SELECT count(*) FROM _sqlx_migrations").await;
    assert_eq!(applied, migrations::migrator().iter().count().to_string());
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let (directory, database) = open().await;
    let text = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                VALUES (999999, 'future', 1, x'00', 0)";
    sqlx::query(text).execute(&database.writer).await.unwrap();
    database.close().await;
    let error =
        Database::open(&directory.path().join("t.db"), &DatabaseOptions::default()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Newer { .. }), "{error}");
}
