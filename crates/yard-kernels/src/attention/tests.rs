use proptest::prelude::*;

use super::*;
use crate::{Cpu, ThreadPool};

fn machine(cpu: Cpu, threads: usize) -> Machine {
    Machine { cpu, pool: ThreadPool::new(NonZeroUsize::new(threads).unwrap()).unwrap() }
}

/// A number between -1 and 1 that depends on where it stands.
fn drawn(seed: u64, at: usize) -> f32 {
    let mut mixed = (at as u64).wrapping_add(seed << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed >> 40) as f32) / 8_388_608.0 - 1.0
}

#[derive(Debug, Clone)]
struct Case {
    shape: KeyValueShape,
    group: usize,
    window: Option<usize>,
    soft_cap: Option<f32>,
    /// Positions seen before, and rows.
    sequences: Vec<(usize, usize)>,
    /// Leading pages that all sequences have in common.
    shared_pages: usize,
}

/// The pages, and what was written to them, for a case. Sequences share the first pages and have others of their own,
/// in an order that is not that of their positions.
struct Laid {
    pages: KeyValuePages,
    tables: Vec<Vec<u32>>,
    queries: Vec<f32>,
    /// Keys and values of every sequence and position, as they come back from the pages.
    rows: Vec<Vec<(Vec<f32>, Vec<f32>)>>,
}

impl Case {
    fn columns(&self) -> usize {
        self.shape.heads * self.shape.head_size
    }

    fn options(&self) -> AttentionOptions {
        AttentionOptions {
            query_heads: self.shape.heads * self.group,
            scale: 3.0 / (self.shape.head_size as f32).sqrt(),
            window: self.window.map(|window| NonZeroUsize::new(window).unwrap()),
            soft_cap: self.soft_cap,
        }
    }

