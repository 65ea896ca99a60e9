//! Values of columns as small codes.

use crate::{draw::Draw, set::TreeMatrix};

/// More rows do not make the edges of 255 bins better.
const MOST_SAMPLED_ROWS: usize = 200_000;
/// How many rows are turned into columns at a time.
const STRIP: usize = 256;

/// A column's bins: a value lies in the first whose edge it does not exceed, or in the last, which has no edge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edges {
    edges: Vec<f32>,
}

/// A matrix of codes of all columns or of some.
#[derive(Debug)]
pub(crate) struct BinnedMatrix {
    rows: usize,
    /// Which columns of the original these are.
    columns: Vec<u32>,
    edges: Vec<Edges>,
    /// Where each column's cells begin in a histogram, and behind the last one where they end.
    offsets: Vec<usize>,
    /// Row by row, for counting.
    codes: Vec<u8>,
    /// Column by column, for parting rows by one column.
    codes_by_column: Vec<u8>,
}

impl Edges {
    /// Edges for values of which none is missing or infinite, in any order.
    pub(crate) fn of(mut values: Vec<f32>, most_bins: usize) -> Self {
        values.sort_unstable_by(f32::total_cmp);
        let mut counts: Vec<(f32, usize)> = Vec::new();
        for value in values {
            match counts.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => counts.push((value, 1)),
            }
        }
        let edges = if counts.len() <= most_bins {
            counts.windows(2).map(|pair| between(pair[0].0, pair[1].0)).collect()
        } else {
            even_edges(&counts, most_bins)
        };
        Self { edges }
    }

    /// How many bins there are, which is also the code of a missing value.
    pub(crate) fn bins(&self) -> usize {
        self.edges.len() + 1
    }

    fn code(&self, value: f32) -> u8 {
        let bin = if value.is_nan() { self.bins() } else { self.edges.partition_point(|edge| *edge < value) };
        bin as u8
    }

    /// The threshold that sends a bin and all before it to the left; behind the last bin only missing values remain.
    pub(crate) fn threshold(&self, bin: u8) -> f32 {
        self.edges.get(usize::from(bin)).copied().unwrap_or(f32::INFINITY)
    }
}

impl BinnedMatrix {
    /// Puts every value into a bin.
    pub(crate) fn new(matrix: &TreeMatrix<'_>, most_bins: usize, seed: u64) -> Self {
        let sample = (matrix.rows() > MOST_SAMPLED_ROWS).then(|| {
            let draw = Draw::new(seed, "yard-trees bins", 0);
            draw.choose(MOST_SAMPLED_ROWS as u32, matrix.rows() as u32)
        });
        let column_edges = |column: usize| {
            let value = |row: usize| matrix.values()[row * matrix.columns() + column];
            let known = |value: &f32| !value.is_nan();
            let values = match &sample {
                Some(rows) => rows.iter().map(|row| value(*row as usize)).filter(known).collect(),
                None => (0..matrix.rows()).map(value).filter(known).collect(),
            };
            Edges::of(values, most_bins)
        };
        let edges: Vec<Edges> = (0..matrix.columns()).map(column_edges).collect();
        let mut codes = Vec::with_capacity(matrix.values().len());
        for row in matrix.values().chunks_exact(matrix.columns()) {
            codes.extend(row.iter().zip(&edges).map(|(value, edges)| edges.code(*value)));
        }
        let columns = (0..matrix.columns() as u32).collect();
        Self::of_codes(matrix.rows(), columns, edges, codes)
    }

    fn of_codes(rows: usize, columns: Vec<u32>, edges: Vec<Edges>, codes: Vec<u8>) -> Self {
        let mut codes_by_column = vec![0; codes.len()];
        // In strips of rows, so that what is written next is still near.
        for strip in (0..rows).step_by(STRIP) {
            for column in 0..edges.len() {
                for row in strip..rows.min(strip + STRIP) {
                    codes_by_column[column * rows + row] = codes[row * edges.len() + column];
                }
            }
        }
        Self { rows, columns, offsets: offsets(&edges), edges, codes, codes_by_column }
    }

