use std::num::NonZeroUsize;

use super::*;
use crate::{Cpu, ThreadPool};

fn machines() -> Vec<Machine> {
    let pool = |threads| ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap();
    Cpu::every()
        .into_iter()
        .flat_map(|cpu| [1, 3].map(|threads| Machine { cpu, pool: pool(threads) }))
        .collect()
}

fn wave(count: usize, speed: f32) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * speed).sin() * (1.0 + (index % 7) as f32) + 0.1).collect()
}

/// Every machine gives what the reference gives, within the error, and the bits that the first machine gives. The
/// operation is also applied to each row alone.
#[track_caller]
fn check(
    columns: usize,
    input: &[f32],
    operation: impl Fn(&Machine, &[f32]) -> Vec<f32>,
    reference: impl Fn(&[f64]) -> Vec<f64>,
    error: f64,
) {
    let mut first: Option<Vec<f32>> = None;
    for machine in machines() {
        let output = operation(&machine, input);
        let rows = input.len() / columns;
        let width = output.len() / rows;
        for (input, output) in input.chunks(columns).zip(output.chunks(width)) {
            let exact = reference(&input.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
            assert_eq!(exact.len(), width);
            for (output, exact) in output.iter().zip(exact) {
                let difference = (f64::from(*output) - exact).abs();
                assert!(difference <= error * (1.0 + exact.abs()), "{machine:?} {output} instead of {exact}");
            }
            assert_eq!(operation(&machine, input), output, "alone, {machine:?}");
        }
        assert!(*first.get_or_insert_with(|| output.clone()) == output, "{machine:?}");
    }
}

const COLUMNS: [usize; 9] = [1, 2, 15, 16, 17, 64, 100, 576, 4097];

#[test]
fn rms_norm_equals_its_formula() {
    for columns in COLUMNS {
        let weight = wave(columns, 0.3);
        check(
            columns,
            &wave(columns * 5, 0.7),
            |machine, values| {
                let mut output = vec![0.0; values.len()];
                machine.rms_norm(values, &weight, 1e-5, &mut output).unwrap();
                let mut in_place = values.to_vec();
                machine.rms_norm_in_place(&mut in_place, &weight, 1e-5).unwrap();
                assert_eq!(output, in_place);
                output
            },
            |row| {
                let squares: f64 = row.iter().map(|value| value * value).sum();
                let factor = 1.0 / (squares / row.len() as f64 + 1e-5).sqrt();
                row.iter().zip(&weight).map(|(value, weight)| value * factor * f64::from(*weight)).collect()
            },
            2e-6,
        );
    }
}

#[test]
fn layer_norm_equals_its_formula() {
    for columns in COLUMNS {
        let (weight, bias) = (wave(columns, 0.3), wave(columns, 0.9));
        for with_bias in [false, true] {
            check(
                columns,
                &wave(columns * 5, 0.7),
                |machine, values| {
                    let mut output = vec![0.0; values.len()];
                    let bias = with_bias.then_some(&bias[..]);
                    machine.layer_norm(values, &weight, bias, 1e-3, &mut output).unwrap();
                    output
                },
                |row| {
                    let mean = row.iter().sum::<f64>() / row.len() as f64;
                    let variance =
                        row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / row.len() as f64;
                    let factor = 1.0 / (variance + 1e-3).sqrt();
                    let weighted =
                        row.iter().zip(&weight).map(|(value, w)| (value - mean) * factor * f64::from(*w));
                    let bias = bias.iter().map(|bias| if with_bias { f64::from(*bias) } else { 0.0 });
                    weighted.zip(bias).map(|(value, bias)| value + bias).collect()
                },
                1e-5,
            );
        }
    }
}

#[test]
fn softmax_equals_its_formula_and_sums_to_one() {
    for columns in COLUMNS {
        check(
            columns,
            &wave(columns * 3, 0.7),
            |machine, values| {
                let mut values = values.to_vec();
                machine.softmax(&mut values, columns).unwrap();
                for row in values.chunks(columns) {
                    assert!((row.iter().map(|value| f64::from(*value)).sum::<f64>() - 1.0).abs() < 1e-5);
                }
                values
            },
            |row| {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|value| (value - largest).exp()).sum();
                row.iter().map(|value| (value - largest).exp() / sum).collect()
            },
            1e-6,
        );
    }
}

#[test]
fn softmax_of_masked_scores_gives_them_nothing() {
    for machine in machines() {
        let mut values = [1.0, f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY];
        machine.softmax(&mut values, 4).unwrap();
        assert!(values[1] < 1e-37 && values[3] < 1e-37);
        assert_eq!((values[0], values[2]), (0.5, 0.5));
    }
}

