//! Rows of files and batches, in memory, with a crash where a test wants one.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use yard_types::Timestamp;

use crate::{
    Batch, BatchEnd, BatchId, BatchStatus, BatchStore, BatchStoreError, FileId, FileQuery, LineRecord, Owner,
    Problem, Purpose, StoredFile, Usage,
};

type Outcome<T> = Result<T, BatchStoreError>;

/// Rows in memory, in the order in which they came.
#[derive(Debug, Default)]
pub struct MemoryBatchStore {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    files: Vec<StoredFile>,
    batches: Vec<Batch>,
    lines: BTreeMap<(BatchId, u32), LineRecord>,
    /// Writes until the crash; at 0 it has come, and nothing can be written.
    left: Option<u64>,
    /// Whether the last write before the crash is there afterwards.
    last_is_kept: bool,
}

impl MemoryBatchStore {
    /// The write of this number, counted from 1, fails and all after it do too. Whether it is there afterwards is for the
    /// test to say: a crash can come right before a commit or right after it.
    pub fn crash_at(&self, write: u64, is_kept: bool) {
        let mut rows = self.rows.lock().unwrap();
        (rows.left, rows.last_is_kept) = (Some(write), is_kept);
    }

    /// Whether the crash has come.
    pub fn has_crashed(&self) -> bool {
        self.rows.lock().unwrap().left == Some(0)
    }

    /// Everything works again.
    pub fn mend(&self) {
        self.rows.lock().unwrap().left = None;
    }

    fn write<T>(&self, change: impl FnOnce(&mut Rows) -> Outcome<T>) -> Outcome<T> {
        let mut rows = self.rows.lock().unwrap();
        match rows.left {
            Some(0) => return Err(crashed()),
            Some(1) => {
                rows.left = Some(0);
                if rows.last_is_kept {
                    let _ = change(&mut rows);
                }
                return Err(crashed());
            }
            Some(left) => rows.left = Some(left - 1),
            None => {}
        }
        change(&mut rows)
    }

    fn read<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.rows.lock().unwrap())
    }
}

impl Rows {
    fn usage(&self, owner: &Owner) -> Usage {
        let own = |kept: &&StoredFile| kept.owner == *owner;
        let uploaded =
            self.files.iter().filter(own).filter(|kept| kept.purpose == Purpose::Batch).count() as u64;
        let written: u64 = self.files.iter().filter(own).map(|kept| kept.bytes).sum();
        // Only batches that have not ended have lines.
        let batches: Vec<&BatchId> =
            self.batches.iter().filter(|batch| batch.owner == *owner).map(|batch| &batch.id).collect();
        let lines = self.lines.iter().filter(|(key, _)| batches.contains(&&key.0));
        let answered: u64 = lines.map(|(_, record)| record.bytes()).sum();
        Usage { uploaded, bytes: written + answered }
    }

    fn batch(&mut self, id: &BatchId) -> Outcome<&mut Batch> {
        let found = self.batches.iter_mut().find(|batch| batch.id == *id);
        found.ok_or_else(|| BatchStoreError::Missing(format!("batch {id}")))
    }

    /// The batch, if it may come into this state now; it is not there yet.
    fn moved(&mut self, id: &BatchId, next: BatchStatus) -> Outcome<&mut Batch> {
        let batch = self.batch(id)?;
        if !batch.status.may_become(next) {
            let message = format!("batch {id} is {} and cannot become {next}", batch.status);
            return Err(BatchStoreError::Conflict(message));
        }
        batch.status = next;
        Ok(batch)
    }
}

fn crashed() -> BatchStoreError {
    BatchStoreError::Backend("the crash that the test asked for".into())
}

fn is_there(file: &StoredFile, now: Timestamp) -> bool {
    file.expires_at.is_none_or(|end| now < end)
}

/// What comes after the item of this place.
fn page<T: Clone>(items: &[&T], after: Option<usize>, limit: u32) -> Vec<T> {
    let first = after.map_or(0, |place| place + 1);
    items.iter().skip(first).take(limit as usize).map(|item| T::clone(item)).collect()
}

