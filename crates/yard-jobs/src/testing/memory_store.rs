//! Rows in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use yard_types::{Digest, Timestamp, VersionNumber};

use crate::{
    Checkpoint, Claim, Completion, Ending, EventBody, HolderId, Job, JobEvent, JobId, JobKind, JobQuery,
    JobResult, JobState, JobStore, JobStoreError, KEPT_CHECKPOINTS, Lease, LogLine, MAX_LOG_LINES,
    MAX_METRICS, Metric, Progress, Report, Setback, Setbacks,
};

/// A store that forgets everything when it is dropped. Other crates test against it; it passes the store suite.
#[derive(Debug, Default)]
pub struct MemoryJobStore {
    rows: Mutex<BTreeMap<JobId, Row>>,
    faults: AtomicU32,
}

/// What was told, by its place among the events and its moment.
type Told<T> = (u64, Timestamp, T);

#[derive(Debug)]
struct Row {
    job: Job,
    state: Option<Told<JobState>>,
    progress: Option<Told<Progress>>,
    metrics: BTreeMap<(String, String, u64), Told<Metric>>,
    log: VecDeque<Told<LogLine>>,
    checkpoints: BTreeMap<u64, Told<Checkpoint>>,
}

impl Row {
    fn next_sequence(&mut self) -> u64 {
        self.job.sequence += 1;
        self.job.sequence
    }

    fn become_state(&mut self, state: JobState, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        if !self.job.state.may_become(state) {
            return Err(conflict(&self.job));
        }
        self.job.state = state;
        if state.is_final() {
            self.job.ended_at = Some(at);
        }
        if state != JobState::Running {
            self.job.lease = None;
        }
        let sequence = self.next_sequence();
        self.state = Some((sequence, at, state));
        Ok(JobEvent { job: self.job.id, sequence, at, body: EventBody::State(state) })
    }

    fn end(&mut self, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        let event = self.become_state(ending.state(), at)?;
        match ending {
            Ending::Succeeded(summary) => {
                self.job.result = Some(JobResult { version: None, summary: summary.clone() });
            }
            Ending::Failed(failure) => self.job.failure = Some(failure.clone()),
            Ending::Cancelled => {}
        }
        Ok(event)
    }

    fn keep(&mut self, report: Report, at: Timestamp) -> Option<JobEvent> {
        let sequence = self.job.sequence + 1;
        match report.clone() {
            Report::Progress(progress) => {
                self.job.progress = Some(progress.clone());
                self.progress = Some((sequence, at, progress));
            }
            Report::Metric(metric) => {
                let key = (metric.split.clone(), metric.name.clone(), metric.step);
                if self.metrics.len() >= MAX_METRICS as usize && !self.metrics.contains_key(&key) {
                    return None;
                }
                self.metrics.insert(key, (sequence, at, metric));
            }
            Report::Log(line) => {
                self.log.push_back((sequence, at, line));
                if self.log.len() > MAX_LOG_LINES as usize {
                    self.log.pop_front();
                }
            }
            Report::Checkpoint(checkpoint) => {
                self.checkpoints.insert(checkpoint.step, (sequence, at, checkpoint));
                if self.checkpoints.len() > KEPT_CHECKPOINTS as usize {
                    self.checkpoints.pop_first();
                }
                self.job.setbacks = Setbacks::default();
            }
        }
        self.job.sequence = sequence;
        Some(JobEvent { job: self.job.id, sequence, at, body: EventBody::Report(report) })
    }

    fn events(&self) -> Vec<JobEvent> {
        let event = |sequence: &u64, at: &Timestamp, body| JobEvent {
            job: self.job.id,
            sequence: *sequence,
            at: *at,
            body,
        };
        let mut events = Vec::new();
        events.extend(
            self.state.iter().map(|(sequence, at, state)| event(sequence, at, EventBody::State(*state))),
        );
        let mut add = |sequence, at, report| events.push(event(sequence, at, EventBody::Report(report)));
        self.progress.iter().for_each(|(sequence, at, it)| add(sequence, at, Report::Progress(it.clone())));
        self.metrics.values().for_each(|(sequence, at, it)| add(sequence, at, Report::Metric(it.clone())));
        self.log.iter().for_each(|(sequence, at, it)| add(sequence, at, Report::Log(it.clone())));
        self.checkpoints
            .values()
            .for_each(|(sequence, at, it)| add(sequence, at, Report::Checkpoint(it.clone())));
        events.sort_by_key(|event| event.sequence);
        events
    }
}

