//! Measures kernels beside what the machine can do at most.
//!
//! ```sh
//! cargo run --release -p yard-kernels --example kernels -- [threads] [part of a line's name]
//! ```
//!
//! Every line is the fastest of several rounds. Products are told in multiplications (GMAC/s) and in bytes of packed
//! weights (GB/s); the first lines say how fast the machine reads memory.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use yard_gguf::BlockType;
use yard_kernels::{ActivationRows, Cpu, Finish, Machine, PackedMatrix, Product, ThreadPool};

/// How long a line is measured.
const BUDGET: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads: NonZeroUsize = arguments.next().map_or(Ok(NonZeroUsize::MIN), |text| text.parse())?;
    let filter = arguments.next().unwrap_or_default();
    for cpu in Cpu::every() {
        let machine = Machine { cpu, pool: ThreadPool::new(threads)? };
        println!("== {:?}, {threads} threads", cpu.path());
        if "memory".contains(&filter) {
            memory(&machine);
        }
        products(&machine, &filter)?;
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
            for batch in [1, 2, 4, 8, 16, 256] {
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
