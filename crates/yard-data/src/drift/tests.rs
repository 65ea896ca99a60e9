use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;
use crate::statistics::{StatisticsBuilder, StatisticsOptions};

fn measured(columns: Vec<(&str, ArrayRef)>) -> Statistics {
    let mut builder = StatisticsBuilder::new(StatisticsOptions::default());
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    builder.add(&RecordBatch::try_from_iter_with_nullable(columns).unwrap()).unwrap();
    builder.finish()
}

fn of_texts(values: &[Option<&str>]) -> Statistics {
    measured(vec![("x", Arc::new(values.iter().copied().collect::<StringArray>()))])
}

fn of_numbers(values: &[f64]) -> Statistics {
    measured(vec![("x", Arc::new(Float64Array::from(values.to_vec())))])
}

fn between(first: &Statistics, second: &Statistics) -> ColumnDrift {
    drift(first, second, &DriftOptions::default()).remove(0)
}

fn distance_of(first: &Statistics, second: &Statistics) -> Distance {
    between(first, second).distance.unwrap()
}

/// Draws that look normal: the sum of twelve even ones, from a fixed sequence.
fn normal(count: u64, shift: f64, start: u64) -> Vec<f64> {
    let even = |number: u64| {
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) as f64 / u64::MAX as f64
    };
    (0..count)
        .map(|row| (0..12).map(|part| even(start + row * 12 + part)).sum::<f64>() - 6.0 + shift)
        .collect()
}

#[test]
fn categories_are_as_far_apart_as_the_share_that_changed_most() {
    let first = of_texts(&[Some("a"), Some("a"), Some("b"), None]);
    let second = of_texts(&[Some("a"), Some("c"), Some("c"), Some("c")]);
    let distance = distance_of(&first, &second);
    assert_eq!(distance.measure, Measure::LInfinity);
    assert_eq!(distance.value, 0.75);
    assert_eq!(distance.largest, Some(("c".to_owned(), 0.0, 0.75)));
}

#[test]
fn a_shift_of_half_a_deviation_is_drift_and_another_sample_is_not() {
    let first = of_numbers(&normal(4000, 0.0, 0));
    let again = between(&first, &of_numbers(&normal(4000, 0.0, 1_000_000)));
    assert_eq!(again.verdict, Verdict::Stable, "{again:?}");
    let shifted = between(&first, &of_numbers(&normal(4000, 0.6, 2_000_000)));
    assert_eq!(shifted.verdict, Verdict::Drifted, "{shifted:?}");
}

#[test]
fn few_rows_are_not_called_drift() {
    let few = between(&of_numbers(&normal(12, 0.0, 0)), &of_numbers(&normal(12, 0.3, 500)));
    assert_eq!(few.verdict, Verdict::TooFewRows, "{few:?}");
    let few = between(&of_texts(&[Some("a"), Some("b")]), &of_texts(&[Some("a"), Some("a")]));
    assert_eq!(few.verdict, Verdict::TooFewRows, "{few:?}");
}

#[test]
fn lost_values_are_drift() {
    let whole = normal(2000, 0.0, 0);
    let half: Vec<f64> =
        whole.iter().enumerate().map(|(row, &value)| if row % 2 == 0 { value } else { f64::NAN }).collect();
    assert_eq!(between(&of_numbers(&whole), &of_numbers(&half)).verdict, Verdict::Drifted);
    let lost = distance_of(&of_numbers(&whole), &of_numbers(&vec![f64::NAN; 2000]));
    assert_eq!(lost.value, 1.0);
}

#[test]
fn neither_outliers_nor_units_matter() {
    let (first, second) = (normal(3000, 0.0, 0), normal(3000, 0.4, 90_000));
    let plain = distance_of(&of_numbers(&first), &of_numbers(&second)).value;
    let scaled =
        |values: &[f64]| of_numbers(&values.iter().map(|value| value * 1024.0 + 64.0).collect::<Vec<_>>());
    assert!((distance_of(&scaled(&first), &scaled(&second)).value - plain).abs() < 1e-12);
    let with_outlier = of_numbers(&[first.as_slice(), &[1e30]].concat());
    assert!((distance_of(&with_outlier, &of_numbers(&second)).value - plain).abs() < 0.01);
}

