//! Whether all lines of a batch can be run: none runs before that is known.

use std::collections::HashSet;

use tokio::task::{spawn_blocking, yield_now};

use super::Work;
use crate::{
    Batch, BatchError, ByteStream, ContentError, Endpoint, ParsedLine, Problem,
    line::parse_line,
    lines::{Lines, LinesError, RawLine},
};

/// So many problems are told; a file with more has one cause.
const MOST_PROBLEMS: usize = 50;
/// From this many bytes on, reading a line takes longer than a thread that talks to clients should.
const LARGE: usize = 64 << 10;
/// After so many lines others get their turn.
pub(super) const TURN: u64 = 64;
/// And after so many bytes of lines.
const TURN_BYTES: usize = 256 << 10;

impl Work {
    /// Reads all lines: `in_progress` or `failed` comes of it.
    pub(super) async fn validate(&self, batch: &Batch) -> Result<(), BatchError> {
        let checked = match self.shared.contents.read(&batch.input_digest).await {
            Ok((_, content)) => self.check_lines(batch, content).await?,
            Err(ContentError::Missing(_)) => {
                Err(vec![of_file("file_not_found", "the input file is no longer there")])
            }
            Err(error) => return Err(error.into()),
        };
        let now = self.shared.clock.now();
        match checked {
            Ok(total) => self.shared.store.begin(&batch.id, total, now).await?,
            Err(problems) => self.shared.store.fail(&batch.id, &problems, now).await?,
        }
        Ok(())
    }

    /// How many lines there are, or what is wrong with them.
    async fn check_lines(
        &self,
        batch: &Batch,
        content: ByteStream,
    ) -> Result<Result<u64, Vec<Problem>>, BatchError> {
        let options = &self.shared.options;
        let mut lines = Lines::new(content, options.max_line_bytes);
        let mut seen: HashSet<String> = HashSet::new();
        let mut problems = Vec::new();
        let mut total = 0_u64;
        let mut since_turn = 0_usize;
        while problems.len() < MOST_PROBLEMS {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(LinesError::TooLong { line, most }) => {
                    let message = LinesError::TooLong { line, most }.to_string();
                    problems.push(of_line("line_too_long", None, line, &message));
                    break;
                }
                Err(LinesError::Read(error)) => return Err(ContentError::Backend(Box::new(error)).into()),
            };
            total += 1;
            let number = line.number;
            since_turn += line.bytes.len();
            if total > options.max_lines {
                let message = format!("a batch has at most {} lines", options.max_lines);
                problems.push(of_line("too_many_lines", None, number, &message));
                break;
            }
            match parsed(line, batch.endpoint).await {
                Err(problem) => problems.push(problem),
                Ok(line) if seen.contains(&line.custom_id) => {
                    let message = "another line before has the same 'custom_id'";
                    problems.push(of_line("duplicate_custom_id", Some("custom_id"), number, message));
                }
                Ok(line) => {
                    seen.insert(line.custom_id);
                }
            }
            if total.is_multiple_of(TURN) || since_turn >= TURN_BYTES {
                since_turn = 0;
                yield_now().await;
            }
        }
        if total == 0 && problems.is_empty() {
            problems.push(of_file("empty_file", "the input file has no lines"));
        }
        Ok(if problems.is_empty() { Ok(total) } else { Err(problems) })
    }
}

/// Reads a line; a long one beside the threads that talk to clients.
pub(super) async fn parsed(line: RawLine, endpoint: Endpoint) -> Result<ParsedLine, Problem> {
    if line.bytes.len() < LARGE {
        return parse_line(line.number, &line.bytes, endpoint);
    }
    let number = line.number;
    let work = spawn_blocking(move || parse_line(line.number, &line.bytes, endpoint));
    work.await
        .unwrap_or_else(|_| Err(of_line("invalid_json_line", None, number, "the line could not be read")))
}

fn of_line(code: &str, param: Option<&str>, line: u32, message: &str) -> Problem {
    Problem::new(code, message, param, Some(line))
}

fn of_file(code: &str, message: &str) -> Problem {
    Problem::new(code, message, Some("input_file_id"), None)
}