    /// A copy with some of the columns.
    pub(crate) fn with_columns(&self, chosen: &[u32]) -> Self {
        let mut codes = Vec::with_capacity(self.rows * chosen.len());
        for row in self.codes.chunks_exact(self.width()) {
            codes.extend(chosen.iter().map(|column| row[*column as usize]));
        }
        let columns = chosen.iter().map(|column| self.columns[*column as usize]).collect();
        let edges = chosen.iter().map(|column| self.edges[*column as usize].clone()).collect();
        Self::of_codes(self.rows, columns, edges, codes)
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn width(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn edges(&self) -> &[Edges] {
        &self.edges
    }

    pub(crate) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The number of a column in the original.
    pub(crate) fn original(&self, column: usize) -> u32 {
        self.columns[column]
    }

    pub(crate) fn column(&self, column: usize) -> &[u8] {
        &self.codes_by_column[column * self.rows..(column + 1) * self.rows]
    }

    pub(crate) fn row(&self, row: u32) -> &[u8] {
        let first = row as usize * self.width();
        &self.codes[first..first + self.width()]
    }
}

/// Each column has a cell for every bin and one for missing values.
fn offsets(edges: &[Edges]) -> Vec<usize> {
    let mut offsets = vec![0];
    let mut end = 0;
    for edges in edges {
        end += edges.bins() + 1;
        offsets.push(end);
    }
    offsets
}

/// The middle of two values, or the lower one where the middle would round to the upper.
pub(crate) fn between(lower: f32, upper: f32) -> f32 {
    let middle = (f64::midpoint(f64::from(lower), f64::from(upper))) as f32;
    if middle < upper { middle } else { lower }
}

/// Edges that give the bins about as many values each; a value that fills a bin alone gets one.
fn even_edges(counts: &[(f32, usize)], most_bins: usize) -> Vec<f32> {
    let mut edges = Vec::with_capacity(most_bins - 1);
    let mut left: usize = counts.iter().map(|(_, count)| count).sum();
    let mut in_bin = 0;
    for pair in counts.windows(2) {
        let bins_left = most_bins - edges.len();
        if bins_left == 1 {
            break;
        }
        let ((value, count), (next, next_count)) = (pair[0], pair[1]);
        in_bin += count;
        let fair = left.div_ceil(bins_left);
        if in_bin >= fair || next_count >= fair {
            edges.push(between(value, next));
            left -= in_bin;
            in_bin = 0;
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thresholds_lie_between_neighbours_even_where_no_number_does() {
        let next = 1.0_f32.next_up();
        let cases = [
            (1.0, 2.0, 1.5),
            (1.0, next, 1.0),
            (-1.0, 1.0, 0.0),
            (f32::MIN, f32::MAX, 0.0),
            (0.0, f32::from_bits(1), 0.0),
            (-f32::from_bits(1), 0.0, -f32::from_bits(1)),
        ];
        for (lower, upper, expected) in cases {
            assert_eq!(between(lower, upper), expected, "{lower} {upper}");
            assert!(lower <= between(lower, upper) && between(lower, upper) < upper);
        }
    }

    #[test]
    fn both_zeros_are_one_value() {
        let edges = Edges::of(vec![0.0, -0.0, 1.0, -0.0], 255);
        assert_eq!((edges.bins(), edges.code(0.0), edges.code(-0.0)), (2, 0, 0));
    }

    #[test]
    fn missing_values_have_their_own_code_and_constant_columns_one_bin() {
        let edges = Edges::of(vec![3.0; 4], 255);
        assert_eq!((edges.bins(), edges.code(3.0), edges.code(f32::NAN)), (1, 0, 1));
        assert_eq!(Edges::of(Vec::new(), 255).bins(), 1);
    }

    #[test]
    fn many_values_share_bins_evenly_and_frequent_ones_stand_alone() {
        let mut values: Vec<f32> = (0..10_000).map(|value| value as f32).collect();
        values.extend(std::iter::repeat_n(5000.5, 10_000));
        let edges = Edges::of(values.clone(), 21);
        let mut counts = vec![0; edges.bins()];
        for value in values {
            counts[usize::from(edges.code(value))] += 1;
        }
        assert!(edges.bins() <= 21);
        assert!(counts.contains(&10_000), "{counts:?}");
        assert!(counts.iter().all(|count| *count == 10_000 || (200..1100).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_code_is_left_of_a_threshold_exactly_if_the_value_is(
            values in prop::collection::vec(-50_i16..50, 1..200),
            most_bins in 2_usize..=40,
        ) {
            let values: Vec<f32> = values.into_iter().map(|value| f32::from(value) / 7.0).collect();
            let edges = Edges::of(values.clone(), most_bins);
            prop_assert!(edges.bins() <= most_bins);
            for bin in 0..edges.bins() as u8 {
                for value in &values {
                    prop_assert_eq!(edges.code(*value) <= bin, *value <= edges.threshold(bin));
                }
            }
        }
    }
}