#[async_trait]
impl BatchStore for MemoryBatchStore {
    async fn insert_file(&self, file: &StoredFile, most: u64, most_bytes: u64) -> Outcome<()> {
        self.write(|rows| {
            let usage = rows.usage(&file.owner);
            if usage.uploaded >= most {
                return Err(BatchStoreError::TooMany(most));
            }
            if usage.bytes.saturating_add(file.bytes) > most_bytes {
                return Err(BatchStoreError::NoRoom(most_bytes));
            }
            rows.files.push(file.clone());
            Ok(())
        })
    }

    async fn usage(&self, owner: &Owner) -> Outcome<Usage> {
        Ok(self.read(|rows| rows.usage(owner)))
    }

    async fn file(&self, owner: &Owner, id: &FileId, now: Timestamp) -> Outcome<Option<StoredFile>> {
        Ok(self.read(|rows| {
            let found = rows.files.iter().find(|file| file.owner == *owner && file.id == *id);
            found.filter(|file| is_there(file, now)).cloned()
        }))
    }

    async fn files(&self, owner: &Owner, query: &FileQuery) -> Outcome<Vec<StoredFile>> {
        self.read(|rows| {
            let mut own: Vec<&StoredFile> = rows
                .files
                .iter()
                .filter(|file| file.owner == *owner && is_there(file, query.now))
                .filter(|file| query.purpose.is_none_or(|purpose| file.purpose == purpose))
                .collect();
            if !query.oldest_first {
                own.reverse();
            }
            let after = match &query.after {
                None => None,
                Some(id) => {
                    let place = own.iter().position(|file| file.id == *id);
                    Some(place.ok_or_else(|| BatchStoreError::Missing(format!("file {id}")))?)
                }
            };
            Ok(page(&own, after, query.limit))
        })
    }

    async fn remove_file(&self, owner: &Owner, id: &FileId) -> Outcome<()> {
        self.write(|rows| {
            let place = rows.files.iter().position(|file| file.owner == *owner && file.id == *id);
            let place = place.ok_or_else(|| BatchStoreError::Missing(format!("file {id}")))?;
            rows.files.remove(place);
            Ok(())
        })
    }

    async fn remove_expired_files(&self, now: Timestamp) -> Outcome<u64> {
        // No write of a batch: a test counts those.
        let mut rows = self.rows.lock().unwrap();
        let before = rows.files.len();
        rows.files.retain(|file| is_there(file, now));
        Ok((before - rows.files.len()) as u64)
    }

    async fn insert_batch(&self, batch: &Batch, most_open: u64, most_ended: u64) -> Outcome<()> {
        self.write(|rows| {
            let own = |kept: &&Batch| kept.owner == batch.owner;
            let open = rows.batches.iter().filter(own).filter(|kept| !kept.status.is_end()).count();
            if open as u64 >= most_open {
                return Err(BatchStoreError::TooMany(most_open));
            }
            let ended: Vec<BatchId> = rows
                .batches
                .iter()
                .filter(own)
                .filter(|kept| kept.status.is_end())
                .map(|kept| kept.id.clone())
                .collect();
            let old = ended.len().saturating_sub(most_ended as usize);
            rows.batches.retain(|kept| !ended[..old].contains(&kept.id));
            rows.batches.push(batch.clone());
            Ok(())
        })
    }

    async fn batch(&self, owner: &Owner, id: &BatchId) -> Outcome<Option<Batch>> {
        Ok(self
            .read(|rows| rows.batches.iter().find(|batch| batch.owner == *owner && batch.id == *id).cloned()))
    }

    async fn batches(&self, owner: &Owner, after: Option<&BatchId>, limit: u32) -> Outcome<Vec<Batch>> {
        self.read(|rows| {
            let own: Vec<&Batch> = rows.batches.iter().rev().filter(|batch| batch.owner == *owner).collect();
            let after = match after {
                None => None,
                Some(id) => {
                    let place = own.iter().position(|batch| batch.id == *id);
                    Some(place.ok_or_else(|| BatchStoreError::Missing(format!("batch {id}")))?)
                }
            };
            Ok(page(&own, after, limit))
        })
    }