impl MemoryJobStore {
    /// Lets the next calls fail, so many.
    pub fn fail_calls(&self, count: u32) {
        self.faults.store(count, Ordering::SeqCst);
    }

    /// Ends a running job with a version: what a store of versions does in the transaction that writes it.
    pub fn succeed(
        &self,
        completion: &Completion,
        version: VersionNumber,
        at: Timestamp,
    ) -> Result<JobEvent, JobStoreError> {
        let mut rows = self.rows()?;
        let row = claimed(&mut rows, &completion.claim)?;
        refuse_cancelled(&row.job)?;
        let event = row.become_state(JobState::Succeeded, at)?;
        row.job.result = Some(JobResult { version: Some(version), summary: completion.summary.clone() });
        Ok(event)
    }

    /// What queued and running jobs read.
    pub fn inputs_in_use(&self) -> Vec<Digest> {
        let rows = self.rows.lock().unwrap();
        let unfinished = rows.values().filter(|row| !row.job.state.is_final());
        unfinished.flat_map(|row| row.job.inputs.iter().copied()).collect()
    }

    fn rows(&self) -> Result<MutexGuard<'_, BTreeMap<JobId, Row>>, JobStoreError> {
        let left = self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(JobStoreError::Backend("asked to fail".into())),
            Err(_) => Ok(self.rows.lock().unwrap()),
        }
    }
}

fn row(rows: &mut BTreeMap<JobId, Row>, id: JobId) -> Result<&mut Row, JobStoreError> {
    rows.get_mut(&id).ok_or_else(|| JobStoreError::Missing(format!("job {id}")))
}

fn claimed<'rows>(
    rows: &'rows mut BTreeMap<JobId, Row>,
    claim: &Claim,
) -> Result<&'rows mut Row, JobStoreError> {
    let row = row(rows, claim.job)?;
    if row.job.state != JobState::Running || row.job.claim() != Some(*claim) {
        return Err(conflict(&row.job));
    }
    Ok(row)
}

fn refuse_cancelled(job: &Job) -> Result<(), JobStoreError> {
    if job.cancel_requested {
        return Err(JobStoreError::Conflict(format!("job {} was called off", job.id)));
    }
    Ok(())
}

fn conflict(job: &Job) -> JobStoreError {
    JobStoreError::Conflict(format!("job {} is {}", job.id, job.state))
}

