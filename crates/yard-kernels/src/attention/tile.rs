//! The inner loops: a few rows of queries with one chunk of keys and values.
//!
//! Every score is one chain over the columns, and every column of a result one chain over the positions, so neither the
//! number of rows nor that of pages or columns at once changes a bit.

use std::ops::Range;

use super::pages::{Element, PAGE_POSITIONS};
use super::plan::{CHUNK, CHUNK_PAGES};
use crate::memory::prefetch;
use crate::simd::{Kernel, Lanes, WIDTH};

/// The most rows at once on any path.
pub(super) const MOST_ROWS: usize = 6;

/// One head's keys and values of the pages of a chunk.
#[derive(Clone, Copy)]
pub(super) struct ChunkPages<'a, E> {
    pub(super) keys: [&'a [[E; WIDTH]]; CHUNK_PAGES],
    pub(super) values: [&'a [[E; WIDTH]]; CHUNK_PAGES],
}

/// A line of a cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; WIDTH]);

impl Line {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);
}

/// The scores of up to six rows with a chunk.
pub(super) type Scores = [[Line; CHUNK_PAGES]; MOST_ROWS];

/// The products of some rows of queries with the keys of some pages.
pub(super) struct ScoreRows<'a, E> {
    pub(super) queries: &'a [f32],
    pub(super) rows: usize,
    pub(super) chunk: &'a ChunkPages<'a, E>,
    pub(super) pages: Range<usize>,
    /// The chunk that comes next: few rows are done with a chunk before the next one has come from memory, so its keys
    /// are asked for while these are read.
    pub(super) next: &'a ChunkPages<'a, E>,
    pub(super) scores: &'a mut Scores,
}

impl<E: Element> Kernel for ScoreRows<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { queries, rows, chunk, pages, next, scores } = self;
        match rows {
            1 => scores_of::<L, E, 1>(lanes, queries, chunk, pages, next, scores),
            2 => scores_of::<L, E, 2>(lanes, queries, chunk, pages, next, scores),
            3 => scores_of::<L, E, 3>(lanes, queries, chunk, pages, next, scores),
            4 => scores_of::<L, E, 4>(lanes, queries, chunk, pages, next, scores),
            5 => scores_of::<L, E, 5>(lanes, queries, chunk, pages, next, scores),
            _ => scores_of::<L, E, MOST_ROWS>(lanes, queries, chunk, pages, next, scores),
        }
    }
}

#[inline(always)]
fn scores_of<L: Lanes, E: Element, const ROWS: usize>(
    lanes: L,
    queries: &[f32],
    chunk: &ChunkPages<'_, E>,
    pages: Range<usize>,
    next: &ChunkPages<'_, E>,
    scores: &mut Scores,
) {
    if L::ATTENTION_VECTORS == CHUNK_PAGES && pages == (0..CHUNK_PAGES) {
        scores_of_pages::<L, E, ROWS, CHUNK_PAGES>(lanes, queries, chunk, 0, next, scores);
        return;
    }
    for page in pages {
        scores_of_pages::<L, E, ROWS, 1>(lanes, queries, chunk, page, next, scores);
    }
}

#[inline(always)]
fn scores_of_pages<L: Lanes, E: Element, const ROWS: usize, const PAGES: usize>(
    lanes: L,
    queries: &[f32],
    chunk: &ChunkPages<'_, E>,
    first: usize,
    next: &ChunkPages<'_, E>,
    scores: &mut Scores,
) {
    let head_size = chunk.keys[first].len();
    let queries: [&[f32]; ROWS] = std::array::from_fn(|row| &queries[row * head_size..(row + 1) * head_size]);
    let keys: [&[[E; WIDTH]]; PAGES] = std::array::from_fn(|page| &chunk.keys[first + page][..head_size]);
    let mut sums = [[lanes.splat(0.0); PAGES]; ROWS];
    let next: [*const [E; WIDTH]; PAGES] = std::array::from_fn(|page| next.keys[first + page].as_ptr());
    for column in 0..head_size {
        let mut vectors = [lanes.splat(0.0); PAGES];
        for page in 0..PAGES {
            if ROWS < MOST_ROWS {
                prefetch(next[page].wrapping_add(column));
            }
            vectors[page] = E::load(lanes, &keys[page][column]);
        }
        for row in 0..ROWS {
            let query = lanes.splat(queries[row][column]);
            for page in 0..PAGES {
                sums[row][page] = lanes.fma(query, vectors[page], sums[row][page]);
            }
        }
    }
    for row in 0..ROWS {
        for page in 0..PAGES {
            lanes.store(sums[row][page], &mut scores[row][first + page].0);
        }
    }
}

