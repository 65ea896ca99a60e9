//! Measures kernels beside what the machine can do at most.
//!
//! ```sh
//! cargo run --release -p yard-kernels --example kernels -- [threads] [part of a line's name] [part of a path's name]
//! ```
//!
//! Every line is the fastest of several rounds. Products are told in multiplications (GMAC/s) and in bytes of packed
//! weights (GB/s); the first lines say how fast the machine reads memory.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use yard_gguf::BlockType;
use yard_kernels::{
    ActivationRows, AttentionOptions, Cpu, Finish, KeyValuePages, KeyValueShape, Machine, PAGE_POSITIONS,
    PackedMatrix, PageElement, PageSlot, Product, SequenceRows, ThreadPool,
};

/// How long a line is measured.
const BUDGET: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads: NonZeroUsize = arguments.next().map_or(Ok(NonZeroUsize::MIN), |text| text.parse())?;
    let filter = arguments.next().unwrap_or_default();
    let path = arguments.next().unwrap_or_default();
    for cpu in Cpu::every().into_iter().filter(|cpu| format!("{:?}", cpu.path()).contains(&path)) {
        let machine = Machine { cpu, pool: ThreadPool::new(threads)? };
        println!("== {:?}, {threads} threads", cpu.path());
        if "memory".contains(&filter) {
            memory(&machine);
        }
        if "attention".contains(&filter) {
            attention(&machine)?;
        }
        products(&machine, &filter)?;
        if "packing".contains(&filter) {
            packing(&machine)?;
        }
    }
    Ok(())
}

/// The shortest time of a call.
fn fastest(mut call: impl FnMut()) -> f64 {
    let (start, mut shortest) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < BUDGET {
        let before = Instant::now();
        call();
        shortest = shortest.min(before.elapsed().as_secs_f64());
    }
    shortest
}

/// Reads far more than the caches hold.
fn memory(machine: &Machine) {
    let values = vec![1_u64; 32 << 20];
    let seconds = fastest(|| {
        machine.pool.for_each(values.len(), 1 << 16, &|range| {
            black_box(values[range].iter().fold(0_u64, |sum, value| sum.wrapping_add(*value)));
        });
    });
    println!("memory                    {:8.1} GB/s", values.len() as f64 * 8.0 / seconds / 1e9);
}

fn products(machine: &Machine, filter: &str) -> Result<(), Box<dyn std::error::Error>> {
    use BlockType::{BF16, F16, F32, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
    for kind in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, F16, BF16, F32] {
        // One that fits the caches, and one that does not.
        for (rows, columns) in [(2048, 2048), (49_152, 2048)] {
            for batch in [1, 2, 4, 8, 16, 64, 256] {
                let name = format!("{kind} {rows}x{columns} x{batch}");
                if !name.contains(filter) || (rows > 10_000 && batch > 16) {
                    continue;
                }
                let bytes: Vec<u8> = (0..rows * kind.row_bytes(columns)?)
                    .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
                    .collect();
                let weights = PackedMatrix::pack(machine, kind, rows, columns, &bytes)?;
                drop(bytes);
                let values: Vec<f32> = (0..batch * columns).map(|at| (at as f32 * 0.1).sin()).collect();
                let mut activations = ActivationRows::new();
                let mut output = vec![0.0; batch * rows];
                let preparing = fastest(|| {
                    let prepared = activations.prepare(machine, &values, columns, weights.form());
                    prepared.unwrap_or_else(|error| panic!("{error}"));
                });
                let seconds = fastest(|| {
                    let product =
                        Product { weights: &weights, bias: None, output: &mut output, finish: Finish::Store };
                    let multiplied = machine.multiply(&activations, &mut [product]);
                    multiplied.unwrap_or_else(|error| panic!("{error}"));
                });
                let products = (batch * rows * columns) as f64 / seconds / 1e9;
                let read = weights.bytes() as f64 / seconds / 1e9;
                println!(
                    "{name:25} {products:8.1} GMAC/s {read:7.1} GB/s   {:9.1} us   prepared in {:6.1} us",
                    seconds * 1e6,
                    preparing * 1e6
                );
            }
        }
    }
    Ok(())
}

/// What loading a model costs, in bytes of the file.
fn packing(machine: &Machine) -> Result<(), Box<dyn std::error::Error>> {
    let (rows, columns) = (8192, 2048);
    for kind in BlockType::ALL {
        let bytes = vec![0x55; rows * kind.row_bytes(columns)?];
        let seconds = fastest(|| {
            let packed = PackedMatrix::pack(machine, kind, rows, columns, &bytes);
            black_box(packed.unwrap_or_else(|error| panic!("{error}")));
        });
        println!("packing {:17} {:8.2} GB/s", kind.name(), bytes.len() as f64 / seconds / 1e9);
    }
    Ok(())
}

/// Prompts, single steps over long contexts, and many sequences with a prefix of their own or in common.
fn attention(machine: &Machine) -> Result<(), Box<dyn std::error::Error>> {
    for (heads, group, head_size) in [(3, 3, 64), (8, 4, 128)] {
        for (name, sequences, before, rows, shared) in [
            ("prompt 256", 1_usize, 0_usize, 256_usize, 0_usize),
            ("prompt 512 after 1536", 1, 1536, 512, 0),
            ("1 step at 2000", 1, 2000, 1, 0),
            ("16 steps at 500", 16, 500, 1, 0),
            ("16 steps at 500, shared", 16, 500, 1, 31),
        ] {
            let shape = KeyValueShape { heads, head_size, element: PageElement::F16 };
            let pages_each = (before + rows).div_ceil(PAGE_POSITIONS);
            let mut pages = KeyValuePages::new(shape, sequences * pages_each)?;
            let columns = heads * head_size;
            for page in 0..pages.pages() {
                let slots: Vec<_> =
                    (0..PAGE_POSITIONS).map(|slot| PageSlot { page: page as u32, slot }).collect();
                let values: Vec<f32> =
                    (0..PAGE_POSITIONS * columns).map(|at| (at as f32 * 0.1).sin()).collect();
                pages.write(machine, &slots, &values, &values)?;
            }
            let tables: Vec<Vec<u32>> = (0..sequences)
                .map(|index| {
                    (0..pages_each)
                        .map(
                            |page| {
                                if page < shared { page as u32 } else { (index * pages_each + page) as u32 }
                            },
                        )
                        .collect()
                })
                .collect();
            let sequences: Vec<_> =
                tables.iter().map(|pages| SequenceRows { pages, first_position: before, rows }).collect();
            let options =
                AttentionOptions { query_heads: heads * group, scale: 0.1, window: None, soft_cap: None };
            let queries = vec![0.1; sequences.len() * rows * columns * group];
            let mut output = vec![0.0; queries.len()];
            let seconds = fastest(|| {
                let attended = machine.attend(&pages, &options, &sequences, &queries, &mut output);
                attended.unwrap_or_else(|error| panic!("{error}"));
            });
            let seen: usize = (before..before + rows).map(|position| position + 1).sum();
            let products = (sequences.len() * seen * 2 * columns * group) as f64 / seconds / 1e9;
            let read = (sequences.len() * pages_each * shape.page_bytes()) as f64 / seconds / 1e9;
            println!(
                "attention {heads}x{group}x{head_size} {name:24} {products:7.1} GMAC/s {read:6.1} GB/s {:9.1} us",
                seconds * 1e6
            );
        }
    }
    Ok(())
}
