//! Running the lines of a batch that have no outcome yet.

use std::{collections::HashSet, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};

use super::{
    FIRST_PAUSE, LONGEST_PAUSE, Work,
    validate::{TURN, parsed},
};
use crate::{
    Batch, BatchError, ContentError, LineAnswer, LineCall, LineRecord, ParsedLine,
    lines::{Lines, LinesError, RawLine},
};

/// How often a line is run that was not answered in time.
const MOST_RUNS_TOO_LATE: u32 = 3;
/// Largest answer that is kept, in bytes.
const MOST_BODY: usize = 32 << 20;

impl Work {
    /// Runs lines until all have an outcome, the time is over, or the batch is called off.
    pub(super) async fn run_lines(&self, batch: &Batch, called_off: &Notify) -> Result<(), BatchError> {
        let shared = &self.shared;
        let done = shared.store.done_lines(&batch.id).await?;
        let done: HashSet<u32> = done.into_iter().map(|(line, _)| line).collect();
        let (_, content) = shared.contents.read(&batch.input_digest).await?;
        let mut lines = Lines::new(content, shared.options.max_line_bytes);
        let most = shared.options.lines_at_once.get();
        let mut under_way = FuturesUnordered::new();
        let left = u64::try_from(batch.expires_at.0.saturating_sub(shared.clock.now().0)).unwrap_or(0);
        let expired = sleep_until(Instant::now() + Duration::from_millis(left));
        // Its time may have passed while nothing ran.
        let mut has_more = left > 0;
        let called_off = called_off.notified();
        tokio::pin!(expired, called_off);
        let mut passed_over = 0_u64;
        loop {
            while has_more && under_way.len() < most {
                match lines.next().await {
                    Ok(None) => has_more = false,
                    Ok(Some(line)) if done.contains(&line.number) => {
                        passed_over += 1;
                        if passed_over.is_multiple_of(TURN) {
                            yield_now().await;
                        }
                    }
                    Ok(Some(line)) => under_way.push(self.run_line(batch, line)),
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
            }
        }
        drop(under_way);
        Ok(shared.store.begin_finalizing(&batch.id, shared.clock.now()).await?)
    }

    /// Runs a line until it has an outcome, and writes that.
    async fn run_line(&self, batch: &Batch, raw: RawLine) -> Result<(), BatchError> {
        let number = raw.number;
        let (custom_id, answer) = match parsed(raw, batch.endpoint).await {
            Ok(ParsedLine { custom_id, body }) => {
                let call = LineCall { owner: batch.owner.clone(), endpoint: batch.endpoint, body };
                (custom_id, self.answer(call).await)
            }
            // All lines were read before; only a changed program can mean something else now.
            Err(problem) => (String::new(), failure(400, &problem.message)),
        };
        let answer = if answer.body.len() > MOST_BODY {
            failure(500, "the answer is larger than what is kept of a line")
        } else {
            answer
        };
        let LineAnswer { status, request_id, body, .. } = answer;
        let record = LineRecord { line: number, custom_id, status, request_id, body };
        if !self.shared.store.put_line(&batch.id, &record).await? {
            tracing::warn!(batch = %batch.id, line = number, "a line had an outcome already, which stays");
        }
        Ok(())
    }

    /// Asks until there is an answer that will not change by waiting.
    async fn answer(&self, call: LineCall) -> LineAnswer {
        let mut pause = FIRST_PAUSE;
        let mut too_late = 0;
        loop {
            let answer = {
                let Ok(_permit) = self.permits.acquire().await else {
                    // Nobody closes it.
                    return failure(500, "the server is stopping");
                };
                let running = AssertUnwindSafe(self.lines.run(call.clone())).catch_unwind();
                running.await.unwrap_or_else(|_| failure(500, "internal error"))
            };
            match answer.status {
                429 | 503 => {}
                504 if too_late + 1 < MOST_RUNS_TOO_LATE => too_late += 1,
                _ => return answer,
            }
            let asked = answer.retry_after.unwrap_or_default();
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
