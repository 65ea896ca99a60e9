//! What jobs tell.

use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use yard_jobs::{
    Checkpoint, Claim, EventBody, JobEvent, JobId, KEPT_CHECKPOINTS, LogLevel, LogLine, MAX_LOG_LINES,
    MAX_METRICS, Metric, Progress, Report,
};
use yard_registry::StoreError;
use yard_types::Timestamp;

use super::{
    changes::claimed,
    queries::{missing, progress, state},
};
use crate::{
    Database,
    columns::{backend, parsed, signed, text, timestamp, unsigned, unusable},
};

pub(super) async fn record(
    database: &Database,
    claim: &Claim,
    reports: &[Report],
    at: Timestamp,
) -> Result<Vec<JobEvent>, StoreError> {
    let mut transaction = database.write().await.map_err(backend)?;
    let job = claimed(&mut transaction, claim).await?;
    let mut batch = Batch { job: claim.job.to_string(), sequence: job.sequence, at, metrics: None };
    let mut events = Vec::with_capacity(reports.len());
    for report in reports {
        let report = report.clone().bounded();
        if batch.keep(&mut transaction, &report).await? {
            batch.sequence += 1;
            let body = EventBody::Report(report);
            events.push(JobEvent { job: claim.job, sequence: batch.sequence, at, body });
        }
    }
    batch.trim(&mut transaction, &events).await?;
    transaction.commit().await.map_err(backend)?;
    Ok(events)
}

/// What is being written for one job.
struct Batch {
    job: String,
    /// Of the last event.
    sequence: u64,
    at: Timestamp,
    /// How many metrics there are at most, once they were counted.
    metrics: Option<i64>,
}

impl Batch {
    /// Writes a report as the next event; says whether it was kept.
    async fn keep(&mut self, connection: &mut SqliteConnection, report: &Report) -> Result<bool, StoreError> {
        let sequence = signed("sequence", self.sequence + 1)?;
        match report {
            Report::Progress(progress) => self.keep_progress(connection, sequence, progress).await?,
            Report::Metric(metric) => return self.keep_metric(connection, sequence, metric).await,
            Report::Log(line) => {
                sqlx::query("INSERT INTO job_log (job, sequence, at, level, text) VALUES (?, ?, ?, ?, ?)")
                    .bind(&self.job)
                    .bind(sequence)
                    .bind(self.at.0)
                    .bind(line.level.as_str())
                    .bind(&line.text)
                    .execute(connection)
                    .await
                    .map_err(backend)?;
            }
            Report::Checkpoint(checkpoint) => {
                sqlx::query(
                    "INSERT INTO job_checkpoints (job, step, sequence, at, file, bytes) VALUES (?, ?, ?, ?, ?, ?)
                     ON CONFLICT (job, step) DO UPDATE SET sequence = excluded.sequence, at = excluded.at,
                         file = excluded.file, bytes = excluded.bytes",
                )
                .bind(&self.job)
                .bind(signed("step", checkpoint.step)?)
                .bind(sequence)
                .bind(self.at.0)
                .bind(checkpoint.file.as_str())
                .bind(signed("bytes", checkpoint.bytes)?)
                .execute(connection)
                .await
                .map_err(backend)?;
            }
        }
        Ok(true)
    }

    async fn keep_progress(
        &self,
        connection: &mut SqliteConnection,
        sequence: i64,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE jobs SET progress_sequence = ?, progress_at = ?, progress_phase = ?, progress_step = ?,
                 progress_of = ?
             WHERE id = ?",
        )
        .bind(sequence)
        .bind(self.at.0)
        .bind(&progress.phase)
        .bind(signed("progress_step", progress.step)?)
        .bind(progress.of.map(|of| signed("progress_of", of)).transpose()?)
        .bind(&self.job)
        .execute(connection)
        .await
        .map_err(backend)?;
        Ok(())
    }

    async fn keep_metric(
        &mut self,
        connection: &mut SqliteConnection,
        sequence: i64,
        metric: &Metric,
    ) -> Result<bool, StoreError> {
        let count = match self.metrics {
            Some(count) => count,
            None => sqlx::query("SELECT count(*) AS count FROM job_metrics WHERE job = ?")
                .bind(&self.job)
                .fetch_one(&mut *connection)
                .await
                .and_then(|row| row.try_get("count"))
                .map_err(backend)?,
        };
        let room = count < i64::from(MAX_METRICS);
        // Those that are replaced count as new here; the next batch counts again.
        self.metrics = Some(count + i64::from(room));
        let write = if room {
            "INSERT INTO job_metrics (sequence, at, value, job, split, name, step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (job, split, name, step) DO UPDATE SET sequence = ?1, at = ?2, value = ?3"
        } else {
            "UPDATE job_metrics SET sequence = ?1, at = ?2, value = ?3
             WHERE job = ?4 AND split = ?5 AND name = ?6 AND step = ?7"
        };
        let done = sqlx::query(write)
            .bind(sequence)
            .bind(self.at.0)
            .bind(Some(metric.value).filter(|value| !value.is_nan()))
            .bind(&self.job)
            .bind(&metric.split)
            .bind(&metric.name)
            .bind(signed("step", metric.step)?)
            .execute(connection)
            .await
            .map_err(backend)?;
        Ok(done.rows_affected() > 0)
    }

    /// Drops what is beyond the limits, and writes what concerns the job itself.
    async fn trim(&self, connection: &mut SqliteConnection, events: &[JobEvent]) -> Result<(), StoreError> {
        let any = |is: fn(&Report) -> bool| {
            events.iter().any(|event| matches!(&event.body, EventBody::Report(report) if is(report)))
        };
        if any(|report| matches!(report, Report::Log(_))) {
            sqlx::query(
                "DELETE FROM job_log WHERE job = ?1 AND sequence <=
                     (SELECT sequence FROM job_log WHERE job = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)",
            )
            .bind(&self.job)
            .bind(MAX_LOG_LINES)
            .execute(&mut *connection)
            .await
            .map_err(backend)?;
        }
        let got_on = any(|report| matches!(report, Report::Checkpoint(_)));
        if got_on {
            sqlx::query(
                "DELETE FROM job_checkpoints WHERE job = ?1 AND step <=
                     (SELECT step FROM job_checkpoints WHERE job = ?1 ORDER BY step DESC LIMIT 1 OFFSET ?2)",
            )
            .bind(&self.job)
            .bind(KEPT_CHECKPOINTS)
            .execute(&mut *connection)
            .await
            .map_err(backend)?;
        }
        sqlx::query(
            "UPDATE jobs SET sequence = ?1, deaths = iif(?2, 0, deaths), losses = iif(?2, 0, losses) WHERE id = ?3",
        )
        .bind(signed("sequence", self.sequence)?)
        .bind(got_on)
        .bind(&self.job)
        .execute(connection)
        .await
        .map_err(backend)?;
        Ok(())
    }
}