/// Adds the values of some positions, times the rows' weights, to the rows' results of `lines` lines each.
pub(super) struct AddValues<'a, E> {
    pub(super) weights: &'a [[Line; CHUNK_PAGES]],
    pub(super) chunk: &'a ChunkPages<'a, E>,
    pub(super) positions: Range<usize>,
    /// The chunk that comes next, whose values are asked for.
    pub(super) next: &'a ChunkPages<'a, E>,
    pub(super) lines: usize,
    pub(super) results: &'a mut [Line],
}

impl<E: Element> Kernel for AddValues<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { weights, chunk, positions, next, lines, results } = self;
        match weights.len() {
            1 => add_values_of::<L, E, 1>(lanes, weights, chunk, positions, next, lines, results),
            2 => add_values_of::<L, E, 2>(lanes, weights, chunk, positions, next, lines, results),
            3 => add_values_of::<L, E, 3>(lanes, weights, chunk, positions, next, lines, results),
            4 => add_values_of::<L, E, 4>(lanes, weights, chunk, positions, next, lines, results),
            5 => add_values_of::<L, E, 5>(lanes, weights, chunk, positions, next, lines, results),
            _ => add_values_of::<L, E, MOST_ROWS>(lanes, weights, chunk, positions, next, lines, results),
        }
    }
}

#[inline(always)]
fn add_values_of<L: Lanes, E: Element, const ROWS: usize>(
    lanes: L,
    weights: &[[Line; CHUNK_PAGES]],
    chunk: &ChunkPages<'_, E>,
    positions: Range<usize>,
    next: &ChunkPages<'_, E>,
    lines: usize,
    results: &mut [Line],
) {
    let mut line = 0;
    if L::ATTENTION_VECTORS == 4 {
        while line + 4 <= lines {
            add_values_to::<L, E, ROWS, 4>(
                lanes,
                weights,
                [chunk, next],
                positions.clone(),
                lines,
                line,
                results,
            );
            line += 4;
        }
    }
    while line < lines {
        add_values_to::<L, E, ROWS, 1>(
            lanes,
            weights,
            [chunk, next],
            positions.clone(),
            lines,
            line,
            results,
        );
        line += 1;
    }
}

#[inline(always)]
fn add_values_to<L: Lanes, E: Element, const ROWS: usize, const LINES: usize>(
    lanes: L,
    weights: &[[Line; CHUNK_PAGES]],
    [chunk, next]: [&ChunkPages<'_, E>; 2],
    positions: Range<usize>,
    lines: usize,
    first: usize,
    results: &mut [Line],
) {
    let weights: &[[Line; CHUNK_PAGES]; ROWS] = match weights.first_chunk() {
        Some(weights) => weights,
        None => return,
    };
    let mut sums = [[lanes.splat(0.0); LINES]; ROWS];
    for row in 0..ROWS {
        for line in 0..LINES {
            sums[row][line] = lanes.load(&results[row * lines + first + line].0);
        }
    }
    debug_assert!(positions.end <= CHUNK, "positions of the chunk");
    for page in positions.start / PAGE_POSITIONS..positions.end.div_ceil(PAGE_POSITIONS) {
        let from = positions.start.max(page * PAGE_POSITIONS) % PAGE_POSITIONS;
        let to = (positions.end - page * PAGE_POSITIONS).min(PAGE_POSITIONS);
        let values = chunk.values[page];
        let next = next.values[page].as_ptr();
        for slot in from..to {
            let row_of_values = &values[slot * lines + first..][..LINES];
            let mut vectors = [lanes.splat(0.0); LINES];
            for line in 0..LINES {
                if ROWS < MOST_ROWS {
                    prefetch(next.wrapping_add(slot * lines + first + line));
                }
                vectors[line] = E::load(lanes, &row_of_values[line]);
            }
            for row in 0..ROWS {
                let weight = lanes.splat(weights[row][page].0[slot]);
                for line in 0..LINES {
                    sums[row][line] = lanes.fma(weight, vectors[line], sums[row][line]);
                }
            }
        }
    }
    for row in 0..ROWS {
        for line in 0..LINES {
            lanes.store(sums[row][line], &mut results[row * lines + first + line].0);
        }
    }
}

/// What has been seen so far for one row: the largest score, and the sum of the weights relative to it.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) largest: f32,
    pub(super) sums: Line,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { largest: f32::NEG_INFINITY, sums: Line::ZERO };
}

/// Turns the scores of some rows into weights relative to the largest scores so far, and brings what was seen before
/// in line with them. For each row the positions that it sees, which may be none.
pub(super) struct Weigh<'a> {
    pub(super) scores: &'a mut [[Line; CHUNK_PAGES]],
    pub(super) positions: &'a [Range<usize>],
    pub(super) seen: &'a mut [Seen],
    pub(super) lines: usize,
    pub(super) results: &'a mut [Line],
}

