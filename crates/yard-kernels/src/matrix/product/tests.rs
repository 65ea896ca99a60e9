use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::{ActivationForm, ThreadPool};

const PATHS: [Path; 3] = [Path::Avx512Vnni, Path::Avx2, Path::Portable];

fn machine(cpu: Cpu, threads: usize) -> Machine {
    Machine { cpu, pool: ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap() }
}

/// Numbers that look random and are the same each time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn float(&mut self) -> f32 {
        self.next() as f32 / 2_f32.powi(30) - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// Blocks of any numbers, with scales that are neither huge nor tiny.
    fn weights(&mut self, kind: BlockType, rows: usize, columns: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..rows * kind.row_bytes(columns).unwrap()).map(|_| self.next() as u8).collect();
        for block in bytes.chunks_exact_mut(kind.bytes_per_block()) {
            let halves: &[usize] = match kind {
                BlockType::F32 => {
                    block.copy_from_slice(&self.float().to_le_bytes());
                    &[]
                }
                BlockType::BF16 => {
                    block.copy_from_slice(&half::bf16::from_f32(self.float()).to_le_bytes());
                    &[]
                }
                BlockType::F16 | BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
                BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4_K | BlockType::Q5_K => &[0, 2],
                BlockType::Q6_K => &[208],
            };
            for at in halves {
                block[*at..at + 2].copy_from_slice(&half::f16::from_f32(self.float()).to_le_bytes());
            }
        }
        bytes
    }
}

fn multiply(machine: &Machine, weights: &PackedMatrix, values: &[f32]) -> Vec<f32> {
    let mut activations = ActivationRows::new();
    activations.prepare(machine, values, weights.columns(), weights.form()).unwrap();
    let mut output = vec![f32::NAN; activations.rows() * weights.rows()];
    let product = Product { weights, bias: None, output: &mut output, finish: Finish::Store };
    machine.multiply(&activations, &mut [product]).unwrap();
    output
}

/// What products see of a row: each block of 32 rounded to 127ths of its largest value.
fn rounded(values: &[f32]) -> Vec<f64> {
    let mut result = Vec::new();
    for block in values.chunks(32) {
        let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let (scale, inverse) = (largest / 127.0, 127.0 / largest);
        let number = |value: f32| f64::from((value * inverse).round_ties_even()) * f64::from(scale);
        result.extend(block.iter().map(|value| if largest > 0.0 { number(*value) } else { 0.0 }));
    }
    result
}

/// Compares with sums in `f64` over dequantized weights.
fn check_against_reference(kind: BlockType, rows: usize, columns: usize, batch: usize, seed: u64) {
    let mut draw = Draw(seed);
    let bytes = draw.weights(kind, rows, columns);
    let values = draw.floats(batch * columns);
    let mut plain = vec![0.0; rows * columns];
    yard_gguf::dequantize(kind, &bytes, &mut plain).unwrap();
    let quantized = ActivationForm::of(kind).quantized;
    for cpu in Cpu::every() {
        let machine = machine(cpu, 2);
        let weights = PackedMatrix::pack(&machine, kind, rows, columns, &bytes).unwrap();
        let output = multiply(&machine, &weights, &values);
        for (values, output) in values.chunks(columns).zip(output.chunks(rows)) {
            let exact: Vec<f64> = if quantized {
                rounded(values)
            } else {
                values.iter().map(|value| f64::from(*value)).collect()
            };
            for (row, plain) in plain.chunks(columns).enumerate() {
                let products = || exact.iter().zip(plain).map(|(value, weight)| value * f64::from(*weight));
                let (expected, size): (f64, f64) = (products().sum(), products().map(f64::abs).sum());
                let error = (f64::from(output[row]) - expected).abs();
                // Offsets and minima are added apart, so parts larger than the result cancel.
                let tolerance = 4e-6 * size + 1e-5 * f64::from(columns as u32).sqrt();
                assert!(
                    error <= tolerance,
                    "{kind} {rows}x{columns} {cpu:?} row {row}: {} instead of {expected}, error {error}",
                    output[row]
                );
            }
        }
    }
}

