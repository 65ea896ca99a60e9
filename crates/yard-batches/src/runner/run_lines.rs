//! Running the lines of a batch that have no outcome yet.

use std::{collections::HashSet, panic::AssertUnwindSafe, sync::atomic::Ordering, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use tokio::{
    sync::{Notify, SemaphorePermit},
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};

use super::{
    FIRST_PAUSE, LONGEST_PAUSE, Work,
    permits::Share,
    validate::{TURN, parsed},
};
use crate::{
    Batch, BatchError, BatchStoreError, ContentError, LineAnswer, LineCall, LineRecord, Owner, ParsedLine,
    lines::{Lines, LinesError, RawLine},
};

/// How often a line is run that was not answered in time. Often enough to outlast an hour in which others came first, and
/// not for ever: it may as well be one that takes too long.
const MOST_RUNS_TOO_LATE: u32 = 20;
/// Largest answer that is kept, in bytes.
const MOST_BODY: usize = 16 << 20;
/// Said instead of an answer for which there is no room.
const NO_ROOM: &str =
    "the files of this key have as many bytes as they may: delete some, and send this line again";

impl Work {
    /// Runs lines until all have an outcome, the time is over, or the batch is called off.
    pub(super) async fn run_lines(&self, batch: &Batch, called_off: &Notify) -> Result<(), BatchError> {
        let shared = &self.shared;
        let done = shared.store.done_lines(&batch.id).await?;
        let done: HashSet<u32> = done.into_iter().map(|(line, _)| line).collect();
        let left = u64::try_from(batch.expires_at.0.saturating_sub(shared.clock.now().0)).unwrap_or(0);
        if left == 0 {
            // Its time passed while nothing ran.
            return Ok(shared.store.begin_finalizing(&batch.id, shared.clock.now()).await?);
        }
        let content = match shared.contents.read(&batch.input_digest).await {
            Ok((_, content)) => content,
            Err(error @ ContentError::Missing(_)) => {
                tracing::error!(
                    batch = %batch.id,
                    error = &error as &dyn std::error::Error,
                    "the input of a batch is lost; it ends with what is done"
                );
                return Ok(shared.store.begin_finalizing(&batch.id, shared.clock.now()).await?);
            }
            Err(error) => return Err(error.into()),
        };
        // They were bounded when they were read first; the bound may be another since.
        let mut lines = Lines::new(content, usize::MAX);
        let share = Share::new(&self.permits);
        let mut under_way = FuturesUnordered::new();
        let expired = sleep_until(Instant::now() + Duration::from_millis(left));
        let mut has_more = true;
        let called_off = called_off.notified();
        tokio::pin!(expired, called_off);
        let mut passed_over = 0_u64;
        loop {
            while has_more {
                let has_room = share.has_room(under_way.len());
                let spare = if has_room { None } else { share.spare(under_way.len()) };
                if !has_room && spare.is_none() {
                    break;
                }
                match lines.next().await {
                    Ok(None) => has_more = false,
                    Ok(Some(line)) if done.contains(&line.number) => {
                        passed_over += 1;
                        if passed_over.is_multiple_of(TURN) {
                            yield_now().await;
                        }
                    }
                    Ok(Some(line)) => under_way.push(self.run_line(batch, &share, line, spare)),
                    Err(error) => return Err(unreadable(error)),
                }
            }
            if under_way.is_empty() {
                break;
            }
            // What is dropped here is given up: it has no outcome, and runs again if the batch goes on.
            tokio::select! {
                biased;
                () = &mut called_off => return Ok(()),
                () = &mut expired => break,
                Some(written) = under_way.next() => written?,
                () = share.has_paused() => {}
            }
        }
        drop(under_way);
        Ok(shared.store.begin_finalizing(&batch.id, shared.clock.now()).await?)
    }

    /// Runs a line until it has an outcome, and writes that.
    async fn run_line(
        &self,
        batch: &Batch,
        share: &Share<'_>,
        raw: RawLine,
        _spare: Option<SemaphorePermit<'_>>,
    ) -> Result<(), BatchError> {
        let number = raw.number;
        let (custom_id, answer) = match parsed(raw, batch.endpoint).await {
            Ok(ParsedLine { custom_id, body }) => {
                let call = LineCall { owner: batch.owner.clone(), endpoint: batch.endpoint, body };
                (custom_id, self.answer(share, call).await)
            }
            // All lines were read before; only a changed program can mean something else now.
            Err(problem) => (String::new(), failure(400, &problem.message)),
        };
        let answer = if answer.body.len() > MOST_BODY {
            failure(500, "the answer is larger than what is kept of a line")
        } else if answer.body.len() as u64 > self.room(&batch.owner).await {
            failure(409, NO_ROOM)
        } else {
            answer
        };
        let LineAnswer { status, request_id, body, .. } = answer;
        self.put_line(batch, &LineRecord { line: number, custom_id, status, request_id, body }).await
    }

    /// Writes what became of a line. What was answered was paid for: this is tried until it is written, or the batch is not
    /// one any more whose lines run.
    async fn put_line(&self, batch: &Batch, record: &LineRecord) -> Result<(), BatchError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.shared.store.put_line(&batch.id, record).await {
                Ok(is_new) => {
                    let counter =
                        if record.succeeded() { &self.shared.answered } else { &self.shared.refused };
                    counter.fetch_add(u64::from(is_new), Ordering::Relaxed);
                    if !is_new {
                        let line = record.line;
                        tracing::warn!(batch = %batch.id, line, "a line had an outcome already, which stays");
                    }
                    return Ok(());
                }
                Err(error @ (BatchStoreError::Conflict(_) | BatchStoreError::Missing(_))) => {
                    return Err(error.into());
                }
                Err(error) => {
                    tracing::error!(
                        batch = %batch.id,
                        line = record.line,
                        error = &error as &dyn std::error::Error,
                        "an outcome was not written; it is tried again"
                    );
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Bytes by which the files of an owner may still grow.
    async fn room(&self, owner: &Owner) -> u64 {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.shared.store.usage(owner).await {
                Ok(usage) => return self.shared.options.max_bytes.saturating_sub(usage.bytes),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "what a key keeps could not be read; it is tried again"
                    );
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks until there is an answer that will not change by waiting.
    async fn answer(&self, share: &Share<'_>, call: LineCall) -> LineAnswer {
        let mut pause = FIRST_PAUSE;
        let mut too_late = 0;
        loop {
            let answer = {
                let Ok(_permit) = share.permit().await else {
                    // Nobody closes it.
                    return failure(500, "the server is stopping");
                };
                // Looked at before anything is paid for.
                if self.room(&call.owner).await == 0 {
                    return failure(409, NO_ROOM);
                }
                let running = AssertUnwindSafe(self.lines.run(call.clone())).catch_unwind();
                running.await.unwrap_or_else(|_| failure(500, "internal error"))
            };
            match answer.status {
                429 | 503 => {}
                504 if too_late + 1 < MOST_RUNS_TOO_LATE => too_late += 1,
                _ => return answer,
            }
            let asked = answer.retry_after.unwrap_or_default();
            let _pausing = share.pausing();
            sleep(asked.max(pause).min(LONGEST_PAUSE)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn failure(status: u16, message: &str) -> LineAnswer {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": null}}).to_string();
    LineAnswer { status, request_id: String::new(), body, retry_after: None }
}

fn unreadable(error: LinesError) -> BatchError {
    ContentError::Backend(Box::new(error)).into()
}
