use std::num::NonZeroUsize;

use super::*;
use crate::{Cpu, ThreadPool};

fn prepared(cpu: Cpu, threads: usize, values: &[f32], columns: usize) -> ActivationRows {
    let pool = ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap();
    let machine = Machine { cpu, pool };
    let mut rows = ActivationRows::new();
    rows.prepare(&machine, values, columns, ActivationForm { quantized: true, floats: true }).unwrap();
    rows
}

/// A row's numbers and metas, block after block.
fn row_of(rows: &ActivationRows, row: usize) -> Vec<([i8; BLOCK], BlockMeta)> {
    let group = rows.quantized_group(row);
    (0..rows.blocks())
        .map(|block| unsafe {
            let values = group.values.byte_add(block * group.stride).cast::<[i8; BLOCK]>().read();
            (values, group.meta.byte_add(block * group.stride).read())
        })
        .collect()
}

fn wave(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * index) as f32 * 0.37).sin() * (1.0 + (index % 97) as f32)).collect()
}

#[test]
fn numbers_are_the_values_over_a_127th_of_the_largest() {
    let values = wave(96 * 3);
    for cpu in Cpu::every() {
        let rows = prepared(cpu, 1, &values, 96);
        for row in 0..3 {
            for (block, (numbers, meta)) in row_of(&rows, row).iter().enumerate() {
                let values = &values[row * 96 + block * BLOCK..][..BLOCK];
                let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                assert_eq!(meta.scale, largest / 127.0);
                for (value, number) in values.iter().zip(numbers) {
                    assert!((value - f32::from(*number) * meta.scale).abs() <= meta.scale * 0.501);
                }
                let sum = |numbers: &[i8]| numbers.iter().map(|number| i32::from(*number)).sum::<i32>();
                assert_eq!(meta.offset, -8 * sum(numbers));
                assert_eq!(meta.half_offsets, [-32 * sum(&numbers[..16]), -32 * sum(&numbers[16..])]);
                assert_eq!(meta.scaled_sum, meta.scale * sum(numbers) as f32);
            }
        }
    }
}

#[test]
fn a_row_is_the_same_in_any_company_on_any_path_with_any_threads() {
    let columns = 32 * 130;
    let values = wave(columns * 19);
    let reference = prepared(Cpu::best(), 1, &values, columns);
    for cpu in Cpu::every() {
        for threads in [1, 3] {
            let rows = prepared(cpu, threads, &values, columns);
            for row in 0..19 {
                let alone = prepared(cpu, threads, &values[row * columns..(row + 1) * columns], columns);
                assert_eq!(row_of(&alone, 0), row_of(&reference, row));
                assert_eq!(row_of(&rows, row), row_of(&reference, row));
            }
        }
    }
}

#[test]
fn blocks_of_zeros_and_tiny_values_are_zero_and_blocks_that_are_not_finite_spoil_their_scale() {
    for cpu in Cpu::every() {
        for (value, spoilt) in
            [(0.0, false), (1e-40, false), (1e-36, false), (f32::NAN, true), (f32::INFINITY, true)]
        {
            let mut values = [0.0; 64];
            values[40] = value;
            let rows = prepared(cpu, 1, &values, 64);
            let blocks = row_of(&rows, 0);
            assert_eq!(
                blocks[0],
                ([0; BLOCK], BlockMeta { scale: 0.0, scaled_sum: 0.0, offset: 0, half_offsets: [0, 0] })
            );
            assert_eq!(blocks[1].1.scale.is_nan(), spoilt);
            assert_eq!(blocks[1].1.scaled_sum.is_nan(), spoilt);
            assert!(spoilt || blocks[1].0 == [0; BLOCK]);
        }
    }
}

#[test]
fn floats_lie_column_by_column_in_groups() {
    let values = wave(33 * 11);
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let mut rows = ActivationRows::new();
    rows.prepare(&machine, &values, 33, ActivationForm { quantized: false, floats: true }).unwrap();
    for row in 0..11 {
        let (group, members) = rows.float_group(row);
        assert_eq!(members, if row < 8 { 8 } else { 3 });
        for column in 0..33 {
            assert_eq!(group[column * members + row % 8], values[row * 33 + column]);
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_and_change_nothing() {
    let machine = Machine::new(NonZeroUsize::MIN).unwrap();
    let form = ActivationForm { quantized: true, floats: false };
    let mut rows = ActivationRows::new();
    rows.prepare(&machine, &[1.0; 64], 32, form).unwrap();
    assert!(matches!(
        rows.prepare(&machine, &[1.0; 65], 32, form),
        Err(KernelError::WrongLength { what: "activations", expected: 64, actual: 65 })
    ));
    assert!(matches!(
        rows.prepare(&machine, &[1.0; 66], 33, form),
        Err(KernelError::UnsupportedSize { what: "columns", actual: 33, .. })
    ));
    assert!(matches!(
        rows.prepare(&machine, &[], 0, form),
        Err(KernelError::UnsupportedSize { what: "columns", actual: 0, .. })
    ));
    assert_eq!(rows.rows(), 2);
    rows.prepare(&machine, &[], 32, form).unwrap();
    assert_eq!(rows.rows(), 0);
}