/// The contract: bits do not depend on the batch, the split, the threads or the path.
fn check_bits(kind: BlockType, rows: usize, columns: usize, batch: usize, seed: u64) {
    let mut draw = Draw(seed);
    let bytes = draw.weights(kind, rows, columns);
    let values = draw.floats(batch * columns);
    let bits = |output: Vec<f32>| output.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let mut reference = None;
    for cpu in Cpu::every() {
        for threads in [1, 2, 3] {
            let machine = machine(cpu, threads);
            let weights = PackedMatrix::pack(&machine, kind, rows, columns, &bytes).unwrap();
            let together = bits(multiply(&machine, &weights, &values));
            let reference = reference.get_or_insert_with(|| together.clone());
            assert!(
                *reference == together,
                "{kind} {rows}x{columns} x {batch}: {cpu:?} with {threads} threads"
            );
            for company in [1, 3, 16] {
                let mut apart = Vec::new();
                for values in values.chunks(company * columns) {
                    apart.extend(bits(multiply(&machine, &weights, values)));
                }
                assert!(*reference == apart, "{kind} {rows}x{columns}: {company} of {batch} rows, {cpu:?}");
            }
        }
    }
}

#[test]
fn every_type_equals_the_reference_at_awkward_sizes_on_every_path() {
    for (seed, kind) in BlockType::ALL.into_iter().enumerate() {
        let block = kind.values_per_block();
        for (rows, columns, batch) in [
            (1, block, 1),
            (16, 2 * block, 2),
            (17, block, 9),
            (40, 3 * block, 5),
            (15, 5 * block, 16),
            (33, block, 31),
        ] {
            check_against_reference(kind, rows, columns, batch, seed as u64);
        }
    }
}