    async fn open_batches(&self) -> Outcome<Vec<Batch>> {
        Ok(self.read(|rows| rows.batches.iter().filter(|batch| !batch.status.is_end()).cloned().collect()))
    }

    async fn begin(&self, id: &BatchId, total: u64, at: Timestamp) -> Outcome<()> {
        self.write(|rows| {
            let batch = rows.moved(id, BatchStatus::InProgress)?;
            batch.counts.total = total;
            batch.moments.in_progress = Some(at);
            Ok(())
        })
    }

    async fn fail(&self, id: &BatchId, problems: &[Problem], at: Timestamp) -> Outcome<()> {
        self.write(|rows| {
            let batch = rows.moved(id, BatchStatus::Failed)?;
            batch.problems = problems.to_vec();
            batch.moments.ended = Some(at);
            Ok(())
        })
    }

    async fn put_line(&self, id: &BatchId, line: &LineRecord) -> Outcome<bool> {
        self.write(|rows| {
            let key = (id.clone(), line.line);
            let is_new = !rows.lines.contains_key(&key);
            let batch = rows.batch(id)?;
            if batch.status != BatchStatus::InProgress {
                return Err(BatchStoreError::Conflict(format!("batch {id} is {}", batch.status)));
            }
            if is_new {
                match line.succeeded() {
                    true => batch.counts.completed += 1,
                    false => batch.counts.failed += 1,
                }
                rows.lines.insert(key, line.clone());
            }
            Ok(is_new)
        })
    }

    async fn done_lines(&self, id: &BatchId) -> Outcome<Vec<(u32, bool)>> {
        Ok(self.read(|rows| {
            let own = rows.lines.values().zip(rows.lines.keys()).filter(|(_, key)| key.0 == *id);
            own.map(|(record, _)| (record.line, record.succeeded())).collect()
        }))
    }

    async fn lines(&self, id: &BatchId, succeeded: bool, after: u32, limit: u32) -> Outcome<Vec<LineRecord>> {
        Ok(self.read(|rows| {
            let own = rows.lines.iter().filter(|(key, _)| key.0 == *id && key.1 > after);
            let kind = own.map(|(_, record)| record).filter(|record| record.succeeded() == succeeded);
            kind.take(limit as usize).cloned().collect()
        }))
    }

    async fn begin_finalizing(&self, id: &BatchId, at: Timestamp) -> Outcome<()> {
        self.write(|rows| {
            rows.moved(id, BatchStatus::Finalizing)?.moments.finalizing = Some(at);
            Ok(())
        })
    }

    async fn cancel(&self, owner: &Owner, id: &BatchId, at: Timestamp) -> Outcome<Batch> {
        self.write(|rows| {
            if rows.batch(id)?.owner != *owner {
                return Err(BatchStoreError::Missing(format!("batch {id}")));
            }
            let status = rows.batch(id)?.status;
            match status {
                BatchStatus::Cancelling => {}
                BatchStatus::Validating => {
                    let moments = &mut rows.moved(id, BatchStatus::Cancelled)?.moments;
                    (moments.cancelling, moments.ended) = (Some(at), Some(at));
                }
                _ => rows.moved(id, BatchStatus::Cancelling)?.moments.cancelling = Some(at),
            }
            Ok(rows.batch(id)?.clone())
        })
    }

    async fn finish(&self, id: &BatchId, end: &BatchEnd, at: Timestamp) -> Outcome<()> {
        self.write(|rows| {
            let batch = rows.moved(id, end.status)?;
            batch.moments.ended = Some(at);
            batch.output_file = end.output.as_ref().map(|file| file.id.clone());
            batch.error_file = end.errors.as_ref().map(|file| file.id.clone());
            rows.files.extend([&end.output, &end.errors].into_iter().flatten().cloned());
            rows.lines.retain(|key, _| key.0 != *id);
            Ok(())
        })
    }
}