#[async_trait]
impl JobStore for MemoryJobStore {
    async fn insert(&self, job: &Job) -> Result<(), JobStoreError> {
        let mut rows = self.rows()?;
        let taken = |row: &Row| {
            row.job.id == job.id || matches!(job.kind, JobKind::Trial { .. }) && row.job.kind == job.kind
        };
        let searched = job.search().is_none_or(|search| {
            rows.get(&search)
                .is_some_and(|row| row.job.state == JobState::Running && row.job.kind == JobKind::Search)
        });
        if rows.values().any(taken) || !searched {
            return Err(JobStoreError::Conflict(format!("job {} cannot be written", job.id)));
        }
        let row = Row {
            job: job.clone(),
            state: None,
            progress: None,
            metrics: BTreeMap::new(),
            log: VecDeque::new(),
            checkpoints: BTreeMap::new(),
        };
        rows.insert(job.id, row);
        Ok(())
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, JobStoreError> {
        Ok(self.rows()?.get(&id).map(|row| row.job.clone()))
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, JobStoreError> {
        let rows = self.rows()?;
        let mut jobs: Vec<Job> = rows
            .values()
            .map(|row| &row.job)
            .filter(|job| job.search() == query.search)
            .filter(|job| query.state.is_none_or(|state| job.state == state))
            .filter(|job| query.after.is_none_or(|after| (job.created_at, job.id) < after))
            .cloned()
            .collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        jobs.truncate(query.limit as usize);
        Ok(jobs)
    }

    async fn active(&self) -> Result<Vec<Job>, JobStoreError> {
        let rows = self.rows()?;
        let mut jobs: Vec<Job> =
            rows.values().map(|row| &row.job).filter(|job| !job.state.is_final()).cloned().collect();
        jobs.sort_by_key(|job| (job.created_at, job.id));
        Ok(jobs)
    }

    async fn trials(&self, search: JobId) -> Result<Vec<Job>, JobStoreError> {
        let rows = self.rows()?;
        let mut jobs: Vec<Job> =
            rows.values().map(|row| &row.job).filter(|job| job.search() == Some(search)).cloned().collect();
        jobs.sort_by_key(|job| match job.kind {
            JobKind::Trial { number, .. } => number,
            JobKind::Train | JobKind::Search => 0,
        });
        Ok(jobs)
    }

    async fn start(&self, id: JobId, lease: &Lease, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        let mut rows = self.rows()?;
        let row = row(&mut rows, id)?;
        let event = row.become_state(JobState::Running, at)?;
        row.job.attempt += 1;
        row.job.lease = Some(*lease);
        row.job.started_at = row.job.started_at.or(Some(at));
        Ok(event)
    }

    async fn renew(&self, holder: HolderId, expires_at: Timestamp) -> Result<Vec<JobId>, JobStoreError> {
        let mut rows = self.rows()?;
        let mut held = Vec::new();
        for row in rows.values_mut() {
            if let Some(lease) = row.job.lease.as_mut().filter(|lease| lease.holder == holder) {
                lease.expires_at = expires_at;
                held.push(row.job.id);
            }
        }
        Ok(held)
    }

    async fn requeue(
        &self,
        claim: &Claim,
        setback: Option<Setback>,
        at: Timestamp,
    ) -> Result<JobEvent, JobStoreError> {
        let mut rows = self.rows()?;
        let row = claimed(&mut rows, claim)?;
        refuse_cancelled(&row.job)?;
        let event = row.become_state(JobState::Queued, at)?;
        if let Some(setback) = setback {
            row.job.setbacks = row.job.setbacks.and(setback);
        }
        Ok(event)
    }

    async fn finish(&self, claim: &Claim, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        let mut rows = self.rows()?;
        let row = claimed(&mut rows, claim)?;
        if matches!(ending, Ending::Succeeded(_)) {
            refuse_cancelled(&row.job)?;
        }
        row.end(ending, at)
    }

    async fn end_queued(&self, id: JobId, ending: &Ending, at: Timestamp) -> Result<JobEvent, JobStoreError> {
        let mut rows = self.rows()?;
        let row = row(&mut rows, id)?;
        if row.job.state != JobState::Queued {
            return Err(conflict(&row.job));
        }
        row.end(ending, at)
    }

    async fn request_cancel(&self, id: JobId) -> Result<(), JobStoreError> {
        let mut rows = self.rows()?;
        let row = row(&mut rows, id)?;
        if row.job.state != JobState::Running {
            return Err(conflict(&row.job));
        }
        row.job.cancel_requested = true;
        Ok(())
    }

    async fn record(
        &self,
        claim: &Claim,
        reports: &[Report],
        at: Timestamp,
    ) -> Result<Vec<JobEvent>, JobStoreError> {
        let mut rows = self.rows()?;
        let row = claimed(&mut rows, claim)?;
        Ok(reports.iter().filter_map(|report| row.keep(report.clone().bounded(), at)).collect())
    }

    async fn events(&self, id: JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>, JobStoreError> {
        let mut rows = self.rows()?;
        let events = row(&mut rows, id)?.events();
        Ok(events.into_iter().filter(|event| event.sequence > after).take(limit as usize).collect())
    }

    async fn metrics(&self, id: JobId) -> Result<Vec<Metric>, JobStoreError> {
        let mut rows = self.rows()?;
        Ok(row(&mut rows, id)?.metrics.values().map(|(_, _, metric)| metric.clone()).collect())
    }

    async fn log_lines(&self, id: JobId, limit: u32) -> Result<Vec<(Timestamp, LogLine)>, JobStoreError> {
        let mut rows = self.rows()?;
        let log = &row(&mut rows, id)?.log;
        let skipped = log.len().saturating_sub(limit as usize);
        Ok(log.iter().skip(skipped).map(|(_, at, line)| (*at, line.clone())).collect())
    }

    async fn checkpoints(&self, id: JobId) -> Result<Vec<Checkpoint>, JobStoreError> {
        let mut rows = self.rows()?;
        let checkpoints = &row(&mut rows, id)?.checkpoints;
        Ok(checkpoints.values().map(|(_, _, checkpoint)| checkpoint.clone()).collect())
    }

    async fn forget(&self, ended_before: Timestamp) -> Result<Vec<JobId>, JobStoreError> {
        let mut rows = self.rows()?;
        let old = |id: &JobId| {
            rows.get(id).is_some_and(|row| row.job.ended_at.is_some_and(|ended| ended < ended_before))
        };
        let forgotten: Vec<JobId> = rows
            .values()
            .map(|row| &row.job)
            .filter(|job| job.state.is_final() && old(&job.search().unwrap_or(job.id)))
            .map(|job| job.id)
            .collect();
        for id in &forgotten {
            rows.remove(id);
        }
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    crate::job_store_suite!(async { (Arc::new(MemoryJobStore::default()) as Arc<dyn JobStore>, ()) });
}
