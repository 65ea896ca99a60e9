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
    Batch, BatchEnd, BatchError, BatchId, BatchStatus, BatchStore, BatchStoreError, ByteStream, ContentError,
    Endpoint, FileId, LineRecord, Purpose, StagedContent, StoredFile,
    lines::Lines,
    written::{answered, not_done},
};

/// Outcomes read at once. Each may be large.
const PAGE: u32 = 4;
/// How an error says, on its way through a stream, that it is the input that cannot be read.
const UNREADABLE: io::ErrorKind = io::ErrorKind::InvalidData;

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
        let has_failed = done.iter().any(|(_, succeeded)| !succeeded);
        let rest = if is_whole { None } else { self.rest(batch, done, status).await? };
        let errors = if rest.is_some() {
            rest
        } else if has_failed {
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

    /// The file of what failed and what was not done; `None` when the input, which tells the latter, is lost.
    async fn rest(
        &self,
        batch: &Batch,
        done: Vec<(u32, bool)>,
        status: BatchStatus,
    ) -> Result<Option<Box<dyn StagedContent>>, BatchError> {
        let contents = &self.shared.contents;
        let staged = match contents.read(&batch.input_digest).await {
            Ok((_, content)) => {
                let rest = Rest {
                    // They were bounded when they were read first; the bound may be another since.
                    lines: Lines::new(content, usize::MAX),
                    failed: Outcomes::new(Arc::clone(&self.shared.store), batch.id.clone(), false),
                    done: done.into_iter().collect(),
                    batch: batch.id.clone(),
                    endpoint: batch.endpoint,
                    status,
                };
                contents.stage(rest.stream(), u64::MAX).await.map_err(|error| (is_of_input(&error), error))
            }
            Err(error) => Err((true, error)),
        };
        let (is_of_input, error) = match staged {
            Ok(staged) => return Ok(Some(staged)),
            Err(failed) => failed,
        };
        // Other faults may pass, and are waited for as long as the batch would have lasted.
        let is_over = batch.status == BatchStatus::Cancelling || self.shared.clock.now() >= batch.expires_at;
        if !(matches!(error, ContentError::Missing(_)) || is_of_input && is_over) {
            return Err(error.into());
        }
        tracing::error!(
            batch = %batch.id,
            error = &error as &dyn std::error::Error,
            "the input of a batch is lost: what was not done is not listed"
        );
        Ok(None)
    }
}

/// Whether the input could not be read, rather than a file not be written.
fn is_of_input(error: &ContentError) -> bool {
    matches!(error, ContentError::Interrupted(error) if error.kind() == UNREADABLE)
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
        while let Some(line) = self.lines.next().await.map_err(|error| io::Error::new(UNREADABLE, error))? {
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
