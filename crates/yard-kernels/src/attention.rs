//! Attention of rows of queries over pages of keys and values.
//!
//! A row's result is built up in a fixed way: positions in chunks of 64, chunks in spans of 512, each span for itself
//! with weights relative to the largest score so far, and the spans joined in their order. What else is computed beside
//! it, in how many threads, and whether its first pages are shared, changes none of it.

use std::num::NonZeroUsize;

use crate::error::check_length;
use crate::memory::SharedSlice;
use crate::{KernelError, Machine};

mod block;
mod pages;
mod plan;
mod tile;

use block::{JoinedSpans, Partial, SpanOfBlock, Task, WholeBlock};
use pages::{Element, Store};
pub use pages::{KeyValuePages, KeyValueShape, PAGE_POSITIONS, PageElement, PageSlot};
use plan::Block;
use tile::{Line, Seen};

/// Pieces of work for each thread from which on blocks are not cut into spans.
const PIECES_A_THREAD: usize = 4;

/// What attention is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    /// Heads of queries: a multiple of the heads of keys, of which neighbours share one.
    pub query_heads: usize,
    /// What scores are multiplied with; usually `1 / sqrt(head size)`.
    pub scale: f32,
    /// How many positions a token sees, itself included; all if none.
    pub window: Option<NonZeroUsize>,
    /// Holds scores between its negative and itself by `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
}

/// The new rows of one sequence, whose keys and values have been written.
#[derive(Debug, Clone, Copy)]
pub struct SequenceRows<'a> {
    /// The pages of positions 0 to 15, 16 to 31, and so on, at least up to the last row's. Sequences whose leading pages
    /// are the same should stand beside one another: those pages are then read once for all of them.
    pub pages: &'a [u32],
    /// The position of the first row.
    pub first_position: usize,
    /// How many rows there are, at neighbouring positions.
    pub rows: usize,
}

impl Machine {
    /// Causal attention: each row sees the positions of its sequence up to its own, within the window. `queries` and
    /// `output` are the rows of all sequences one after the other, each of all heads.
    ///
    /// A sequence's result is the same bits whatever other sequences there are, on any path and with any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// Sizes do not fit together, or a sequence has too few pages or one that is not in the store. Nothing was written.
    pub fn attend(
        &self,
        pages: &KeyValuePages,
        options: &AttentionOptions,
        sequences: &[SequenceRows<'_>],
        queries: &[f32],
        output: &mut [f32],
    ) -> Result<(), KernelError> {
        check(pages, options, sequences, queries, output)?;
        let tokens = plan::tokens(sequences);
        let blocks = plan::blocks(sequences, options.query_heads / pages.shape().heads);
        let output = SharedSlice::new(output);
        match pages.store() {
            Store::F32(store) => self.attend_in(
                Task { store, pages, options, sequences, tokens: &tokens, queries, output },
                &blocks,
            ),
            Store::F16(store) => self.attend_in(
                Task { store, pages, options, sequences, tokens: &tokens, queries, output },
                &blocks,
            ),
        }
        Ok(())
    }

    fn attend_in<E: Element>(&self, task: Task<'_, E>, blocks: &[Block]) {
        let heads = task.pages.shape().heads;
        let spans: usize = blocks.iter().map(|block| task.spans(block).len()).sum();
        let threads = self.pool.threads();
        if threads > 1 && blocks.len() * heads < threads * PIECES_A_THREAD && spans > blocks.len() {
            self.attend_by_spans(task, blocks);
            return;
        }
        self.pool.for_each(blocks.len() * heads, 1, &|items| {
            for item in items {
                // The last blocks of a prompt see most, so they go first.
                let block = &blocks[blocks.len() - 1 - item / heads];
                self.cpu.run(WholeBlock { task, block, head: item % heads });
            }
        });
    }

    /// Few blocks that see much: their spans are shared among the threads.
    fn attend_by_spans<E: Element>(&self, task: Task<'_, E>, blocks: &[Block]) {
        let (heads, lines) = (task.pages.shape().heads, task.lines());
        // For each block, head and span a piece, with the place of its rows among all rows of pieces.
        let mut pieces = Vec::new();
        let mut joints = Vec::new();
        let mut rows = 0;
        for block in blocks {
            for head in 0..heads {
                let start = rows;
                for span in task.spans(block) {
                    pieces.push((block, head, span, rows));
                    rows += task.rows(block);
                }
                joints.push((block, head, start..rows));
            }
        }
        let (mut seen, mut results) = (vec![Seen::NOTHING; rows], vec![Line::ZERO; rows * lines]);
        let (all_seen, all_results) = (SharedSlice::new(&mut seen), SharedSlice::new(&mut results));
        self.pool.for_each(pieces.len(), 1, &|items| {
            for (block, head, span, start) in &pieces[items] {
                let count = task.rows(block);
                // SAFETY: every piece has rows of its own.
                let partial = unsafe {
                    Partial {
                        seen: all_seen.part(*start, count),
                        results: all_results.part(start * lines, count * lines),
                    }
                };
                self.cpu.run(SpanOfBlock { task, block, head: *head, span: *span, partial });
            }
        });
        for (block, head, rows) in joints {
            let (seen, results) = (&seen[rows.clone()], &results[rows.start * lines..rows.end * lines]);
            self.cpu.run(JoinedSpans { task, block, head, seen, results });
        }
    }
}

fn check(
    pages: &KeyValuePages,
    options: &AttentionOptions,
    sequences: &[SequenceRows<'_>],
    queries: &[f32],
    output: &[f32],
) -> Result<(), KernelError> {
    let shape = pages.shape();
    if options.query_heads == 0 || !options.query_heads.is_multiple_of(shape.heads) {
        let rule = "a multiple of the heads of keys";
        return Err(KernelError::UnsupportedSize { what: "query heads", actual: options.query_heads, rule });
    }
    let mut rows = 0_usize;
    for sequence in sequences {
        let positions = sequence.first_position.checked_add(sequence.rows).filter(|_| sequence.rows > 0);
        let needed =
            positions.unwrap_or(if sequence.rows == 0 { 0 } else { usize::MAX }).div_ceil(PAGE_POSITIONS);
        if sequence.pages.len() < needed {
            let (what, actual) = ("the pages of a sequence", sequence.pages.len());
            return Err(KernelError::WrongLength { what, expected: needed, actual });
        }
        for page in sequence.pages {
            pages.check_page(*page)?;
        }
        rows = rows.saturating_add(sequence.rows);
    }
    let values = rows.checked_mul(options.query_heads).and_then(|heads| heads.checked_mul(shape.head_size));
    check_length("the queries", values, queries.len())?;
    check_length("the output", values, output.len())
}

#[cfg(test)]
mod tests;
