//! A block of tokens with one head of keys and values.

use std::ops::Range;

use super::pages::{Element, KeyValuePages, PAGE_POSITIONS};
use super::plan::{Block, CHUNK, CHUNK_PAGES, SPAN_CHUNKS, Token};
use super::tile::{AddValues, CapScores, ChunkPages, Line, MOST_ROWS, ScoreRows, Scores, Seen, Weigh};
use super::{AttentionOptions, SequenceRows};
use crate::memory::SharedSlice;
use crate::simd::{Kernel, Lanes, WIDTH};

/// What is computed: the same for all blocks of a call.
#[derive(Clone, Copy)]
pub(super) struct Task<'a, E> {
    pub(super) store: &'a [E],
    pub(super) pages: &'a KeyValuePages,
    pub(super) options: &'a AttentionOptions,
    pub(super) sequences: &'a [SequenceRows<'a>],
    pub(super) tokens: &'a [Token],
    pub(super) queries: &'a [f32],
    pub(super) output: SharedSlice<'a, f32>,
}

/// The part of a row's result that one span gives.
pub(super) struct Partial<'a> {
    pub(super) seen: &'a mut [Seen],
    pub(super) results: &'a mut [Line],
}

/// A block with one head, all its spans one after the other.
pub(super) struct WholeBlock<'a, E> {
    pub(super) task: Task<'a, E>,
    pub(super) block: &'a Block,
    pub(super) head: usize,
}

/// One span of a block with one head, into a place of its own.
pub(super) struct SpanOfBlock<'a, E> {
    pub(super) task: Task<'a, E>,
    pub(super) block: &'a Block,
    pub(super) head: usize,
    pub(super) span: usize,
    pub(super) partial: Partial<'a>,
}

/// The parts of a block's spans joined and written.
pub(super) struct JoinedSpans<'a, E> {
    pub(super) task: Task<'a, E>,
    pub(super) block: &'a Block,
    pub(super) head: usize,
    /// Span after span, each with all rows.
    pub(super) seen: &'a [Seen],
    pub(super) results: &'a [Line],
}

impl<E: Element> Kernel for WholeBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { task, block, head } = self;
        let (rows, lines) = (task.rows(block), task.lines());
        let queries = task.scaled_queries(block, head);
        let (mut seen, mut results) = (vec![Seen::NOTHING; rows], vec![Line::ZERO; rows * lines]);
        let (mut span_seen, mut span_results) = (seen.clone(), results.clone());
        for span in task.spans(block) {
            span_seen.fill(Seen::NOTHING);
            span_results.fill(Line::ZERO);
            let mut partial = Partial { seen: &mut span_seen, results: &mut span_results };
            task.compute_span(lanes, block, head, span, &queries, &mut partial);
            join(lanes, &span_seen, &span_results, &mut seen, &mut results, lines);
        }
        task.finish(lanes, block, head, &seen, &results);
    }
}

impl<E: Element> Kernel for SpanOfBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        let queries = self.task.scaled_queries(self.block, self.head);
        self.task.compute_span(lanes, self.block, self.head, self.span, &queries, &mut self.partial);
    }
}

impl<E: Element> Kernel for JoinedSpans<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let (rows, lines) = (self.task.rows(self.block), self.task.lines());
        let (mut seen, mut results) = (vec![Seen::NOTHING; rows], vec![Line::ZERO; rows * lines]);
        for (span_seen, span_results) in self.seen.chunks(rows).zip(self.results.chunks(rows * lines)) {
            join(lanes, span_seen, span_results, &mut seen, &mut results, lines);
        }
        self.task.finish(lanes, self.block, self.head, &seen, &results);
    }
}

impl<'a, E: Element> Task<'a, E> {
    /// Query heads that share a head of keys.
    pub(super) fn heads_a_group(&self) -> usize {
        self.options.query_heads / self.pages.shape().heads
    }

    /// Rows of a block: for each token the heads of a group.
    pub(super) fn rows(&self, block: &Block) -> usize {
        block.tokens.len() * self.heads_a_group()
    }

    /// Lines of a row's result.
    pub(super) fn lines(&self) -> usize {
        self.pages.shape().value_columns() / WIDTH
    }

    /// The positions that a token sees.
    fn visible(&self, token: Token) -> Range<usize> {
        let end = token.position + 1;
        self.options.window.map_or(0, |window| end.saturating_sub(window.get()))..end
    }

    /// The spans that any token of a block sees something of.
    pub(super) fn spans(&self, block: &Block) -> Range<usize> {
        let tokens = &self.tokens[block.tokens.clone()];
        let start = tokens.iter().map(|token| self.visible(*token).start).min().unwrap_or(0);
        let end = tokens.iter().map(|token| token.position + 1).max().unwrap_or(0);
        start / (SPAN_CHUNKS * CHUNK)..end.div_ceil(SPAN_CHUNKS * CHUNK)
    }

