//! From a row for each token to one for the text.

/// How that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The mean of all tokens.
    Mean,
    /// The first token's row.
    First,
    /// The largest value of each column.
    Largest,
    /// The last token's row.
    Last,
}

/// Pools rows of `width` values each, of which there is at least one.
pub(crate) fn pool(rows: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    debug_assert!(width > 0 && rows.len() >= width && rows.len().is_multiple_of(width), "whole rows");
    match pooling {
        Pooling::First => rows[..width].to_vec(),
        Pooling::Last => rows[rows.len() - width..].to_vec(),
        Pooling::Largest => {
            let mut largest = rows[..width].to_vec();
            for row in rows.chunks_exact(width) {
                for (kept, value) in largest.iter_mut().zip(row) {
                    *kept = kept.max(*value);
                }
            }
            largest
        }
        Pooling::Mean => {
            let mut sums = vec![0.0_f64; width];
            for row in rows.chunks_exact(width) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
            let count = (rows.len() / width) as f64;
            sums.into_iter().map(|sum| (sum / count) as f32).collect()
        }
    }
}

/// Gives a row the length of one; a row of zeros stays one.
pub(crate) fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [f32; 6] = [1.0, -2.0, 3.0, 4.0, 5.0, -8.0];

    #[test]
    fn each_way_is_what_it_is_called() {
        assert_eq!(pool(&ROWS, 2, Pooling::Mean), [3.0, -2.0]);
        assert_eq!(pool(&ROWS, 2, Pooling::First), [1.0, -2.0]);
        assert_eq!(pool(&ROWS, 2, Pooling::Largest), [5.0, 4.0]);
        assert_eq!(pool(&ROWS, 2, Pooling::Last), [5.0, -8.0]);
        for pooling in [Pooling::Mean, Pooling::First, Pooling::Largest, Pooling::Last] {
            assert_eq!(pool(&ROWS[..3], 3, pooling), ROWS[..3], "one token is its own mean");
        }
    }

    #[test]
    fn rows_have_the_length_of_one() {
        let mut row = [3.0, -4.0];
        normalize(&mut row);
        assert_eq!(row, [0.6, -0.8]);
        let mut zeros = [0.0, 0.0];
        normalize(&mut zeros);
        assert_eq!(zeros, [0.0, 0.0]);
    }
}
