//! Growing a tree leaf by leaf, the most gainful first.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    ops::Range,
    thread,
};

use crate::{
    BoostedTreesOptions,
    bins::BinnedMatrix,
    forest::{Node, Split, Tree},
    histogram::{Gradient, Sums, add_rows, subtract},
    split::{Candidate, Limits, best_of_column},
};

/// Beyond this, nodes that wait keep no histogram; theirs is built anew from their rows.
const MOST_KEPT_BYTES: usize = 512 << 20;
/// Starting threads takes longer than adding fewer values than this.
const LEAST_WORK_FOR_THREADS: usize = 1 << 18;

/// What the trees of a round are grown from.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    pub(crate) matrix: &'a BinnedMatrix,
    pub(crate) limits: Limits,
    pub(crate) max_leaves: usize,
    pub(crate) deepest: usize,
    pub(crate) threads: usize,
}

/// A grown tree, and which part of the given rows each of its leaves holds.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    pub(crate) leaf_rows: Vec<Range<usize>>,
}

type Histogram = Vec<Sums>;

/// A node that may be split yet.
#[derive(Debug)]
struct Open {
    rows: Range<usize>,
    depth: usize,
    sums: Sums,
    /// Only if it may be split.
    best: Option<Candidate>,
    histogram: Option<Histogram>,
}

/// A node in the order of splitting: by gain, the older of equal ones first.
#[derive(Debug, PartialEq)]
struct Turn {
    gain: f64,
    node: Reverse<usize>,
}

impl Eq for Turn {}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Two nodes whose rows make up one that was split, the smaller first; or the root alone.
struct Siblings<'a> {
    smaller: &'a mut Open,
    smaller_histogram: Histogram,
    larger: Option<&'a mut Open>,
    /// Of both together, if it was kept.
    histogram: Option<Histogram>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(matrix: &'a BinnedMatrix, options: &BoostedTreesOptions, threads: usize) -> Self {
        Self {
            matrix,
            limits: Limits::new(options),
            max_leaves: options.max_leaves,
            deepest: options.deepest(),
            threads,
        }
    }

    /// Grows a tree over some rows, which are put in the order of the leaves.
    pub(crate) fn grow(
        &self,
        gradients: &[Gradient],
        rows: &mut [u32],
        leaf_value: &mut dyn FnMut(&Sums, &[u32]) -> f32,
    ) -> Grown {
        let mut growth = Growth {
            grower: self,
            gradients,
            scratch: Vec::new(),
            nodes: vec![None],
            open: Vec::new(),
            turns: BinaryHeap::new(),
            unused: Vec::new(),
            kept: 0,
        };
        let sums = Sums::of(gradients, rows);
        let mut root = Open { rows: 0..rows.len(), depth: 0, sums, best: None, histogram: None };
        if self.may_split(&root) {
            let smaller_histogram = growth.empty_histogram();
            growth.search(
                rows,
                Siblings { smaller: &mut root, smaller_histogram, larger: None, histogram: None },
            );
        }
        growth.add(0, root);
        let mut leaves = 1;
        while leaves < self.max_leaves
            && let Some(turn) = growth.turns.pop()
        {
            leaves += 1;
            growth.split(turn.node.0, rows, leaves < self.max_leaves);
        }
        growth.finish(rows, leaf_value)
    }

    fn may_split(&self, open: &Open) -> bool {
        open.depth < self.deepest && self.limits.allow_split_of(&open.sums)
    }

    fn cells(&self) -> usize {
        self.matrix.offsets().last().copied().unwrap_or(0)
    }

    /// Columns in as many parts as there are threads, if there is work enough.
    fn parts(&self, rows: usize) -> Vec<Range<usize>> {
        let width = self.matrix.width();
        let enough = rows.saturating_mul(width) >= LEAST_WORK_FOR_THREADS;
        let parts = if enough { self.threads.clamp(1, width) } else { 1 };
        (0..parts).map(|part| part * width / parts..(part + 1) * width / parts).collect()
    }
}

/// A tree in the making.
struct Growth<'a> {
    grower: &'a Grower<'a>,
    gradients: &'a [Gradient],
    scratch: Vec<u32>,
    /// `None` is no split, or not yet.
    nodes: Vec<Option<Split>>,
    open: Vec<Open>,
    turns: BinaryHeap<Turn>,
    unused: Vec<Histogram>,
    kept: usize,
}