    fn lay(&self, machine: &Machine) -> Laid {
        let needed = |(before, rows): &(usize, usize)| (before + rows).div_ceil(PAGE_POSITIONS);
        let count = self.shared_pages + self.sequences.iter().map(needed).sum::<usize>() + 3;
        let mut pages = KeyValuePages::new(self.shape, count).unwrap();
        // What other sequences left behind must not be seen.
        for page in 0..count {
            let slots: Vec<PageSlot> =
                (0..PAGE_POSITIONS).map(|slot| PageSlot { page: page as u32, slot }).collect();
            let rubbish = vec![f32::NAN; PAGE_POSITIONS * self.columns()];
            pages.write(machine, &slots, &rubbish, &rubbish).unwrap();
        }
        let mut next = count as u32;
        let mut tables = Vec::new();
        let mut all_rows = Vec::new();
        for (index, sequence) in self.sequences.iter().enumerate() {
            let table: Vec<u32> = (0..needed(sequence))
                .map(|page| {
                    if page < self.shared_pages {
                        return page as u32;
                    }
                    next -= 1;
                    next
                })
                .collect();
            let (mut slots, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let mut rows = Vec::new();
            for position in 0..sequence.0 + sequence.1 {
                let shared = position < self.shared_pages * PAGE_POSITIONS;
                let seed = if shared { 1000 } else { index as u64 };
                slots.push(PageSlot {
                    page: table[position / PAGE_POSITIONS],
                    slot: position % PAGE_POSITIONS,
                });
                let key: Vec<f32> =
                    (0..self.columns()).map(|column| drawn(seed, position * 4096 + column)).collect();
                let value: Vec<f32> =
                    (0..self.columns()).map(|column| drawn(seed + 500, position * 4096 + column)).collect();
                keys.extend(&key);
                values.extend(&value);
                let kept = |values: &[f32]| -> Vec<f32> {
                    let round = |value: &f32| match self.shape.element {
                        PageElement::F32 => *value,
                        PageElement::F16 => half::f16::from_f32(*value).to_f32(),
                    };
                    values.iter().map(round).collect()
                };
                rows.push((kept(&key), kept(&value)));
            }
            pages.write(machine, &slots, &keys, &values).unwrap();
            tables.push(table);
            all_rows.push(rows);
        }
        let rows: usize = self.sequences.iter().map(|(_, rows)| rows).sum();
        let width = self.columns() * self.group;
        let queries = (0..rows * width).map(|at| drawn(77, at)).collect();
        Laid { pages, tables, queries, rows: all_rows }
    }

    fn attend(&self, machine: &Machine, laid: &Laid) -> Vec<f32> {
        let sequences: Vec<SequenceRows<'_>> = self
            .sequences
            .iter()
            .zip(&laid.tables)
            .map(|((before, rows), pages)| SequenceRows { pages, first_position: *before, rows: *rows })
            .collect();
        let mut output = vec![f32::NAN; laid.queries.len()];
        machine.attend(&laid.pages, &self.options(), &sequences, &laid.queries, &mut output).unwrap();
        output
    }

    /// Each sequence, and each of its rows, alone.
    fn attend_alone(&self, machine: &Machine, laid: &Laid) -> Vec<f32> {
        let width = self.columns() * self.group;
        let mut output = vec![f32::NAN; laid.queries.len()];
        let mut row = 0;
        for ((before, rows), pages) in self.sequences.iter().zip(&laid.tables) {
            for first_position in *before..before + rows {
                let alone = [SequenceRows { pages, first_position, rows: 1 }];
                let own = row * width..(row + 1) * width;
                let (queries, output) = (&laid.queries[own.clone()], &mut output[own]);
                machine.attend(&laid.pages, &self.options(), &alone, queries, output).unwrap();
                row += 1;
            }
        }
        output
    }

    /// In `f64`, by the book.
    fn reference(&self, laid: &Laid) -> Vec<f64> {
        let options = self.options();
        let (size, mut output, mut row) = (self.shape.head_size, Vec::new(), 0);
        for ((before, rows), kept) in self.sequences.iter().zip(&laid.rows) {
            for position in *before..before + rows {
                let first = self.window.map_or(0, |window| (position + 1).saturating_sub(window));
                for head in 0..options.query_heads {
                    let start = (row * options.query_heads + head) * size;
                    let query = &laid.queries[start..start + size];
                    let own = head / self.group * size..(head / self.group + 1) * size;
                    let mut weights = Vec::new();
                    for (keys, _) in &kept[first..=position] {
                        let dot: f64 = query
                            .iter()
                            .zip(&keys[own.clone()])
                            .map(|(query, key)| f64::from(*query) * f64::from(*key))
                            .sum();
                        let score = dot * f64::from(options.scale);
                        weights.push(match self.soft_cap {
                            Some(cap) => f64::from(cap) * (score / f64::from(cap)).tanh(),
                            None => score,
                        });
                    }
                    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = weights.iter().map(|score| (score - largest).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    for column in own {
                        let values =
                            kept[first..=position].iter().map(|(_, values)| f64::from(values[column]));
                        output.push(
                            values.zip(&weights).map(|(value, weight)| value * weight).sum::<f64>() / sum,
                        );
                    }
                }
                row += 1;
            }
        }
        output
    }

    fn check(&self) {
        let mut bits: Option<Vec<u32>> = None;
        for cpu in Cpu::every() {
            for threads in [1, 3] {
                let machine = machine(cpu, threads);
                let laid = self.lay(&machine);
                let output = self.attend(&machine, &laid);
                if bits.is_none() {
                    for (at, (output, exact)) in output.iter().zip(self.reference(&laid)).enumerate() {
                        let error = (f64::from(*output) - exact).abs();
                        assert!(error < 3e-6, "{self:?} {cpu:?} at {at}: {output} instead of {exact}");
                    }
                }
                let to_bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                let output = to_bits(output);
                assert!(*bits.get_or_insert_with(|| output.clone()) == output, "{self:?} {cpu:?} {threads}");
                assert!(
                    to_bits(self.attend_alone(&machine, &laid)) == output,
                    "alone {self:?} {cpu:?} {threads}"
                );
            }
        }
    }
}

fn case(head_size: usize, sequences: &[(usize, usize)]) -> Case {
    Case {
        shape: KeyValueShape { heads: 2, head_size, element: PageElement::F16 },
        group: 3,
        window: None,
        soft_cap: None,
        sequences: sequences.to_vec(),
        shared_pages: 0,
    }
}

#[test]
fn prompts_and_single_rows_equal_the_reference_for_many_head_sizes() {
    for head_size in [8, 16, 24, 64, 72, 80, 128, 256] {
        for element in [PageElement::F32, PageElement::F16] {
            let mut case = case(head_size, &[(0, 1), (0, 20), (63, 2), (70, 1), (15, 17)]);
            case.shape.element = element;
            case.check();
        }
    }
}

#[test]
fn long_contexts_are_joined_from_spans() {
    case(64, &[(1500, 2), (511, 3)]).check();
    case(16, &[(5000, 1)]).check();
}

#[test]
fn any_grouping_of_heads_equals_the_reference() {
    for group in [1, 2, 4, 5, 7, 8, 16] {
        Case { group, ..case(32, &[(100, 5), (0, 7)]) }.check();
    }
}

#[test]
fn windows_hide_what_is_before_them() {
    for window in [1, 5, 16, 64, 100, 600] {
        Case { window: Some(window), ..case(16, &[(0, 130), (700, 1), (1030, 9)]) }.check();
    }
}

#[test]
fn scores_are_capped() {
    Case { soft_cap: Some(1.5), ..case(64, &[(200, 3)]) }.check();
    Case { soft_cap: Some(1.5), window: Some(40), ..case(64, &[(200, 3)]) }.check();
}

#[test]
fn sequences_with_a_shared_prefix_have_the_bits_they_have_alone() {
    let sequences: Vec<(usize, usize)> = (0..16).map(|index| (150 + 13 * index, 1)).collect();
    Case { shared_pages: 9, ..case(64, &sequences) }.check();
    // Rows of prompts and of single steps, a window that ends inside what is shared, and prefixes over several spans.
    Case { shared_pages: 5, window: Some(100), ..case(24, &[(90, 10), (85, 1), (200, 3)]) }.check();
    Case { shared_pages: 70, ..case(16, &[(1130, 1), (1200, 2), (1121, 1)]) }.check();
}

#[test]
fn a_query_that_is_not_a_number_spoils_its_own_row_only() {
    let case = case(24, &[(20, 3), (600, 1)]);
    for cpu in Cpu::every() {
        let machine = machine(cpu, 1);
        let mut laid = case.lay(&machine);
        let width = case.columns() * case.group;
        laid.queries[width + 5] = f32::NAN;
        let output = case.attend(&machine, &laid);
        for (at, value) in output.iter().enumerate() {
            // The first head of the second row.
            assert_eq!(value.is_nan(), (width..width + 24).contains(&at), "{cpu:?} {at} {value}");
        }
    }
}

#[test]
fn a_copied_page_is_read_like_the_first() {
    let machine = machine(Cpu::best(), 1);
    let case = case(40, &[(20, 1)]);
    let mut laid = case.lay(&machine);
    let before = case.attend(&machine, &laid);
    let free = laid.pages.pages() as u32 - 1;
    let free = (0..=free).find(|page| !laid.tables[0].contains(page)).unwrap();
    laid.pages.copy_page(laid.tables[0][1], free).unwrap();
    laid.tables[0][1] = free;
    assert_eq!(case.attend(&machine, &laid), before);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let machine = machine(Cpu::best(), 1);
    let shape = KeyValueShape { heads: 2, head_size: 16, element: PageElement::F32 };
    for head_size in [0, 4, 12, 264] {
        let shape = KeyValueShape { head_size, ..shape };
        assert!(matches!(KeyValuePages::new(shape, 1), Err(KernelError::UnsupportedSize { .. })));
    }
    assert!(KeyValuePages::new(KeyValueShape { heads: 0, ..shape }, 1).is_err());
    assert!(KeyValuePages::new(KeyValueShape { heads: usize::MAX, ..shape }, 4).is_err());
    assert!(KeyValuePages::new(shape, usize::MAX).is_err());
    let mut pages = KeyValuePages::new(shape, 2).unwrap();
    let row = [0.0; 32];
    let slot = |page, slot| [PageSlot { page, slot }];
    assert!(matches!(
        pages.write(&machine, &slot(2, 0), &row, &row),
        Err(KernelError::NoSuchPage { page: 2, pages: 2 })
    ));
    assert!(pages.write(&machine, &slot(1, 16), &row, &row).is_err());
    assert!(pages.write(&machine, &slot(1, 15), &row[1..], &row).is_err());
    assert!(pages.write(&machine, &slot(1, 15), &row, &row[1..]).is_err());
    assert!(pages.copy_page(0, 2).is_err());
    pages.write(&machine, &slot(1, 15), &row, &row).unwrap();

    let options = AttentionOptions { query_heads: 4, scale: 1.0, window: None, soft_cap: None };
    let attend = |options: AttentionOptions, pages_of: &[u32], first_position, rows, values| {
        let sequences = [SequenceRows { pages: pages_of, first_position, rows }];
        machine.attend(&pages, &options, &sequences, &vec![0.0; values], &mut vec![0.0; 64]).is_err()
    };
    assert!(!attend(options, &[0], 15, 1, 64));
    assert!(attend(options, &[0], 16, 1, 64));
    assert!(attend(options, &[0, 2], 16, 1, 64));
    assert!(attend(options, &[0], usize::MAX, 1, 64));
    assert!(attend(options, &[0], 0, 1, 63));
    assert!(attend(options, &[0], 0, 2, 128));
    assert!(attend(AttentionOptions { query_heads: 3, ..options }, &[0], 0, 1, 48));
    assert!(attend(AttentionOptions { query_heads: 0, ..options }, &[0], 0, 1, 0));
}

#[test]
fn no_rows_are_no_work() {
    let machine = machine(Cpu::best(), 2);
    let shape = KeyValueShape { heads: 2, head_size: 16, element: PageElement::F32 };
    let pages = KeyValuePages::new(shape, 0).unwrap();
    let options = AttentionOptions { query_heads: 4, scale: 1.0, window: None, soft_cap: None };
    machine.attend(&pages, &options, &[], &[], &mut []).unwrap();
    let nothing = [SequenceRows { pages: &[], first_position: 40, rows: 0 }];
    machine.attend(&pages, &options, &nothing, &[], &mut []).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_sequences_equal_the_reference(
        eighths in 1_usize..17,
        group in 1_usize..6,
        heads in 1_usize..4,
        half in any::<bool>(),
        window in proptest::option::of(1_usize..200),
        soft_cap in proptest::option::of(0.5_f32..20.0),
        sequences in proptest::collection::vec((0_usize..150, 0_usize..20), 1..5),
        shared_pages in 0_usize..8,
    ) {
        // Pages in common must be full before the rows of the shortest sequence begin.
        let shortest = sequences.iter().map(|(before, _)| before / PAGE_POSITIONS).min().unwrap_or(0);
        let element = if half { PageElement::F16 } else { PageElement::F32 };
        let shape = KeyValueShape { heads, head_size: eighths * 8, element };
        let shared_pages = shared_pages.min(shortest);
        Case { shape, group, window, soft_cap, sequences, shared_pages }.check();
    }
}
