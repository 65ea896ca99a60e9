//! What quantizing may do to any values.

use proptest::prelude::*;
use yard_gguf::{BlockError, BlockType, dequantize, quantize};

/// The steps that a block's numbers divide its range into, and how often the block's scale is in its largest value.
const STEPS: [(BlockType, f32, f32); 8] = [
    (BlockType::Q4_0, 15.0, 8.0),
    (BlockType::Q4_1, 15.0, 15.0),
    (BlockType::Q5_0, 31.0, 16.0),
    (BlockType::Q5_1, 31.0, 31.0),
    (BlockType::Q8_0, 254.0, 127.0),
    (BlockType::Q4_K, 15.0, 63.0 * 15.0),
    (BlockType::Q5_K, 31.0, 63.0 * 31.0),
    (BlockType::Q6_K, 62.0, 128.0 * 32.0),
];
/// Half the distance between the smallest `f16`: what the rounding of a small scale may add.
const SCALE_ROUNDING: f32 = 1.0 / (1 << 25) as f32;

fn there_and_back(kind: BlockType, values: &[f32]) -> Vec<f32> {
    let mut bytes = vec![0; kind.row_bytes(values.len()).unwrap()];
    quantize(kind, values, &mut bytes).unwrap();
    let mut again = vec![0.0; values.len()];
    dequantize(kind, &bytes, &mut again).unwrap();
    again
}

#[test]
fn zeros_stay_zeros() {
    for kind in BlockType::ALL {
        assert!(there_and_back(kind, &[0.0; 512]).iter().all(|value| *value == 0.0), "{kind}");
    }
}

#[test]
fn values_that_no_scale_can_hold_are_refused() {
    let largest = half::f16::MAX.to_f32();
    for (kind, _, _) in STEPS {
        let mut bytes = vec![0; kind.row_bytes(256).unwrap()];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 65_505.0, -65_505.0] {
            let mut values = [0.0; 256];
            values[77] = value;
            let refused = quantize(kind, &values, &mut bytes);
            assert!(matches!(refused, Err(BlockError::OutOfRange { index: 77, .. })), "{kind}: {value}");
        }
        for value in [largest, -largest] {
            let mut values = [0.0; 256];
            values[77] = value;
            let again = there_and_back(kind, &values);
            assert!(again.iter().all(|value| value.is_finite()), "{kind}: {value}");
        }
    }
}

#[test]
fn bytes_that_do_not_fit_are_refused() {
    let mut bytes = [0; 17];
    assert!(matches!(quantize(BlockType::Q4_0, &[0.0; 32], &mut bytes), Err(BlockError::WrongLength { .. })));
    assert!(matches!(
        quantize(BlockType::Q4_0, &[0.0; 31], &mut bytes),
        Err(BlockError::PartialBlock { .. })
    ));
}

/// A block of values of about one size, far below or above others, around zero or away from it.
fn block() -> impl Strategy<Value = Vec<f32>> {
    let one = (-20_i32..15, -3.0_f32..3.0).prop_flat_map(|(exponent, centre)| {
        let size = (exponent as f32).exp2();
        prop::collection::vec((-1.0_f32..1.0).prop_map(move |value| (value + centre) * size / 4.0), 32)
    });
    prop::collection::vec(one, 8).prop_map(|groups| groups.concat())
}

proptest! {
    #[test]
    fn a_block_loses_on_average_less_than_a_step_of_its_range(values in block()) {
        for (kind, steps, scales) in STEPS {
            let again = there_and_back(kind, &values);
            let size = kind.values_per_block();
            for (values, again) in values.chunks(size).zip(again.chunks(size)) {
                let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                let squares = values.iter().zip(again).map(|(value, again)| (value - again) * (value - again));
                let lost = (squares.sum::<f32>() / size as f32).sqrt();
                // Both ends around zero; and what rounding the scale and the minimum to f16 adds.
                let bound = 2.0 * largest / steps * 0.75 + largest / 1024.0 + scales * SCALE_ROUNDING;
                prop_assert!(lost <= bound, "{}: {} is more than {}", kind, lost, bound);
            }
        }
    }

    #[test]
    fn any_numbers_in_range_are_quantized_to_finite_numbers(
        values in prop::collection::vec(-65_504.0_f32..65_504.0, 256),
        exponent in -149_i32..1,
    ) {
        let values: Vec<f32> = values.iter().map(|value| value * (exponent as f32).exp2()).collect();
        for (kind, _, _) in STEPS {
            prop_assert!(there_and_back(kind, &values).iter().all(|value| value.is_finite()), "{}", kind);
        }
    }

    #[test]
    fn any_bytes_are_dequantized(bytes in prop::collection::vec(any::<u8>(), 0..1024)) {
        for kind in BlockType::ALL {
            let blocks = bytes.len() / kind.bytes_per_block();
            let mut values = vec![0.0; blocks * kind.values_per_block()];
            dequantize(kind, &bytes[..blocks * kind.bytes_per_block()], &mut values).unwrap();
        }
    }
}