#[test]
fn columns_that_cannot_be_compared_are_named() {
    let first = measured(vec![
        ("a", Arc::new(Float64Array::from(vec![1.0]))),
        ("b", Arc::new(Float64Array::from(vec![1.0]))),
    ]);
    let second = measured(vec![
        ("b", Arc::new(StringArray::from(vec!["x"]))),
        ("c", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let verdicts: Vec<_> = drift(&first, &second, &DriftOptions::default())
        .into_iter()
        .map(|drift| (drift.column, drift.verdict))
        .collect();
    let expected = [("a", Verdict::Gone), ("b", Verdict::KindChanged), ("c", Verdict::New)];
    assert_eq!(verdicts, expected.map(|(name, verdict)| (name.to_owned(), verdict)));
}

#[test]
fn free_text_is_compared_by_its_lengths() {
    let texts = |longer: usize| {
        let values: StringArray =
            (0..3000).map(|row| Some(format!("{}{row:06}", "x".repeat(row % 9 * longer)))).collect();
        measured(vec![("x", Arc::new(values))])
    };
    let same = between(&texts(1), &texts(1));
    assert_eq!(same.distance.unwrap().measure, Measure::JensenShannonOfLengths);
    assert_eq!(same.verdict, Verdict::Stable);
    assert_eq!(between(&texts(1), &texts(5)).verdict, Verdict::Drifted);
}

#[test]
fn a_baseline_that_was_kept_gives_the_same_distance() {
    let (first, second) = (of_numbers(&normal(5000, 0.0, 0)), of_numbers(&normal(5000, 0.2, 70_000)));
    let kept = Statistics::from_json(&first.to_json()).unwrap();
    assert_eq!(between(&kept, &second), between(&first, &second));
}

/// Scipy's and numpy's figures for the same counts; `statistics.py` beside the file makes it.
#[test]
fn distances_are_those_of_scipy() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/reference/statistics.json")).unwrap();
    for pair in reference["drift"].as_array().unwrap() {
        let counts = |side: &str| -> Vec<usize> {
            pair[side].as_array().unwrap().iter().map(|count| count.as_u64().unwrap() as usize).collect()
        };
        let rows = |side: &str| -> Vec<usize> {
            counts(side).into_iter().enumerate().flat_map(|(value, count)| vec![value; count]).collect()
        };
        let numbers = |side: &str| {
            of_numbers(&rows(side).into_iter().map(|value| value as f64 * 0.1).collect::<Vec<_>>())
        };
        let words = |side: &str| {
            let words: Vec<String> = rows(side).into_iter().map(|value| format!("w{value}")).collect();
            of_texts(&words.iter().map(|word| Some(word.as_str())).collect::<Vec<_>>())
        };
        let divergence = distance_of(&numbers("first"), &numbers("second")).value;
        assert!(
            (divergence - pair["jensen_shannon"].as_f64().unwrap()).abs() < 1e-12,
            "{divergence} for {pair}"
        );
        let largest = distance_of(&words("first"), &words("second")).value;
        assert!((largest - pair["l_infinity"].as_f64().unwrap()).abs() < 1e-12, "{largest} for {pair}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distances_are_between_none_and_one_and_the_same_both_ways(
        first in prop::collection::vec(prop::option::weighted(0.9, -20_i8..20), 1..300),
        second in prop::collection::vec(prop::option::weighted(0.9, -5_i8..40), 1..300),
    ) {
        let numbers = |values: &[Option<i8>]| values.iter().map(|value| value.map_or(f64::NAN, f64::from)).collect::<Vec<_>>();
        let words = |values: &[Option<i8>]| -> ArrayRef {
            Arc::new(values.iter().map(|value| value.map(|value| format!("w{}", value / 5))).collect::<StringArray>())
        };
        let sides = [
            (of_numbers(&numbers(&first)), of_numbers(&numbers(&second))),
            (measured(vec![("x", words(&first))]), measured(vec![("x", words(&second))])),
        ];
        for (left, right) in &sides {
            let there = distance_of(left, right);
            let back = distance_of(right, left);
            prop_assert!((0.0..=1.0).contains(&there.value));
            prop_assert!((there.value - back.value).abs() < 1e-12);
            prop_assert!((there.noise - back.noise).abs() < 1e-12);
            prop_assert!(distance_of(left, left).value < 1e-12);
        }
    }

    #[test]
    fn numbers_with_nothing_in_common_are_one_apart(count in 1_usize..400, other in 1_usize..400) {
        let low: Vec<f64> = (0..count).map(|row| row as f64).collect();
        let high: Vec<f64> = (0..other).map(|row| 1000.0 + row as f64).collect();
        let distance = distance_of(&of_numbers(&low), &of_numbers(&high));
        prop_assert!(distance.value > 0.9, "{}", distance.value);
    }
}
