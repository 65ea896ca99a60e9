use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

fn numbers(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn measured(batches: &[RecordBatch]) -> Statistics {
    let mut builder = StatisticsBuilder::new(StatisticsOptions::default());
    for batch in batches {
        builder.add(batch).unwrap();
    }
    builder.finish()
}

fn column_of(array: ArrayRef) -> ColumnStatistics {
    measured(&[batch(vec![("x", array)])]).columns.remove(0)
}

#[test]
fn text_that_is_all_numbers_is_a_column_of_numbers() {
    let column = column_of(texts(&[Some("1"), Some("2.5"), None, Some("nan"), Some("inf"), Some("-1.0")]));
    assert_eq!(column.kind, ColumnKind::Number);
    assert_eq!((column.rows, column.missing, column.infinite, column.finite), (6, 2, 1, 3));
    let numbers = column.numbers.unwrap();
    assert_eq!((numbers.min, numbers.max, numbers.negatives, numbers.whole), (-1.0, 2.5, 1, false));
    assert_eq!(column.lengths, None);
}

#[test]
fn a_stray_word_among_numbers_is_named_with_its_row() {
    let column = column_of(texts(&[Some("1"), Some("2"), Some("none"), Some("3"), Some("?")]));
    assert_eq!(column.kind, ColumnKind::Text);
    assert_eq!(column.stray_word, Some((3, "none".to_owned())));
    assert_eq!(column.lengths.unwrap().max, 4.0);
}

#[test]
fn words_are_counted_with_their_lengths_in_characters() {
    let column = column_of(texts(&[Some("näh"), Some("a"), Some("näh"), None]));
    assert_eq!(column.distinct, Some(DistinctCount { value: 2, relative_error: 0.0 }));
    let expected = [("näh", 2), ("a", 1)].map(|(value, count)| ValueCount { value: value.to_owned(), count });
    assert_eq!(column.values, expected);
    assert!(column.values_complete);
    assert_eq!(column.lengths.unwrap().mean, Some(7.0 / 3.0));
}

#[test]
fn whole_numbers_beyond_what_a_double_tells_apart_stay_different_values() {
    let column = column_of(Arc::new(Int64Array::from(vec![9_007_199_254_740_992, 9_007_199_254_740_993])));
    assert_eq!(column.distinct.unwrap().value, 2);
}

#[test]
fn truth_values_and_dates_are_words() {
    assert_eq!(column_of(Arc::new(BooleanArray::from(vec![true, false, true]))).values[0].value, "true");
    assert_eq!(column_of(Arc::new(Date32Array::from(vec![0]))).values[0].value, "1970-01-01");
}

#[test]
fn images_are_measured_over_all_their_elements() {
    let mut blocks = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for block in [[0.0, 255.0], [1.0, 4.0]] {
        blocks.values().append_slice(&block);
        blocks.append(true);
    }
    blocks.values().append_slice(&[0.0, 0.0]);
    blocks.append(false);
    let column = column_of(Arc::new(blocks.finish()));
    assert_eq!(
        (column.kind, column.blocks, column.missing, column.distinct),
        (ColumnKind::Block, 2, 1, None)
    );
    let numbers = column.numbers.unwrap();
    assert_eq!((numbers.count, numbers.max, numbers.mean), (4, 255.0, Some(65.0)));
}

#[test]
fn bars_of_few_whole_numbers_stand_for_one_number_each() {
    let histogram = column_of(numbers(&[0.0, 1.0, 1.0, 3.0])).numbers.unwrap().histogram;
    assert_eq!(histogram.edges, [-0.5, 0.5, 1.5, 2.5, 3.5]);
    assert_eq!(histogram.counts, [1, 2, 0, 1]);
    let constant = column_of(numbers(&[2.5, 2.5])).numbers.unwrap().histogram;
    assert_eq!((constant.edges, constant.counts), (vec![2.5, 2.5], vec![2]));
}

#[test]
fn the_widest_range_of_doubles_has_a_histogram() {
    let histogram = column_of(numbers(&[f64::MIN, 0.5, f64::MAX])).numbers.unwrap().histogram;
    assert!(histogram.edges.is_sorted() && histogram.edges.iter().all(|edge| edge.is_finite()));
    assert_eq!(histogram.counts.iter().sum::<u64>(), 3);
}

#[test]
fn batches_with_other_columns_are_refused_by_name() {
    let mut builder = StatisticsBuilder::new(StatisticsOptions::default());
    builder.add(&batch(vec![("a", numbers(&[1.0]))])).unwrap();
    let message = builder.add(&batch(vec![("b", numbers(&[1.0]))])).unwrap_err().to_string();
    assert_eq!(message, "the rows before have a column `a` where these have `b`");
}

#[test]
fn no_rows_and_empty_columns_are_described_too() {
    assert_eq!(measured(&[]), Statistics::default());
    let column = column_of(texts(&[None, Some(" ")]));
    assert_eq!((column.kind, column.missing, column.missing_share()), (ColumnKind::Empty, 2, 1.0));
}

#[test]
fn statistics_are_read_back_to_the_last_bit() {
    let awkward =
        [0.1 + 0.2, 1.0 / 3.0, 5e-324, f64::MAX, -1.234_567_890_123_456_7e-7, 2.225_073_858_507_201_4e-308];
    let statistics = measured(&[batch(vec![
        ("a \"quoted\"", numbers(&awkward)),
        ("b", texts(&[Some("x\ny"), None, Some("1"), Some("2"), Some("3"), Some("\u{1F600}")])),
    ])]);
    let text = statistics.to_json();
    assert_eq!(Statistics::from_json(&text).unwrap(), statistics);
}

#[test]
fn broken_statistics_are_refused() {
    let text = measured(&[batch(vec![("a", numbers(&[1.0, 2.0]))])]).to_json();
    let check = |from: &str, to: &str, expected: &str| {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text);
        let message = Statistics::from_json(&broken).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    check("\"modelyard_statistics\":1", "\"modelyard_statistics\":2", "format 2");
    check("\"finite\":2", "\"finite\":3", "do not add up");
    check("\"quantiles\":[1.0,", "\"quantiles\":[", "are broken");
    check("\"min\":1.0", "\"min\":1e999", "not a finite number");
    check("\"whole\"", "\"hole\"", "unknown field");
}

/// Merged statistics against those of one pass: exact where they say so, else within the errors they state.
fn check_merge(values: &[Option<i32>], cut: usize) {
    let options =
        StatisticsOptions { quantile_buffer: 32, exact_distinct: 64, counted_values: 16, histogram_bars: 8 };
    let part = |values: &[Option<i32>]| {
        let words: StringArray =
            values.iter().map(|value| value.map(|value| format!("w{}", value % 40))).collect();
        let plain: Float64Array = values.iter().map(|value| value.map(f64::from)).collect();
        let mut builder = StatisticsBuilder::new(options.clone());
        for rows in 0..values.len().div_ceil(50) {
            let length = (values.len() - rows * 50).min(50);
            let slice = |array: &dyn arrow_array::Array| array.slice(rows * 50, length);
            builder.add(&batch(vec![("plain", slice(&plain)), ("words", slice(&words))])).unwrap();
        }
        builder
    };
    let mut merged = part(&values[..cut]);
    merged.merge(part(&values[cut..])).unwrap();
    let (merged, whole) = (merged.finish(), part(values).finish());
    assert_eq!(merged.rows, whole.rows);
    for (merged, whole) in merged.columns.iter().zip(&whole.columns) {
        assert_eq!((merged.missing, merged.finite, merged.words), (whole.missing, whole.finite, whole.words));
        assert_eq!((merged.kind, merged.distinct), (whole.kind, whole.distinct));
        for value in &merged.values {
            match whole.values.iter().find(|other| other.value == value.value) {
                Some(same) => {
                    assert!(value.count <= same.count + whole.values_error);
                    assert!(same.count <= value.count + merged.values_error);
                }
                // Its counter was not above the error, so its rows are at most twice that.
                None => assert!(value.count <= 2 * whole.values_error),
            }
        }
    }
    let mut sorted: Vec<f64> = values.iter().flatten().map(|&value| f64::from(value)).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(merged), Some(whole)) = (&merged.columns[0].numbers, &whole.columns[0].numbers) else {
        assert!(sorted.is_empty());
        return;
    };
    assert_eq!((merged.min, merged.max, merged.zeros), (whole.min, whole.max, whole.zeros));
    let near = |left: Option<f64>, right: Option<f64>| match (left, right) {
        (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * (1.0 + left.abs()),
        (left, right) => left == right,
    };
    assert!(near(merged.mean, whole.mean) && near(merged.standard_deviation, whole.standard_deviation));
    let count = sorted.len() as f64;
    for percent in 0..=100_u32 {
        let share = f64::from(percent) / 100.0;
        // In whole numbers: 0.28 times 50 is a little more than 14.
        let wanted = (percent as usize * sorted.len()).div_ceil(100).max(1) as f64;
        for numbers in [merged, whole] {
            let value = numbers.quantiles.at(share);
            let allowed = numbers.quantiles.rank_error() * count + 1e-6;
            let lowest = sorted.partition_point(|other| *other < value) as f64 + 1.0;
            let highest = sorted.partition_point(|other| *other <= value) as f64;
            assert!(
                lowest <= wanted + allowed && highest >= wanted - allowed,
                "{percent} %: {lowest}..{highest}, {wanted}"
            );
        }
    }
    for (bar, &counted) in merged.histogram.counts.iter().enumerate() {
        let (low, high) = (merged.histogram.edges[bar], merged.histogram.edges[bar + 1]);
        let last = bar + 1 == merged.histogram.counts.len();
        let truth = sorted.iter().filter(|&&value| value >= low && (value < high || last)).count() as u64;
        assert!(counted.abs_diff(truth) <= merged.histogram.error, "bar {bar}: {counted} not {truth}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_two_parts_equals_one_pass(
        values in prop::collection::vec(prop::option::weighted(0.9, -300_i32..300), 1..1200),
        cut in 0.0_f64..1.0,
    ) {
        let cut = (values.len() as f64 * cut) as usize;
        check_merge(&values, cut);
    }
}

#[test]
fn a_million_rows_stay_in_bounded_memory() {
    let mut builder = StatisticsBuilder::new(StatisticsOptions::default());
    let mut largest = 0;
    for part in 0..100_u64 {
        let ids: StringArray = (0..10_000).map(|row| Some(format!("user-{}", part * 10_000 + row))).collect();
        let plain: Float64Array = (0..10_000)
            .map(|row| Some(((part * 10_000 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12) as f64))
            .collect();
        builder.add(&batch(vec![("id", Arc::new(ids)), ("plain", Arc::new(plain))])).unwrap();
        largest = largest.max(builder.kept_values());
    }
    // Two sketches of at most nine buffers, 1024 counters and 8192 hashes for each column.
    assert!(largest <= 2 * (2 * 9 * 4096 + 1024 + 8192), "{largest} values held");
    let statistics = builder.finish();
    let distinct = statistics.columns[0].distinct.unwrap();
    assert!((distinct.value as f64 / 1e6 - 1.0).abs() < 3.0 * distinct.relative_error, "{distinct:?}");
    assert!(!statistics.columns[0].values_complete);
    assert_eq!(statistics.columns[0].values, []);
    assert!(statistics.columns[1].numbers.as_ref().unwrap().quantiles.rank_error() < 0.0012);
}

/// Numpy's figures for the same values; `statistics.py` beside the file makes it.
#[test]
fn figures_are_those_of_numpy() {
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/reference/statistics.json")).unwrap();
    let rows = reference["rows"].as_i64().unwrap();
    let values: Vec<f64> = (0..rows).map(|row| ((row * 7919) % 2503 - 1200) as f64 / 64.0).collect();
    let column = column_of(numbers(&values));
    let found = column.numbers.unwrap();
    let expected = &reference["described"];
    let list = |name: &str| -> Vec<f64> {
        expected[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
    assert!(near(found.mean.unwrap(), expected["mean"].as_f64().unwrap()));
    assert!(near(found.standard_deviation.unwrap(), expected["standard_deviation"].as_f64().unwrap()));
    assert_eq!(Some(found.zeros), expected["zeros"].as_u64());
    assert_eq!(Some(found.negatives), expected["negatives"].as_u64());
    assert_eq!(Some(column.distinct.unwrap().value), expected["distinct"].as_u64());
    // Fewer values than a buffer holds: ranks and bars are exact.
    let quantiles: Vec<f64> = list("shares").into_iter().map(|share| found.quantiles.at(share)).collect();
    assert_eq!(quantiles, list("quantiles"));
    assert!(
        found
            .histogram
            .edges
            .iter()
            .zip(list("histogram_edges"))
            .all(|(&found, expected)| near(found, expected))
    );
    assert_eq!(
        found.histogram.counts.iter().map(|&count| count as f64).collect::<Vec<_>>(),
        list("histogram_counts")
    );
    assert_eq!((found.histogram.error, found.quantiles.rank_error()), (0, 0.0));
}
