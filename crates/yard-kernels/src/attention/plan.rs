//! Which rows of queries are worked on together.

use std::ops::Range;

use super::SequenceRows;
use super::pages::PAGE_POSITIONS;

/// Pages whose scores are taken into account at once.
pub(super) const CHUNK_PAGES: usize = 4;
/// Positions in a chunk.
pub(super) const CHUNK: usize = CHUNK_PAGES * PAGE_POSITIONS;
/// Chunks whose part of a result is computed for itself and then joined with that of the chunks before.
pub(super) const SPAN_CHUNKS: usize = 8;
/// Rows of queries (tokens times heads) whose state stays in a core's cache.
const ROWS_A_BLOCK: usize = 96;

/// A token that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) sequence: usize,
    pub(super) position: usize,
}

/// Neighbouring tokens that are worked on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) tokens: Range<usize>,
    /// Leading chunks whose pages all tokens share.
    pub(super) shared_chunks: usize,
}

/// All tokens in the order of the rows of queries.
pub(super) fn tokens(sequences: &[SequenceRows<'_>]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (sequence, rows) in sequences.iter().enumerate() {
        let positions = rows.first_position..rows.first_position + rows.rows;
        tokens.extend(positions.map(|position| Token { sequence, position }));
    }
    tokens
}

/// Cuts the tokens into blocks. Neighbouring sequences whose first chunks are the same pages are put together.
pub(super) fn blocks(sequences: &[SequenceRows<'_>], heads_a_group: usize) -> Vec<Block> {
    let tokens_a_block = (ROWS_A_BLOCK / heads_a_group).max(1);
    let mut blocks = Vec::new();
    let mut first_token = 0;
    let mut rest = sequences;
    while !rest.is_empty() {
        let (count, shared_chunks) = leading_group(rest);
        let tokens: usize = rest[..count].iter().map(|sequence| sequence.rows).sum();
        let end = first_token + tokens;
        while first_token < end {
            let block_end = end.min(first_token + tokens_a_block);
            blocks.push(Block { tokens: first_token..block_end, shared_chunks });
            first_token = block_end;
        }
        rest = &rest[count..];
    }
    blocks
}

/// How many of the first sequences share leading chunks with the very first, and how many chunks they all share.
fn leading_group(sequences: &[SequenceRows<'_>]) -> (usize, usize) {
    let first = sequences[0].pages;
    let mut shared_pages = first.len();
    let mut count = 1;
    for sequence in &sequences[1..] {
        let same = first.iter().zip(sequence.pages).take_while(|(a, b)| a == b).count();
        if same < CHUNK_PAGES {
            break;
        }
        // A longer group must not make what is shared much shorter.
        if count > 1 && same * 2 < shared_pages {
            break;
        }
        shared_pages = shared_pages.min(same);
        count += 1;
    }
    if count == 1 { (1, 0) } else { (count, shared_pages / CHUNK_PAGES) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sequences: &[(&[u32], usize, usize)], heads: usize, expected: &[(Range<usize>, usize)]) {
        let sequences: Vec<SequenceRows<'_>> = sequences
            .iter()
            .map(|(pages, first_position, rows)| SequenceRows {
                pages,
                first_position: *first_position,
                rows: *rows,
            })
            .collect();
        let found: Vec<(Range<usize>, usize)> =
            blocks(&sequences, heads).into_iter().map(|block| (block.tokens, block.shared_chunks)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_long_prompt_is_cut_into_blocks() {
        check(&[(&[0; 20], 0, 100)], 3, &[(0..32, 0), (32..64, 0), (64..96, 0), (96..100, 0)]);
        check(&[(&[0; 20], 0, 3)], 200, &[(0..1, 0), (1..2, 0), (2..3, 0)]);
    }

    #[test]
    fn neighbours_that_share_leading_chunks_are_put_together() {
        let (a, b, c) = ([1, 2, 3, 4, 5], [1, 2, 3, 4, 6, 7], [9, 2, 3, 4]);
        check(&[(&a, 70, 1), (&b, 80, 1), (&c, 10, 1)], 4, &[(0..2, 1), (2..3, 0)]);
    }

    #[test]
    fn less_than_a_chunk_is_not_shared() {
        check(&[(&[1, 2, 3, 4], 50, 1), (&[1, 2, 3, 5], 50, 1)], 4, &[(0..1, 0), (1..2, 0)]);
    }

    #[test]
    fn a_group_is_not_stretched_to_those_who_share_little() {
        let long: Vec<u32> = (0..40).collect();
        let mut other = long.clone();
        other.push(50);
        let short: Vec<u32> = (0..4).chain(90..100).collect();
        check(
            &[(&long, 600, 1), (&other, 650, 1), (&short, 200, 1), (&short, 210, 1)],
            4,
            &[(0..2, 10), (2..4, 3)],
        );
    }

    #[test]
    fn sequences_without_rows_make_no_blocks() {
        check(&[(&[1], 3, 0), (&[], 0, 0)], 4, &[]);
    }
}
