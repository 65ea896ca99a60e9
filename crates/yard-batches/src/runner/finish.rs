//! The files that a batch leaves, and its end.

use std::{
    collections::{HashSet, VecDeque},
    io,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::stream;

use super::{Work, validate::parsed};
use crate::{
    Batch, BatchEnd, BatchError, BatchId, BatchStatus, BatchStore, BatchStoreError, ByteStream, Endpoint,
    FileId, LineRecord, Purpose, StagedContent, StoredFile,
    lines::Lines,
    written::{answered, not_done},
};

/// Outcomes read at once. Each may be large.
const PAGE: u32 = 16;

impl Work {
    /// Writes the files of a batch, in the order of its input, and ends it.
    pub(super) async fn finish(&self, batch: &Batch) -> Result<(), BatchError> {
        let (store, contents) = (&self.shared.store, &self.shared.contents);
        let done = store.done_lines(&batch.id).await?;
        let status = ending(batch, done.len() as u64);
        let is_whole = done.len() as u64 >= batch.counts.total;
        let outcomes = |succeeded| Outcomes::new(Arc::clone(store), batch.id.clone(), succeeded);

        let output = if done.iter().any(|(_, succeeded)| *succeeded) {
            Some(contents.stage(answers(outcomes(true)), u64::MAX).await?)
        } else {
            None
        };
        let errors = if !is_whole {
            let (_, content) = contents.read(&batch.input_digest).await?;
            let rest = Rest {
                lines: Lines::new(content, self.shared.options.max_line_bytes),
                failed: outcomes(false),
                done: done.into_iter().collect(),
                batch: batch.id.clone(),
                endpoint: batch.endpoint,
                status,
            };
            Some(contents.stage(rest.stream(), u64::MAX).await?)
        } else if done.iter().any(|(_, succeeded)| !succeeded) {
            Some(contents.stage(answers(outcomes(false)), u64::MAX).await?)
        } else {
            None
        };

        let now = self.shared.clock.now();
        let file = |staged: &Option<Box<dyn StagedContent>>, kind: &str| -> Result<_, BatchError> {
            let Some(staged) = staged else { return Ok(None) };
            Ok(Some(StoredFile {
                id: FileId::random().map_err(BatchError::Random)?,
                owner: batch.owner.clone(),
                purpose: Purpose::BatchOutput,
                name: format!("{}_{kind}.jsonl", batch.id),
                digest: staged.digest(),
                bytes: staged.bytes(),
                created_at: now,
                expires_at: None,
            }))
        };
        let end = BatchEnd { status, output: file(&output, "output")?, errors: file(&errors, "error")? };
        let _nothing_is_deleted = contents.hold().await;
        for staged in [output, errors].into_iter().flatten() {
            staged.publish().await?;
        }
        store.finish(&batch.id, &end, now).await?;
        tracing::info!(batch = %batch.id, %status, "a batch has ended");
        Ok(())
    }
}

/// How a batch ends of which so many lines have an outcome.
fn ending(batch: &Batch, done: u64) -> BatchStatus {
    match batch.status {
        BatchStatus::Cancelling => BatchStatus::Cancelled,
        _ if done >= batch.counts.total => BatchStatus::Completed,
        _ => BatchStatus::Expired,
    }
}

/// Outcomes of one kind, in order, read page by page.
struct Outcomes {
    store: Arc<dyn BatchStore>,
    batch: BatchId,
    succeeded: bool,
    page: VecDeque<LineRecord>,
    last: u32,
    at_end: bool,
}

impl Outcomes {
    fn new(store: Arc<dyn BatchStore>, batch: BatchId, succeeded: bool) -> Self {
        Self { store, batch, succeeded, page: VecDeque::new(), last: 0, at_end: false }
    }

    /// The next one, which stays the next one.
    async fn peek(&mut self) -> Result<Option<&LineRecord>, BatchStoreError> {
        if self.page.is_empty() && !self.at_end {
            let page = self.store.lines(&self.batch, self.succeeded, self.last, PAGE).await?;
            self.at_end = page.len() < PAGE as usize;
            self.last = page.last().map_or(self.last, |record| record.line);
            self.page = page.into();
        }
        Ok(self.page.front())
    }

    async fn next(&mut self) -> Result<Option<LineRecord>, BatchStoreError> {
        self.peek().await?;
        Ok(self.page.pop_front())
    }
}

/// A file of outcomes.
fn answers(outcomes: Outcomes) -> ByteStream {
    Box::pin(stream::unfold(outcomes, |mut outcomes| async move {
        match outcomes.next().await {
            Ok(Some(record)) => Some((Ok(Bytes::from(answered(&outcomes.batch, &record))), outcomes)),
            Ok(None) => None,
            Err(error) => Some((Err(io::Error::other(error)), outcomes)),
        }
    }))
}

/// A file of what failed and of what was not done, in the order of the input.
struct Rest {
    lines: Lines,
    failed: Outcomes,
    done: HashSet<(u32, bool)>,
    batch: BatchId,
    endpoint: Endpoint,
    status: BatchStatus,
}

impl Rest {
    fn stream(self) -> ByteStream {
        Box::pin(stream::unfold(self, |mut rest| async move {
            match rest.next().await {
                Ok(Some(line)) => Some((Ok(Bytes::from(line)), rest)),
                Ok(None) => None,
                Err(error) => Some((Err(error), rest)),
            }
        }))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, io::Error> {
        while let Some(line) = self.lines.next().await.map_err(io::Error::other)? {
            let number = line.number;
            if self.done.contains(&(number, true)) {
                continue;
            }
            if self.done.contains(&(number, false)) {
                match self.failed.next().await.map_err(io::Error::other)? {
                    Some(record) => return Ok(Some(answered(&self.batch, &record))),
                    None => continue,
                }
            }
            let custom_id = parsed(line, self.endpoint).await.map(|line| line.custom_id).unwrap_or_default();
            return Ok(Some(not_done(&self.batch, number, &custom_id, self.status)));
        }
        Ok(None)
    }
}