impl Growth<'_> {
    fn add(&mut self, node: usize, mut open: Open) {
        match &open.best {
            Some(best) => {
                self.turns.push(Turn { gain: best.gain, node: Reverse(node) });
                let bytes = (self.kept + 2) * self.grower.cells() * size_of::<Sums>();
                if bytes > MOST_KEPT_BYTES {
                    self.unused.extend(open.histogram.take());
                    self.unused.truncate(2);
                }
                self.kept += usize::from(open.histogram.is_some());
            }
            None => self.unused.extend(open.histogram.take()),
        }
        self.open.push(open);
    }

    fn empty_histogram(&mut self) -> Histogram {
        let mut histogram = self.unused.pop().unwrap_or_default();
        histogram.clear();
        histogram.resize(self.grower.cells(), Sums::default());
        histogram
    }

    /// Splits a node; if no other split may follow, its children are not searched.
    fn split(&mut self, node: usize, rows: &mut [u32], may_go_on: bool) {
        let parent = &mut self.open[node];
        let Some(best) = parent.best else { return };
        let histogram = parent.histogram.take();
        self.kept -= usize::from(histogram.is_some());
        let (range, depth, sums) = (parent.rows.clone(), parent.depth + 1, parent.sums);
        let middle = range.start + self.partition(&best, &mut rows[range.clone()]);

        let child = |rows, sums| Open { rows, depth, sums, best: None, histogram: None };
        let mut left = child(range.start..middle, best.left);
        let mut right = child(middle..range.end, sums.minus(best.left));
        if may_go_on && (self.grower.may_split(&left) || self.grower.may_split(&right)) {
            let smaller_histogram = self.empty_histogram();
            let is_left_smaller = left.rows.len() <= right.rows.len();
            let (smaller, larger) =
                if is_left_smaller { (&mut left, &mut right) } else { (&mut right, &mut left) };
            self.search(rows, Siblings { smaller, smaller_histogram, larger: Some(larger), histogram });
        } else {
            self.unused.extend(histogram);
        }

        let matrix = self.grower.matrix;
        let first_child = self.nodes.len();
        self.nodes[node] = Some(Split {
            column: matrix.original(best.column),
            threshold: matrix.edges()[best.column].threshold(best.bin),
            missing_left: best.missing_left,
            left: first_child as u32,
            right: first_child as u32 + 1,
            gain: best.gain,
        });
        self.nodes.extend([None, None]);
        self.add(first_child, left);
        self.add(first_child + 1, right);
    }

    /// Puts the rows that go left before the others, both in their order, and says how many these are.
    fn partition(&mut self, split: &Candidate, rows: &mut [u32]) -> usize {
        let matrix = self.grower.matrix;
        let missing = matrix.edges()[split.column].bins();
        let codes = matrix.column(split.column);
        self.scratch.clear();
        let mut left = 0;
        for place in 0..rows.len() {
            let row = rows[place];
            let code = codes[row as usize];
            let is_missing = usize::from(code) == missing;
            if if is_missing { split.missing_left } else { code <= split.bin } {
                rows[left] = row;
                left += 1;
            } else {
                self.scratch.push(row);
            }
        }
        rows[left..].copy_from_slice(&self.scratch);
        left
    }

    /// Finds the best splits of two nodes: the smaller one's histogram is counted, the larger one's is what it leaves
    /// of that of both.
    fn search(&mut self, rows: &[u32], siblings: Siblings<'_>) {
        let Siblings { smaller, mut smaller_histogram, mut larger, histogram } = siblings;
        let search_smaller = self.grower.may_split(smaller);
        let search_larger = larger.as_ref().is_some_and(|larger| self.grower.may_split(larger));
        let has_whole = histogram.is_some();
        let mut larger_histogram = match histogram {
            Some(histogram) => histogram,
            None if search_larger => self.empty_histogram(),
            None => Vec::new(),
        };
        let count_smaller = search_smaller || has_whole;
        let larger_rows = larger.as_ref().map_or(0..0, |larger| larger.rows.clone());
        let counted = if has_whole { smaller.rows.len() } else { smaller.rows.len() + larger_rows.len() };

        let task = |columns: Range<usize>, smaller_cells: &mut [Sums], larger_cells: &mut [Sums]| {
            let add = |cells: &mut [Sums], rows: &[u32]| {
                add_rows(cells, columns.clone(), self.grower.matrix, self.gradients, rows);
            };
            if count_smaller {
                add(smaller_cells, &rows[smaller.rows.clone()]);
            }
            let mut best = (None, None);
            if search_smaller {
                best.0 = self.best(columns.clone(), smaller_cells, &smaller.sums);
            }
            if search_larger && let Some(larger) = &larger {
                if has_whole {
                    subtract(larger_cells, smaller_cells);
                } else {
                    add(larger_cells, &rows[larger_rows.clone()]);
                }
                best.1 = self.best(columns, larger_cells, &larger.sums);
            }
            best
        };
        let parts = self.grower.parts(counted);
        let found = if let [all] = &parts[..] {
            vec![task(all.clone(), &mut smaller_histogram, &mut larger_histogram)]
        } else {
            let smaller_parts = self.cut(&parts, &mut smaller_histogram);
            let larger_parts = self.cut(&parts, &mut larger_histogram);
            thread::scope(|scope| {
                let task = &task;
                let tasks: Vec<_> = parts
                    .iter()
                    .zip(smaller_parts.into_iter().zip(larger_parts))
                    .map(|(columns, cells)| scope.spawn(move || task(columns.clone(), cells.0, cells.1)))
                    .collect();
                let done = |task: thread::ScopedJoinHandle<'_, _>| {
                    task.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                tasks.into_iter().map(done).collect()
            })
        };
        for (of_smaller, of_larger) in found {
            smaller.best = better(smaller.best, of_smaller);
            if let Some(larger) = &mut larger {
                larger.best = better(larger.best, of_larger);
            }
        }
        if search_smaller {
            smaller.histogram = Some(smaller_histogram);
        } else {
            self.unused.push(smaller_histogram);
        }
        match larger {
            Some(larger) if search_larger => larger.histogram = Some(larger_histogram),
            _ => self.unused.push(larger_histogram),
        }
    }

    /// A histogram in the parts that belong to the columns; one that is not used has none.
    fn cut<'h>(&self, parts: &[Range<usize>], mut cells: &'h mut [Sums]) -> Vec<&'h mut [Sums]> {
        let offsets = self.grower.matrix.offsets();
        let mut cut = Vec::with_capacity(parts.len());
        for columns in parts {
            let length = (offsets[columns.end] - offsets[columns.start]).min(cells.len());
            let (part, rest) = cells.split_at_mut(length);
            cut.push(part);
            cells = rest;
        }
        cut
    }

    fn best(&self, columns: Range<usize>, cells: &[Sums], whole: &Sums) -> Option<Candidate> {
        let offsets = self.grower.matrix.offsets();
        let first = offsets[columns.start];
        let mut best = None;
        for column in columns {
            let cells = &cells[offsets[column] - first..offsets[column + 1] - first];
            best = better(best, best_of_column(column, cells, whole, &self.grower.limits));
        }
        best
    }

    fn finish(self, rows: &[u32], leaf_value: &mut dyn FnMut(&Sums, &[u32]) -> f32) -> Grown {
        let mut tree = Tree { nodes: Vec::with_capacity(self.nodes.len()), values: Vec::new() };
        let mut leaf_rows = Vec::new();
        for (split, open) in self.nodes.into_iter().zip(self.open) {
            if let Some(split) = split {
                tree.nodes.push(Node::Split(split));
                continue;
            }
            tree.nodes.push(Node::Leaf(leaf_rows.len() as u32));
            tree.values.push(leaf_value(&open.sums, &rows[open.rows.clone()]));
            leaf_rows.push(open.rows);
        }
        Grown { tree, leaf_rows }
    }
}

/// The more gainful split; the first of equal ones.
fn better(one: Option<Candidate>, other: Option<Candidate>) -> Option<Candidate> {
    match (one, other) {
        (Some(first), Some(second)) if second.gain > first.gain => Some(second),
        (None, second) => second,
        (first, _) => first,
    }
}
