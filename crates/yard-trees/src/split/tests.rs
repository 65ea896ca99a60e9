use proptest::prelude::*;

use super::*;

/// A column of codes, of which the last is that of missing values, with a gradient for each row.
#[derive(Debug, Clone)]
struct Column {
    bins: usize,
    rows: Vec<(usize, i32)>,
}

fn sums_of(rows: impl Iterator<Item = i32>) -> Sums {
    rows.fold(Sums::default(), |sums, first| {
        sums.plus(Sums { first: f64::from(first), second: 1.0, rows: 1 })
    })
}

fn limits(min_leaf_rows: usize, l2: f64) -> Limits {
    Limits::new(&BoostedTreesOptions { min_leaf_rows, l2, ..BoostedTreesOptions::default() })
}

/// By trying every way to cut the rows in two.
fn best_gain_by_force(column: &Column, limits: &Limits) -> f64 {
    let whole = sums_of(column.rows.iter().map(|(_, first)| *first));
    let mut best = 0.0_f64;
    for bin in 0..column.bins {
        for missing_left in [false, true] {
            let goes_left = |code: usize| if code == column.bins { missing_left } else { code <= bin };
            let side = |left: bool| {
                let rows = column.rows.iter().filter(move |(code, _)| goes_left(*code) == left);
                sums_of(rows.map(|(_, first)| *first))
            };
            if let Some(gain) = limits.gain(&whole, &side(true), &side(false)) {
                best = best.max(gain);
            }
        }
    }
    best
}

fn cells(column: &Column) -> Vec<Sums> {
    (0..=column.bins)
        .map(|bin| {
            let rows = column.rows.iter().filter(|(code, _)| *code == bin);
            sums_of(rows.map(|(_, first)| *first))
        })
        .collect()
}

fn columns() -> impl Strategy<Value = Column> {
    (1_usize..6).prop_flat_map(|bins| {
        prop::collection::vec((0..=bins, -9..10), 1..20).prop_map(move |rows| Column { bins, rows })
    })
}

proptest! {
    #[test]
    fn no_other_split_gains_more(column in columns(), min_leaf_rows in 1_usize..4, l2 in 0..3) {
        let limits = limits(min_leaf_rows, f64::from(l2));
        let whole = sums_of(column.rows.iter().map(|(_, first)| *first));
        let found = best_of_column(0, &cells(&column), &whole, &limits);
        let by_force = best_gain_by_force(&column, &limits);
        prop_assert!((found.map_or(0.0, |found| found.gain) - by_force).abs() < 1e-9);
        if let Some(found) = found {
            prop_assert!(found.left.rows as usize >= min_leaf_rows);
            prop_assert!((whole.rows - found.left.rows) as usize >= min_leaf_rows);
        }
    }
}

#[test]
fn the_first_of_equal_splits_wins_and_missing_values_follow_the_majority() {
    // Both cuts beside the middle bin, which is empty, are one: the lower is taken.
    let column = Column { bins: 3, rows: vec![(0, -1), (2, 1), (2, 1)] };
    let whole = sums_of([-1, 1, 1].into_iter());
    let found = best_of_column(4, &cells(&column), &whole, &limits(1, 0.0)).unwrap();
    assert_eq!((found.column, found.bin, found.missing_left), (4, 0, false));
    let column = Column { bins: 2, rows: vec![(0, -1), (0, -1), (1, 1)] };
    let whole = sums_of([-1, -1, 1].into_iter());
    assert!(best_of_column(0, &cells(&column), &whole, &limits(1, 0.0)).unwrap().missing_left);
}

#[test]
fn equal_rows_are_not_split() {
    let column = Column { bins: 3, rows: vec![(0, 3), (1, 3), (2, 3), (3, 3)] };
    let whole = sums_of([3; 4].into_iter());
    assert_eq!(best_of_column(0, &cells(&column), &whole, &limits(1, 0.0)), None);
}