#[test]
fn floats_take_any_number_of_columns() {
    for kind in [BlockType::F32, BlockType::F16, BlockType::BF16] {
        for columns in [1, 7, 31, 33, 100] {
            check_against_reference(kind, 21, columns, 11, columns as u64);
            check_bits(kind, 21, columns, 11, columns as u64);
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_company_with_any_threads_on_any_path() {
    for (seed, kind) in BlockType::ALL.into_iter().enumerate() {
        check_bits(kind, 35, 512, 29, seed as u64);
    }
}

#[test]
fn five_hundred_rows_have_the_bits_of_one() {
    // Long rows, so that the batch is cut into several blocks.
    check_bits(BlockType::Q4_0, 20, 4096, 500, 1);
    check_bits(BlockType::Q8_0, 20, 4096, 100, 2);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    // All numbers at their extremes, against activations at theirs.
    for kind in [BlockType::Q4_0, BlockType::Q5_0, BlockType::Q8_0, BlockType::Q6_K, BlockType::Q5_K] {
        for (filler, sign) in [(0x00, 1.0), (0xff, 1.0), (0x80, -1.0), (0x7f, -1.0), (0x80, 1.0)] {
            let columns = 512;
            let mut draw = Draw(3);
            let mut bytes = draw.weights(kind, 16, columns);
            for block in bytes.chunks_exact_mut(kind.bytes_per_block()) {
                let scale = if kind == BlockType::Q6_K { 208..210 } else { 0..4.min(block.len()) };
                for (at, byte) in block.iter_mut().enumerate() {
                    if !scale.contains(&at) || (kind == BlockType::Q8_0 && at >= 2) {
                        *byte = filler;
                    }
                }
                if kind == BlockType::Q5_K {
                    block[..4].copy_from_slice(&[0, 0x3c, 0, 0]);
                } else if kind == BlockType::Q6_K {
                    block[208..210].copy_from_slice(&[0, 0x3c]);
                } else {
                    block[..2].copy_from_slice(&[0, 0x3c]);
                }
            }
            let mut plain = vec![0.0; 16 * columns];
            yard_gguf::dequantize(kind, &bytes, &mut plain).unwrap();
            for path in PATHS {
                let Ok(cpu) = Cpu::with(path) else { continue };
                let machine = machine(cpu, 1);
                let weights = PackedMatrix::pack(&machine, kind, 16, columns, &bytes).unwrap();
                for batch in [1, 2, 5, 8] {
                    let output = multiply(&machine, &weights, &vec![sign; batch * columns]);
                    for (at, output) in output.iter().enumerate() {
                        let row = &plain[at % 16 * columns..(at % 16 + 1) * columns];
                        let expected: f64 = row.iter().map(|weight| f64::from(*weight * sign)).sum();
                        let error = (f64::from(*output) - expected).abs();
                        assert!(
                            error <= 1e-5 * expected.abs(),
                            "{kind} {cpu:?} {filler:#x} {output} {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn several_matrices_biases_and_residuals_give_what_each_alone_gives() {
    let mut draw = Draw(9);
    let columns = 256;
    let machine = machine(Cpu::best(), 3);
    let mut matrix = |kind, rows| {
        let bytes = draw.weights(kind, rows, columns);
        PackedMatrix::pack(&machine, kind, rows, columns, &bytes).unwrap()
    };
    let (query, key, value) =
        (matrix(BlockType::Q4_K, 48), matrix(BlockType::F16, 17), matrix(BlockType::Q6_K, 33));
    let values = draw.floats(11 * columns);
    let bias = draw.floats(48);
    let residual = draw.floats(11 * 33);
    let mut activations = ActivationRows::new();
    let form = query.form() | key.form() | value.form();
    activations.prepare(&machine, &values, columns, form).unwrap();
    let (mut queries, mut keys, mut sums) = (vec![0.0; 11 * 48], vec![0.0; 11 * 17], residual.clone());
    machine
        .multiply(
            &activations,
            &mut [
                Product { weights: &query, bias: Some(&bias), output: &mut queries, finish: Finish::Store },
                Product { weights: &key, bias: None, output: &mut keys, finish: Finish::Store },
                Product { weights: &value, bias: None, output: &mut sums, finish: Finish::Add },
            ],
        )
        .unwrap();
    let alone = multiply(&machine, &query, &values);
    for (at, query) in queries.iter().enumerate() {
        assert_eq!(*query, alone[at] + bias[at % 48]);
    }
    assert_eq!(keys, multiply(&machine, &key, &values));
    let alone = multiply(&machine, &value, &values);
    for (at, sum) in sums.iter().enumerate() {
        assert_eq!(*sum, residual[at] + alone[at]);
    }
}

#[test]
fn a_gated_product_is_the_activation_of_one_times_the_other() {
    let mut draw = Draw(10);
    let (rows, columns) = (50, 288);
    let values = draw.floats(13 * columns);
    for (gate_kind, up_kind) in [(BlockType::Q4_0, BlockType::Q8_0), (BlockType::F16, BlockType::Q5_1)] {
        let (gate_bytes, up_bytes) =
            (draw.weights(gate_kind, rows, columns), draw.weights(up_kind, rows, columns));
        let mut reference: Option<Vec<f32>> = None;
        for cpu in Cpu::every() {
            let machine = machine(cpu, 2);
            let gate = PackedMatrix::pack(&machine, gate_kind, rows, columns, &gate_bytes).unwrap();
            let up = PackedMatrix::pack(&machine, up_kind, rows, columns, &up_bytes).unwrap();
            let mut activations = ActivationRows::new();
            activations.prepare(&machine, &values, columns, gate.form() | up.form()).unwrap();
            let mut output = vec![0.0; 13 * rows];
            let activation = Activation::Silu;
            machine
                .multiply_gated(
                    &activations,
                    GatedProduct { gate: &gate, up: &up, activation, output: &mut output },
                )
                .unwrap();
            let (gates, ups) = (multiply(&machine, &gate, &values), multiply(&machine, &up, &values));
            for ((gate, up), output) in gates.iter().zip(&ups).zip(&output) {
                let expected = gate / (1.0 + (-gate).exp()) * up;
                assert!((output - expected).abs() <= 1e-5 * expected.abs() + 1e-6, "{output} {expected}");
            }
            assert!(*reference.get_or_insert_with(|| output.clone()) == output, "{cpu:?}");
        }
    }
}

#[test]
fn a_value_that_is_not_finite_spoils_its_own_row_only() {
    for kind in [BlockType::Q4_0, BlockType::Q6_K, BlockType::F16] {
        let mut draw = Draw(11);
        let columns = 256;
        let bytes = draw.weights(kind, 20, columns);
        let mut values = draw.floats(5 * columns);
        values[2 * columns + 100] = f32::INFINITY;
        for cpu in Cpu::every() {
            let machine = machine(cpu, 1);
            let weights = PackedMatrix::pack(&machine, kind, 20, columns, &bytes).unwrap();
            let output = multiply(&machine, &weights, &values);
            for (at, value) in output.iter().enumerate() {
                assert_eq!(value.is_finite(), at / 20 != 2, "{kind} {cpu:?} {at} {value}");
            }
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let machine = machine(Cpu::best(), 1);
    let kind = BlockType::Q8_0;
    let pack = |rows, columns, bytes| PackedMatrix::pack(&machine, kind, rows, columns, &vec![0; bytes]);
    assert!(matches!(pack(2, 32, 67), Err(KernelError::WrongLength { expected: 68, actual: 67, .. })));
    assert!(matches!(pack(2, 33, 68), Err(KernelError::Blocks(_))));
    assert!(matches!(pack(0, 32, 0), Err(KernelError::UnsupportedSize { what: "rows", .. })));
    assert!(matches!(pack(2, 0, 0), Err(KernelError::UnsupportedSize { what: "columns", .. })));
    assert!(matches!(pack(usize::MAX, 32, 34), Err(KernelError::WrongLength { .. })));

    let weights = pack(2, 32, 68).unwrap();
    let floats = PackedMatrix::pack(&machine, BlockType::F32, 1, 32, &[0; 128]).unwrap();
    let mut activations = ActivationRows::new();
    activations.prepare(&machine, &[1.0; 96], 32, weights.form()).unwrap();
    let refuse = |weights, length, bias: Option<&[f32]>| {
        let mut output = vec![0.0; length];
        let product = Product { weights, bias, output: &mut output, finish: Finish::Store };
        machine.multiply(&activations, &mut [product]).unwrap_err()
    };
    assert!(matches!(refuse(&weights, 5, None), KernelError::WrongLength { what: "the output", .. }));
    assert!(matches!(refuse(&weights, 6, Some(&[0.0])), KernelError::WrongLength { what: "the bias", .. }));
    assert!(matches!(refuse(&floats, 3, None), KernelError::NotPrepared(BlockType::F32)));
    activations.prepare(&machine, &[1.0; 64], 64, weights.form()).unwrap();
    let mut output = [0.0; 2];
    let product = Product { weights: &weights, bias: None, output: &mut output, finish: Finish::Store };
    assert!(machine.multiply(&activations, &mut [product]).is_err());
}

#[test]
fn packed_weights_take_hardly_more_memory_than_their_blocks() {
    let machine = machine(Cpu::best(), 1);
    for kind in BlockType::ALL {
        let bytes = Draw(1).weights(kind, 64, 1024);
        let packed = PackedMatrix::pack(&machine, kind, 64, 1024, &bytes).unwrap();
        assert!(packed.bytes() >= bytes.len(), "{kind}");
        assert!(
            packed.bytes() as f64 <= bytes.len() as f64 * 1.03,
            "{kind} {} {}",
            packed.bytes(),
            bytes.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_type_and_size_equals_the_reference(
        kind in 0_usize..11,
        rows in 1_usize..70,
        blocks in 1_usize..6,
        batch in 1_usize..20,
        seed in any::<u64>(),
    ) {
        let kind = BlockType::ALL[kind];
        check_against_reference(kind, rows, blocks * kind.values_per_block(), batch, seed);
    }

    #[test]
    fn any_type_and_size_has_the_same_bits_in_any_company(
        kind in 0_usize..11,
        rows in 1_usize..70,
        blocks in 1_usize..6,
        batch in 1_usize..20,
        seed in any::<u64>(),
    ) {
        let kind = BlockType::ALL[kind];
        check_bits(kind, rows, blocks * kind.values_per_block(), batch, seed);
    }
}