impl Kernel for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { scores, positions, seen, lines, results } = self;
        // A lane for each row, so that one exponential does for all.
        let (mut before, mut largest) = (Line::ZERO, Line::ZERO);
        for (row, scores) in scores.iter_mut().enumerate() {
            if !positions[row].is_empty() {
                before.0[row] = seen[row].largest;
                largest.0[row] = largest_of(lanes, scores, &positions[row], seen[row].largest);
            }
        }
        // Nothing seen before is nothing to bring in line.
        let grows = |row: usize| largest.0[row] > before.0[row] && before.0[row] > f32::NEG_INFINITY;
        if (0..scores.len()).any(grows) {
            let mut factors = Line::ZERO;
            lanes.store(lanes.exp(lanes.sub(lanes.load(&before.0), lanes.load(&largest.0))), &mut factors.0);
            for row in 0..scores.len() {
                // A factor of one changes nothing.
                let factor = lanes.splat(if grows(row) { factors.0[row] } else { 1.0 });
                let sums = &mut seen[row].sums.0;
                lanes.store(lanes.mul(lanes.load(sums), factor), sums);
                for line in &mut results[row * lines..(row + 1) * lines] {
                    lanes.store(lanes.mul(lanes.load(&line.0), factor), &mut line.0);
                }
            }
        }
        for (row, scores) in scores.iter_mut().enumerate() {
            if !positions[row].is_empty() {
                seen[row].largest = largest.0[row];
                weights_of(lanes, scores, &positions[row], &mut seen[row]);
            }
        }
    }
}

/// Holds scores between a number and its negative.
pub(super) struct CapScores<'a> {
    pub(super) scores: &'a mut [[Line; CHUNK_PAGES]],
    pub(super) cap: f32,
}

impl Kernel for CapScores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for score in self.scores.as_flattened_mut() {
            let tanh = lanes.tanh(lanes.mul(lanes.load(&score.0), lanes.splat(1.0 / self.cap)));
            lanes.store(lanes.mul(lanes.splat(self.cap), tanh), &mut score.0);
        }
    }
}

/// The largest of a row's scores and of those before. Scores of positions that the row does not see are overwritten.
#[inline(always)]
fn largest_of<L: Lanes>(
    lanes: L,
    scores: &mut [Line; CHUNK_PAGES],
    positions: &Range<usize>,
    before: f32,
) -> f32 {
    let mut largest = lanes.splat(before);
    if *positions == (0..CHUNK) {
        for score in scores {
            largest = lanes.max(lanes.load(&score.0), largest);
        }
        return lanes.largest(largest);
    }
    let nothing = lanes.splat(f32::NEG_INFINITY);
    for page in positions.start / PAGE_POSITIONS..positions.end.div_ceil(PAGE_POSITIONS) {
        let start = page * PAGE_POSITIONS;
        let mut score = lanes.first(positions.end - start, lanes.load(&scores[page].0), nothing);
        if positions.start > start {
            score = lanes.first(positions.start - start, nothing, score);
        }
        lanes.store(score, &mut scores[page].0);
        largest = lanes.max(score, largest);
    }
    lanes.largest(largest)
}

/// Turns a row's scores into weights and adds them up.
#[inline(always)]
fn weights_of<L: Lanes>(
    lanes: L,
    scores: &mut [Line; CHUNK_PAGES],
    positions: &Range<usize>,
    seen: &mut Seen,
) {
    let largest = lanes.splat(seen.largest);
    let mut sums = lanes.load(&seen.sums.0);
    if *positions == (0..CHUNK) {
        for score in scores {
            let weight = lanes.exp(lanes.sub(lanes.load(&score.0), largest));
            sums = lanes.add(sums, weight);
            lanes.store(weight, &mut score.0);
        }
        lanes.store(sums, &mut seen.sums.0);
        return;
    }
    let zero = lanes.splat(0.0);
    for page in positions.start / PAGE_POSITIONS..positions.end.div_ceil(PAGE_POSITIONS) {
        let weight = lanes.exp(lanes.sub(lanes.load(&scores[page].0), largest));
        // Positions left out must weigh nothing, not almost nothing.
        let start = page * PAGE_POSITIONS;
        let mut weight = lanes.first(positions.end - start, weight, zero);
        if positions.start > start {
            weight = lanes.first(positions.start - start, zero, weight);
        }
        sums = lanes.add(sums, weight);
        lanes.store(weight, &mut scores[page].0);
    }
    lanes.store(sums, &mut seen.sums.0);
}