    /// The block's queries of a head, times the scale.
    fn scaled_queries(&self, block: &Block, head: usize) -> Vec<f32> {
        let (group, size) = (self.heads_a_group(), self.pages.shape().head_size);
        let mut scaled = Vec::with_capacity(self.rows(block) * size);
        for token in block.tokens.clone() {
            let start = (token * self.options.query_heads + head * group) * size;
            scaled.extend(
                self.queries[start..start + group * size].iter().map(|query| query * self.options.scale),
            );
        }
        scaled
    }

    fn compute_span<L: Lanes>(
        &self,
        lanes: L,
        block: &Block,
        head: usize,
        span: usize,
        queries: &[f32],
        partial: &mut Partial<'_>,
    ) {
        let chunks = span * SPAN_CHUNKS..(span + 1) * SPAN_CHUNKS;
        let mut compute = |tokens: Range<usize>, chunk: usize| {
            lanes.call(ChunkOfTokens {
                task: self,
                block,
                tokens,
                head,
                chunk,
                queries,
                partial: &mut *partial,
            });
        };
        for chunk in chunks.start..chunks.end.min(block.shared_chunks) {
            compute(block.tokens.clone(), chunk);
        }
        let own_chunks = chunks.start.max(block.shared_chunks)..chunks.end;
        let mut first = block.tokens.start;
        for run in self.tokens[block.tokens.clone()].chunk_by(|a, b| a.sequence == b.sequence) {
            let tokens = first..first + run.len();
            first = tokens.end;
            let last = run.iter().map(|token| token.position).max().unwrap_or(0) / CHUNK;
            for chunk in own_chunks.start..own_chunks.end.min(last + 1) {
                compute(tokens.clone(), chunk);
            }
        }
    }

    /// The pages of a chunk; those beyond a sequence's last page are empty.
    #[inline(always)]
    fn chunk_pages(&self, token: usize, head: usize, chunk: usize) -> ChunkPages<'a, E> {
        let numbers = self.sequences[self.tokens[token].sequence].pages;
        let mut pages = ChunkPages { keys: [&[]; CHUNK_PAGES], values: [&[]; CHUNK_PAGES] };
        for (index, number) in numbers.iter().skip(chunk * CHUNK_PAGES).take(CHUNK_PAGES).enumerate() {
            let (start, keys) = self.pages.place(head, *number);
            let values = PAGE_POSITIONS * self.pages.shape().value_columns();
            pages.keys[index] = self.store[start..start + keys].as_chunks().0;
            pages.values[index] = self.store[start + keys..start + keys + values].as_chunks().0;
        }
        pages
    }

    /// The pages that are read after those of a chunk: the token's next chunk, or the first one that it sees of the next
    /// head. Places of which nothing follows repeat what is read now.
    #[inline(always)]
    fn next_pages(
        &self,
        token: usize,
        head: usize,
        chunk: usize,
        pages: &ChunkPages<'a, E>,
    ) -> ChunkPages<'a, E> {
        let visible = self.visible(self.tokens[token]);
        let mut next = if (chunk + 1) * CHUNK < visible.end {
            self.chunk_pages(token, head, chunk + 1)
        } else if head + 1 < self.pages.shape().heads {
            self.chunk_pages(token, head + 1, visible.start / CHUNK)
        } else {
            return *pages;
        };
        for page in 0..CHUNK_PAGES {
            if next.keys[page].is_empty() {
                (next.keys[page], next.values[page]) = (pages.keys[page], pages.values[page]);
            }
        }
        next
    }

    /// Divides by the sums and writes the rows.
    #[inline(always)]
    fn finish<L: Lanes>(&self, lanes: L, block: &Block, head: usize, seen: &[Seen], results: &[Line]) {
        let (group, size, lines) = (self.heads_a_group(), self.pages.shape().head_size, self.lines());
        for row in 0..self.rows(block) {
            let (token, member) = (block.tokens.start + row / group, row % group);
            let start = (token * self.options.query_heads + head * group + member) * size;
            // SAFETY: a row and head belong to one block and head of keys.
            let output = unsafe { self.output.part(start, size) };
            let factor = lanes.splat(1.0 / lanes.sum(lanes.load(&seen[row].sums.0)));
            for (line, output) in results[row * lines..(row + 1) * lines].iter().zip(output.chunks_mut(WIDTH))
            {
                lanes.store_some(lanes.mul(lanes.load(&line.0), factor), output);
            }
        }
    }
}

/// One chunk for some tokens of a block, all of which have the chunk's pages.
struct ChunkOfTokens<'a, 'b, 'c, E> {
    task: &'a Task<'b, E>,
    block: &'a Block,
    tokens: Range<usize>,
    head: usize,
    chunk: usize,
    queries: &'a [f32],
    partial: &'a mut Partial<'c>,
}