pub(super) async fn events(
    database: &Database,
    id: JobId,
    after: u64,
    limit: u32,
) -> Result<Vec<JobEvent>, StoreError> {
    let mut transaction = database.read().await.map_err(backend)?;
    let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(backend)?
        .ok_or_else(|| missing(id))?;
    let after_signed = i64::try_from(after).unwrap_or(i64::MAX);
    let mut events = Vec::new();
    let changed = unsigned(&row, "state_sequence")?;
    if changed > 0 {
        let body = EventBody::State(state(&row)?);
        events.push(JobEvent { job: id, sequence: changed, at: timestamp(&row, "state_at")?, body });
    }
    if let Some(progress) = progress(&row)? {
        let body = EventBody::Report(Report::Progress(progress));
        let (sequence, at) = (unsigned(&row, "progress_sequence")?, timestamp(&row, "progress_at")?);
        events.push(JobEvent { job: id, sequence, at, body });
    }
    type Read = fn(&SqliteRow) -> Result<Report, StoreError>;
    let tables: [(&'static str, Read); 3] = [
        ("SELECT * FROM job_metrics WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT ?", |row| {
            metric(row).map(Report::Metric)
        }),
        ("SELECT * FROM job_log WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT ?", |row| {
            log_line(row).map(Report::Log)
        }),
        ("SELECT * FROM job_checkpoints WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT ?", |row| {
            checkpoint(row).map(Report::Checkpoint)
        }),
    ];
    for (statement, read) in tables {
        let rows = sqlx::query(statement)
            .bind(id.to_string())
            .bind(after_signed)
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await
            .map_err(backend)?;
        for row in &rows {
            let (sequence, at) = (unsigned(row, "sequence")?, timestamp(row, "at")?);
            events.push(JobEvent { job: id, sequence, at, body: EventBody::Report(read(row)?) });
        }
    }
    events.retain(|event| event.sequence > after);
    events.sort_by_key(|event| event.sequence);
    events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(events)
}

pub(super) async fn metrics(database: &Database, id: JobId) -> Result<Vec<Metric>, StoreError> {
    let rows = sqlx::query("SELECT * FROM job_metrics WHERE job = ? ORDER BY split, name, step")
        .bind(id.to_string())
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    require(database, id, rows.is_empty()).await?;
    rows.iter().map(metric).collect()
}

pub(super) async fn log_lines(
    database: &Database,
    id: JobId,
    limit: u32,
) -> Result<Vec<(Timestamp, LogLine)>, StoreError> {
    let rows = sqlx::query("SELECT * FROM job_log WHERE job = ? ORDER BY sequence DESC LIMIT ?")
        .bind(id.to_string())
        .bind(limit)
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    require(database, id, rows.is_empty()).await?;
    rows.iter().rev().map(|row| Ok((timestamp(row, "at")?, log_line(row)?))).collect()
}

pub(super) async fn checkpoints(database: &Database, id: JobId) -> Result<Vec<Checkpoint>, StoreError> {
    let rows = sqlx::query("SELECT * FROM job_checkpoints WHERE job = ? ORDER BY step")
        .bind(id.to_string())
        .fetch_all(database.reader())
        .await
        .map_err(backend)?;
    require(database, id, rows.is_empty()).await?;
    rows.iter().map(checkpoint).collect()
}

/// Tells a job of which there is nothing from one that is not there.
async fn require(database: &Database, id: JobId, empty: bool) -> Result<(), StoreError> {
    if empty && super::queries::one(database, id).await?.is_none() {
        return Err(missing(id));
    }
    Ok(())
}

fn metric(row: &SqliteRow) -> Result<Metric, StoreError> {
    let value: Option<f64> = row.try_get("value").map_err(backend)?;
    Ok(Metric {
        split: text(row, "split")?.to_owned(),
        name: text(row, "name")?.to_owned(),
        step: unsigned(row, "step")?,
        value: value.unwrap_or(f64::NAN),
    })
}

fn log_line(row: &SqliteRow) -> Result<LogLine, StoreError> {
    let name = text(row, "level")?;
    let level = LogLevel::from_name(name);
    let level = level.ok_or_else(|| unusable("level", format!("'{name}' is not a level")))?;
    Ok(LogLine { level, text: text(row, "text")?.to_owned() })
}

fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        step: unsigned(row, "step")?,
        file: parsed(row, "file")?,
        bytes: unsigned(row, "bytes")?,
    })
}
