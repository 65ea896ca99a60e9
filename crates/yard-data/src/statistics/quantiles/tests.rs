use proptest::prelude::*;

use super::*;

const SHARES: [f64; 9] = [0.0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999, 1.0];

fn sketch_of(values: &[f64], capacity: usize) -> QuantileSketch {
    let mut sketch = QuantileSketch::new(capacity);
    sketch.add(values);
    sketch
}

/// Every answer lies within the error that the sketch states, by counting.
fn check_ranks(sketch: &QuantileSketch, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ranks = sketch.ranks();
    let count = sorted.len() as f64;
    // The error is a share: a count comes back from it but for rounding.
    let allowed = ranks.rank_error() * count + 1e-6;
    for share in SHARES {
        let wanted = (share * count).ceil().max(1.0);
        let value = ranks.value_at(wanted as u64).expect("there are values");
        let lowest = sorted.partition_point(|other| *other < value) as f64 + 1.0;
        let highest = sorted.partition_point(|other| *other <= value) as f64;
        assert!(
            lowest <= wanted + allowed && highest >= wanted - allowed,
            "{share}: {lowest}..{highest} not {wanted} within {allowed}"
        );
        let below = ranks.below(value) as f64;
        assert!(
            (below - (lowest - 1.0)).abs() <= allowed,
            "{below} values below {value} instead of {}",
            lowest - 1.0
        );
    }
}

/// Orders that hurt sketches: sorted, reversed, outside in, saw teeth, ties, and a jump late in the stream.
fn hard_orders(count: usize) -> Vec<Vec<f64>> {
    let rising: Vec<f64> = (0..count).map(|row| row as f64).collect();
    let falling = rising.iter().rev().copied().collect();
    let outside_in = (0..count).map(|row| if row % 2 == 0 { row as f64 } else { -(row as f64) }).collect();
    let saw = (0..count).map(|row| (row % 37) as f64).collect();
    let ties = (0..count).map(|row| f64::from(row % 10 == 0)).collect();
    let late = (0..count).map(|row| if row < count / 2 { 1e6 } else { row as f64 }).collect();
    let scattered =
        (0..count as u64).map(|row| (row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64).collect();
    vec![rising, falling, outside_in, saw, ties, late, scattered]
}

#[test]
fn hard_orders_stay_within_the_stated_error() {
    for values in hard_orders(200_000) {
        let sketch = sketch_of(&values, 256);
        check_ranks(&sketch, &values);
        let stated = sketch.ranks().rank_error();
        let levels = (200_000.0_f64 / 256.0).log2().ceil() + 1.0;
        assert!(stated <= levels / (2.0 * 256.0) * 1.2, "stated {stated}");
    }
}

#[test]
fn fewer_values_than_a_buffer_are_exact() {
    let sketch = sketch_of(&[3.0, 1.0, 2.0], 256);
    let ranks = sketch.ranks();
    assert_eq!(ranks.rank_error(), 0.0);
    assert_eq!([1, 2, 3].map(|rank| ranks.value_at(rank)), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(QuantileSketch::new(8).ranks().value_at(1), None);
}

#[test]
fn a_million_values_stay_in_bounded_memory() {
    let mut sketch = QuantileSketch::new(4096);
    let mut most_kept = 0;
    for batch in 0..1000 {
        let values: Vec<f64> = (0..1000_u64)
            .map(|row| ((batch * 1000 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64)
            .collect();
        sketch.add(&values);
        most_kept = most_kept.max(sketch.kept());
    }
    // Nine levels of 4096 values at most: 288 KiB.
    assert!(most_kept <= 9 * 4096, "{most_kept} values");
    let allocated: usize = sketch.levels.iter().map(|level| level.values.capacity()).sum();
    assert!(allocated <= 2 * 9 * 4096, "room for {allocated} values");
    assert!(sketch.ranks().rank_error() < 0.0012, "{}", sketch.ranks().rank_error());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_stays_within_the_stated_error(values in prop::collection::vec(-50.0_f64..50.0, 1..3000), capacity in 2_usize..40) {
        check_ranks(&sketch_of(&values, capacity), &values);
    }

    #[test]
    fn merged_parts_stay_within_the_stated_error(
        parts in prop::collection::vec(prop::collection::vec(-9_i8..9, 1..400), 1..8),
        capacity in 2_usize..40,
    ) {
        let mut merged = QuantileSketch::new(capacity);
        let mut whole = Vec::new();
        for part in &parts {
            let values: Vec<f64> = part.iter().map(|&value| f64::from(value)).collect();
            merged.merge(&sketch_of(&values, capacity));
            whole.extend(values);
        }
        check_ranks(&merged, &whole);
        prop_assert!(merged.levels.iter().all(|level| level.values.len() < capacity));
    }
}