impl<E: Element> Kernel for ChunkOfTokens<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { task, block, tokens, head, chunk, queries, partial } = self;
        let (group, size, lines) = (task.heads_a_group(), task.pages.shape().head_size, task.lines());
        // What each token sees of the chunk, counted from its start.
        let seen_by = |token: usize| {
            let visible = task.visible(task.tokens[token]);
            let inside = |position: usize| position.saturating_sub(chunk * CHUNK).min(CHUNK);
            inside(visible.start)..inside(visible.end)
        };
        let pages = task.chunk_pages(tokens.start, head, chunk);
        let next = task.next_pages(tokens.end - 1, head, chunk, &pages);
        let rows = (tokens.start - block.tokens.start) * group..(tokens.end - block.tokens.start) * group;
        let mut scores: Scores = [[Line::ZERO; CHUNK_PAGES]; MOST_ROWS];
        for start in rows.clone().step_by(L::ATTENTION_ROWS) {
            let count = L::ATTENTION_ROWS.min(rows.end - start);
            let mut positions: [Range<usize>; MOST_ROWS] = std::array::from_fn(|_| 0..0);
            for row in 0..count {
                positions[row] = seen_by(block.tokens.start + (start + row) / group);
            }
            let positions = &positions[..count];
            let seeing = || positions.iter().filter(|positions| !positions.is_empty());
            let from = seeing().map(|positions| positions.start).min();
            let to = seeing().map(|positions| positions.end).max();
            let (Some(from), Some(to)) = (from, to) else { continue };
            lanes.call(ScoreRows {
                queries: &queries[start * size..(start + count) * size],
                rows: count,
                chunk: &pages,
                pages: from / PAGE_POSITIONS..to.div_ceil(PAGE_POSITIONS),
                next: &next,
                scores: &mut scores,
            });
            if let Some(cap) = task.options.soft_cap {
                lanes.call(CapScores { scores: &mut scores[..count], cap });
            }
            let results = &mut partial.results[start * lines..(start + count) * lines];
            let seen = &mut partial.seen[start..start + count];
            lanes.call(Weigh { scores: &mut scores[..count], positions, seen, lines, results });
            add_rows(lanes, &scores[..count], &pages, &next, positions, lines, results);
        }
    }
}

/// Adds each row's positions in their order: first those that not all rows see, row by row, then what all see, then
/// again row by row. A row touches nothing that it does not see.
#[inline(always)]
fn add_rows<L: Lanes, E: Element>(
    lanes: L,
    weights: &[[Line; CHUNK_PAGES]],
    chunk: &ChunkPages<'_, E>,
    next: &ChunkPages<'_, E>,
    positions: &[Range<usize>],
    lines: usize,
    results: &mut [Line],
) {
    let start = positions.iter().map(|positions| positions.start).max().unwrap_or(0);
    let end = positions.iter().map(|positions| positions.end).min().unwrap_or(0);
    let common = if start < end { start..end } else { CHUNK..CHUNK };
    let mut add = |rows: Range<usize>, positions: Range<usize>| {
        if !positions.is_empty() {
            let results = &mut results[rows.start * lines..rows.end * lines];
            lanes.call(AddValues { weights: &weights[rows], chunk, positions, next, lines, results });
        }
    };
    for (row, positions) in positions.iter().enumerate() {
        add(row..row + 1, positions.start..positions.end.min(common.start));
    }
    add(0..positions.len(), common.clone());
    for (row, positions) in positions.iter().enumerate() {
        add(row..row + 1, common.end..positions.end);
    }
}

/// Joins the parts of a span's rows to those of the spans before.
#[inline(always)]
fn join<L: Lanes>(
    lanes: L,
    span_seen: &[Seen],
    span_results: &[Line],
    seen: &mut [Seen],
    results: &mut [Line],
    lines: usize,
) {
    for (row, (span, total)) in span_seen.iter().zip(seen).enumerate() {
        if span.largest == f32::NEG_INFINITY {
            continue;
        }
        let own = row * lines..(row + 1) * lines;
        if total.largest == f32::NEG_INFINITY {
            *total = *span;
            results[own.clone()].copy_from_slice(&span_results[own]);
            continue;
        }
        let largest = if span.largest > total.largest { span.largest } else { total.largest };
        let before = lanes.exp(lanes.splat(total.largest - largest));
        let added = lanes.exp(lanes.splat(span.largest - largest));
        let sums = lanes.mul(lanes.load(&total.sums.0), before);
        lanes.store(lanes.fma(lanes.load(&span.sums.0), added, sums), &mut total.sums.0);
        for (result, part) in results[own.clone()].iter_mut().zip(&span_results[own]) {
            let scaled = lanes.mul(lanes.load(&result.0), before);
            lanes.store(lanes.fma(lanes.load(&part.0), added, scaled), &mut result.0);
        }
        total.largest = largest;
    }
}
