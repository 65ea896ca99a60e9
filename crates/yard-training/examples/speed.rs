//! Samples per second of an MLP 784-256-10 and of a small CNN with Adam, batch 64, on one thread, on noise.
//!
//! `cargo run --release -p yard-training --example speed [mlp|cnn]`

use std::{io, num::NonZeroUsize, time::Instant};

use yard_data::draw;
use yard_training::{
    Activation, Classes, Event, Head, LayerPlan, Limits, Loss, Network, NetworkPlan, Plan, Rows, Rule, Run,
    Schedule, Targets, TrainingError, Window, fit,
};

/// As in `modelyard-lab`: the allocator of the C library gives every freed block of a step back to the kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Silent;

impl Run for Silent {
    fn report(&mut self, _event: Event) {}

    fn stopped(&self) -> bool {
        false
    }

    fn save_checkpoint(&mut self, _step: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn last_checkpoint(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
}

fn mlp() -> NetworkPlan {
    let layers = vec![
        LayerPlan::Dense { units: 256, activation: Some(Activation::Relu) },
        LayerPlan::Dense { units: 10, activation: None },
    ];
    NetworkPlan { input: vec![784], layers, head: Head::Softmax }
}

fn cnn() -> NetworkPlan {
    let convolution = |filters| LayerPlan::Convolution {
        filters,
        window: Window { size: [3, 3], stride: [1, 1], padding: [1, 1] },
        activation: Some(Activation::Relu),
    };
    let pool = LayerPlan::MaxPool(Window { size: [2, 2], stride: [2, 2], padding: [0, 0] });
    let layers = vec![
        convolution(16),
        pool,
        convolution(32),
        pool,
        LayerPlan::Flatten,
        LayerPlan::Dense { units: 64, activation: Some(Activation::Relu) },
        LayerPlan::Dense { units: 10, activation: None },
    ];
    NetworkPlan { input: vec![1, 28, 28], layers, head: Head::Softmax }
}

/// Time that this thread spent computing: other work on the machine does not count.
fn computing() -> f64 {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

fn main() -> Result<(), TrainingError> {
    let which = std::env::args().nth(1).unwrap_or_else(|| "mlp".to_owned());
    let (plan, count, epochs) = if which == "cnn" { (cnn(), 2_000, 1) } else { (mlp(), 8_000, 5) };
    let mut source = draw(1, "speed", 0);
    let values: Vec<f32> = std::iter::repeat_with(|| source.uniform() as f32).take(count * 784).collect();
    let classes: Vec<u32> = (0..count as u32).map(|row| row % 10).collect();
    let rows = Rows { values: &values, row_length: 784, targets: Targets::Classes(&classes) };
    let plan_of_run = Plan {
        seed: 1,
        epochs,
        batch_size: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
        whole_epochs: false,
        loss: Loss::CategoricalCrossEntropy(Classes::default()),
        rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false },
        limits: Limits::default(),
        learning_rate: 1e-3,
        schedule: Schedule::CONSTANT,
        early_stopping: None,
        checkpoint_every: 0,
        spec_digest: [0; 32],
    };
    for _ in 0..3 {
        let mut network = Network::new(&plan, 1)?;
        let (begin, computed) = (Instant::now(), computing());
        fit(&mut network, rows, None, &plan_of_run, &mut Silent)?;
        let samples = (count as u64 * epochs) as f64;
        let (seconds, computed) = (begin.elapsed().as_secs_f64(), computing() - computed);
        eprintln!(
            "{which}: {:.0} samples/s, {:.0} a second of computing",
            samples / seconds,
            samples / computed
        );
    }
    Ok(())
}
