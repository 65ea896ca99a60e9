//! The one SQLite database of a data directory.

mod migrations;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection as _, Sqlite, SqlitePool, Transaction,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// How long a statement waits for a lock that another process holds (a backup, an operator's shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection before it is told that the database is overloaded.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The database: one connection that writes and a few that read, so that a reader never waits for a writer (WAL) and
/// writers queue in the process instead of failing with "database is locked".
///
/// Cheap to clone. Stores share it; each has its own tables.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// How a [`Database`] is opened.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// Connections for reading. Default: 4.
    pub readers: u32,
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It holds migrations that this program does not know.
    #[error("the database at {} was written by a newer version of Modelyard: use that version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// A migration failed, or one that was applied differs from ours.
    #[error("the database at {} cannot be brought up to date", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: MigrateError,
    },
    /// It cannot be opened.
    #[error("the database at {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self { readers: 4 }
    }
}

impl Database {
    /// Opens the database, making it when it is missing, and brings its tables up to date.
    pub async fn open(path: &Path, options: &DatabaseOptions) -> Result<Self, DatabaseError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was acknowledged survives a power cut, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let failed = |source| DatabaseError::Open { path: path.to_owned(), source };
        let writer = pool(1).connect_with(connect.clone()).await.map_err(failed)?;
        migrations::migrator().run(&writer).await.map_err(|source| match source {
            MigrateError::VersionMissing(_) => DatabaseError::Newer { path: path.to_owned() },
            source => DatabaseError::Migration { path: path.to_owned(), source },
        })?;
        // Not `SQLITE_OPEN_READONLY`: in WAL mode a reader may have to make the shared-memory file.
        let read_only = connect.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool(options.readers.max(1)).connect_with(read_only).await.map_err(failed)?;
        Ok(Self { writer, readers })
    }

    /// For statements that read. Writing through it fails.
    pub fn reader(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins a transaction that writes; it waits its turn. Dropping it before `commit` undoes it.
    ///
    /// It takes the write lock at once: a transaction that begins by reading and turns to writing later could fail
    /// halfway because another connection wrote in between.
    pub async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Begins a transaction in which several statements see one state of the database.
    pub async fn read(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.readers.begin().await
    }

    /// Closes all connections; the write-ahead log is folded into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Connections to a local file do not go stale.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // On some errors, a full disk among them, SQLite ends the transaction by itself. The rollback that follows then
        // fails, and the connection is counted as inside a transaction for good: no other could begin on it. A
        // connection that comes back in such a state is closed, and the next caller gets a new one.
        .after_release(|connection, _| {
            Box::pin(async move {
                // Answered only after the rollback of a transaction that was dropped, which may still be in the queue.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

#[cfg(test)]
mod tests;