#[test]
fn activations_equal_their_formulas() {
    let values: Vec<f32> = (-700..700).map(|step| step as f32 * 0.013).collect();
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let gelu_tanh =
        |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
    for (activation, formula) in
        [(Activation::Silu, &silu as &dyn Fn(f64) -> f64), (Activation::GeluTanh, &gelu_tanh)]
    {
        let activate = |machine: &Machine, values: &[f32]| {
            let mut values = values.to_vec();
            machine.activate(activation, &mut values);
            values
        };
        check(1, &values, activate, |row| vec![formula(row[0])], 1e-6);
    }
}

#[test]
fn gelu_with_the_error_function_has_its_known_values() {
    // x / 2 * (1 + erf(x / sqrt(2))), from tables of the normal distribution.
    let known =
        [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (2.0, 1.954_499_7), (-3.0, -0.004_049_69)];
    for machine in machines() {
        let mut values: Vec<f32> = known.iter().map(|(value, _)| *value).collect();
        machine.activate(Activation::GeluErf, &mut values);
        for (value, (_, expected)) in values.iter().zip(known) {
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
    }
}

#[test]
fn halves_are_gate_and_value() {
    for columns in [1, 16, 50] {
        check(
            2 * columns,
            &wave(2 * columns * 4, 0.7),
            |machine, values| {
                let mut output = vec![0.0; values.len() / 2];
                machine.activate_halves(Activation::Silu, values, columns, &mut output).unwrap();
                output
            },
            |row| {
                let (gates, values) = row.split_at(columns);
                gates.iter().zip(values).map(|(gate, value)| gate / (1.0 + (-gate).exp()) * value).collect()
            },
            1e-6,
        );
    }
}

#[test]
fn adding_scaling_and_capping_equal_their_formulas() {
    let others = wave(10_001, 0.2);
    for machine in machines() {
        let mut values = wave(10_001, 0.7);
        let before = values.clone();
        machine.add(&mut values, &others).unwrap();
        assert!(values.iter().zip(&before).zip(&others).all(|((sum, a), b)| *sum == a + b));
        machine.scale(&mut values, 0.37);
        assert!(values.iter().zip(&before).zip(&others).all(|((sum, a), b)| *sum == (a + b) * 0.37));
        let before = values.clone();
        machine.soft_cap(&mut values, 1.5);
        for (value, before) in values.iter().zip(&before) {
            let exact = 1.5 * (f64::from(*before) / 1.5).tanh();
            assert!((f64::from(*value) - exact).abs() < 1e-6);
        }
    }
}

fn rotated(
    machine: &Machine,
    frequencies: &RopeFrequencies,
    pairing: RopePairing,
    head_size: usize,
) -> Vec<f32> {
    let mut angles = RopeAngles::new();
    angles.prepare(frequencies, [0, 1, 100, 8191]);
    let mut values = wave(4 * 3 * head_size, 0.7);
    machine.rotate(&angles, pairing, head_size, &mut values).unwrap();
    values
}

#[test]
fn rotation_turns_pairs_by_their_angle_and_leaves_the_rest() {
    for (head_size, part) in [(64, 64), (80, 32), (8, 8), (96, 2)] {
        let frequencies = RopeFrequencies::new(part, 10_000.0, &RopeScaling::None).unwrap();
        for pairing in [RopePairing::Neighbours, RopePairing::Halves] {
            let input = wave(4 * 3 * head_size, 0.7);
            let mut expected = input.clone();
            for (row, position) in [0.0, 1.0, 100.0, 8191.0_f64].into_iter().enumerate() {
                for head in 0..3 {
                    let start = (row * 3 + head) * head_size;
                    for pair in 0..part / 2 {
                        let (x, y) = match pairing {
                            RopePairing::Neighbours => (start + 2 * pair, start + 2 * pair + 1),
                            RopePairing::Halves => (start + pair, start + pair + part / 2),
                        };
                        let angle = position * 10_000_f64.powf(-2.0 * pair as f64 / part as f64);
                        let (a, b) = (f64::from(input[x]), f64::from(input[y]));
                        expected[x] = (a * angle.cos() - b * angle.sin()) as f32;
                        expected[y] = (a * angle.sin() + b * angle.cos()) as f32;
                    }
                }
            }
            for machine in machines() {
                let output = rotated(&machine, &frequencies, pairing, head_size);
                for (output, expected) in output.iter().zip(&expected) {
                    assert!((output - expected).abs() < 2e-6 * 8.0, "{pairing:?} {output} {expected}");
                }
            }
        }
    }
}

/// The speed of a pair, seen in the turn between two positions.
fn speeds(frequencies: &RopeFrequencies) -> Vec<f64> {
    let mut angles = RopeAngles::new();
    angles.prepare(frequencies, [1]);
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let size = frequencies.rotated();
    let mut values: Vec<f32> = (0..size).map(|at| if at < size / 2 { 1.0 } else { 0.0 }).collect();
    machine.rotate(&angles, RopePairing::Halves, size, &mut values).unwrap();
    let (cosines, sines) = values.split_at(size / 2);
    cosines.iter().zip(sines).map(|(cosine, sine)| f64::from(*sine).atan2(f64::from(*cosine))).collect()
}

#[test]
fn linear_scaling_and_factors_slow_the_pairs_down() {
    let plain = speeds(&RopeFrequencies::new(16, 10_000.0, &RopeScaling::None).unwrap());
    let linear = speeds(&RopeFrequencies::new(16, 10_000.0, &RopeScaling::Linear(4.0)).unwrap());
    let factors: Vec<f32> = (1..9).map(|factor| factor as f32).collect();
    let divided = speeds(&RopeFrequencies::new(16, 10_000.0, &RopeScaling::Factors(factors)).unwrap());
    for pair in 0..8 {
        assert!((linear[pair] - plain[pair] / 4.0).abs() < 1e-6);
        assert!((divided[pair] - plain[pair] / (pair + 1) as f64).abs() < 1e-6);
    }
}

#[test]
fn yarn_leaves_fast_pairs_alone_and_interpolates_slow_ones() {
    let yarn = YarnScaling { factor: 4.0, original_context: 32_768, beta_fast: 32.0, beta_slow: 1.0 };
    let frequencies = RopeFrequencies::new(128, 1e6, &RopeScaling::Yarn(yarn)).unwrap();
    let plain = RopeFrequencies::new(128, 1e6, &RopeScaling::None).unwrap();
    let (scaled, plain) = (speeds(&frequencies), speeds(&plain));
    for pair in 0..64 {
        let turns = 32_768.0 / std::f64::consts::TAU * plain[pair];
        let ratio = plain[pair] / scaled[pair];
        if turns > 40.0 {
            assert!((ratio - 1.0).abs() < 1e-3, "pair {pair}: {ratio}");
        } else if turns < 0.8 {
            assert!((ratio - 4.0).abs() < 1e-2, "pair {pair}: {ratio}");
        } else {
            assert!((0.999..4.001).contains(&ratio), "pair {pair}: {ratio}");
        }
    }
    // The magnitude follows the factor, and a number besides.
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let mut angles = RopeAngles::new();
    angles.prepare(&frequencies, [0]);
    let mut values = vec![1.0; 128];
    machine.rotate(&angles, RopePairing::Halves, 128, &mut values).unwrap();
    assert!((values[0] - 1.138_629_4).abs() < 1e-6);
    angles.prepare(&frequencies.clone().times(2.0).unwrap(), [0]);
    values.fill(1.0);
    machine.rotate(&angles, RopePairing::Halves, 128, &mut values).unwrap();
    assert!((values[0] - 2.277_258_9).abs() < 1e-6);
    assert!(matches!(frequencies.times(-1.0), Err(RopeError::NotPositive(_))));
}

#[test]
fn rotations_without_sense_are_refused() {
    let new = |rotated, base, scaling| RopeFrequencies::new(rotated, base, &scaling).unwrap_err();
    assert_eq!(new(0, 1e4, RopeScaling::None), RopeError::NoPairs(0));
    assert_eq!(new(7, 1e4, RopeScaling::None), RopeError::NoPairs(7));
    assert!(matches!(new(8, f32::NAN, RopeScaling::None), RopeError::NotPositive(_)));
    assert!(matches!(new(8, 1e4, RopeScaling::Linear(0.0)), RopeError::NotPositive(_)));
    assert_eq!(
        new(8, 1e4, RopeScaling::Factors(vec![1.0; 3])),
        RopeError::WrongNumberOfFactors { expected: 4, actual: 3 }
    );
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let mut angles = RopeAngles::new();
    angles.prepare(&RopeFrequencies::new(8, 1e4, &RopeScaling::None).unwrap(), [1, 2]);
    let rotate = |head_size, length| {
        machine.rotate(&angles, RopePairing::Halves, head_size, &mut vec![0.0; length]).unwrap_err()
    };
    assert!(matches!(rotate(6, 12), KernelError::UnsupportedSize { .. }));
    assert!(matches!(rotate(8, 17), KernelError::WrongLength { .. }));
    assert!(matches!(rotate(8, 24), KernelError::WrongLength { .. }));
}

#[test]
fn rows_that_are_not_whole_are_refused() {
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let mut output = [0.0; 4];
    assert!(machine.rms_norm(&[0.0; 5], &[1.0; 2], 1e-5, &mut output).is_err());
    assert!(machine.rms_norm(&[0.0; 6], &[1.0; 2], 1e-5, &mut output).is_err());
    assert!(machine.rms_norm(&[0.0; 4], &[], 1e-5, &mut output).is_err());
    assert!(machine.layer_norm(&[0.0; 4], &[1.0; 2], Some(&[1.0]), 1e-5, &mut output).is_err());
    assert!(machine.softmax(&mut output, 3).is_err());
    assert!(machine.add(&mut output, &[1.0; 3]).is_err());
    assert!(machine.activate_halves(Activation::Silu, &[0.0; 9], 2, &mut output).is_err());
}
