//! Samples per second of an MLP 784-256-10 and of a small CNN with Adam, batch 64, on one thread.
//!
//! `cargo run --release -p yard-training --example speed [mlp|cnn] [IMAGES LABELS EPOCHS]`
//!
//! IMAGES and LABELS are IDX files of 28x28 pictures in ten classes; without them it trains on noise. The last line, on
//! standard output, is for `cargo xtask bench training`.

use std::{error::Error, io, io::Write as _, num::NonZeroUsize, time::Instant};

use yard_data::draw;
use yard_training::{
    Activation, Classes, Event, Head, LayerPlan, Limits, Loss, Network, NetworkPlan, Plan, Rows, Rule, Run,
    Schedule, Targets, Window, fit,
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

const PIXELS: usize = 28 * 28;

/// Pictures with pixels from 0 to 1, and their classes.
struct Pictures {
    values: Vec<f32>,
    classes: Vec<u32>,
}

impl Pictures {
    fn noise(count: usize) -> Self {
        let mut source = draw(1, "speed", 0);
        let values = std::iter::repeat_with(|| source.uniform() as f32).take(count * PIXELS).collect();
        Self { values, classes: (0..count as u32).map(|row| row % 10).collect() }
    }

    /// Reads IDX files of bytes: the images have a header of 16 bytes, the labels one of 8.
    fn read(images: &str, labels: &str) -> Result<Self, Box<dyn Error>> {
        let (images, labels) = (fs_err::read(images)?, fs_err::read(labels)?);
        let (Some((_, pixels)), Some((_, labels))) =
            (images.split_at_checked(16), labels.split_at_checked(8))
        else {
            return Err("these are no IDX files".into());
        };
        if pixels.len() != labels.len() * PIXELS {
            return Err(format!("{} pixels do not belong to {} labels", pixels.len(), labels.len()).into());
        }
        Ok(Self {
            values: pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect(),
            classes: labels.iter().map(|label| u32::from(*label)).collect(),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let which = arguments.first().map_or("mlp", String::as_str);
    let plan = if which == "cnn" { cnn() } else { mlp() };
    let (pictures, epochs, passes) = match arguments.get(1..) {
        Some([images, labels, epochs]) => (Pictures::read(images, labels)?, epochs.parse()?, 1),
        _ if which == "cnn" => (Pictures::noise(2_000), 1, 3),
        _ => (Pictures::noise(8_000), 5, 3),
    };
    let rows =
        Rows { values: &pictures.values, row_length: PIXELS, targets: Targets::Classes(&pictures.classes) };
    for _ in 0..passes {
        let mut network = Network::new(&plan, 1)?;
        // An epoch that is not counted: the first steps find cold caches and empty allocators.
        fit(&mut network, rows, None, &plan_of_run(1), &mut Silent)?;
        let (begin, computed) = (Instant::now(), computing());
        let fitted = fit(&mut network, rows, None, &plan_of_run(epochs), &mut Silent)?;
        let samples = (pictures.classes.len() as u64 * epochs) as f64;
        let (seconds, computed) = (begin.elapsed().as_secs_f64(), computing() - computed);
        eprintln!(
            "{which}: {:.0} samples/s, {:.0} a second of computing",
            samples / seconds,
            samples / computed
        );
        let accuracy = fitted.history.last().map_or(0.0, |epoch| epoch.train_score);
        let speed = samples / seconds;
        writeln!(io::stdout(), "{{\"samples_per_second\": {speed}, \"accuracy\": {accuracy}}}")?;
    }
    Ok(())
}

fn plan_of_run(epochs: u64) -> Plan {
    Plan {
        seed: 1,
        epochs,
        batch_size: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
        whole_epochs: false,
        loss: Loss::CategoricalCrossEntropy(Classes::default()),
        loss_unit: 1.0,
        rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false },
        limits: Limits::default(),
        learning_rate: 1e-3,
        schedule: Schedule::CONSTANT,
        early_stopping: None,
        checkpoint_every: 0,
        spec_digest: [0; 32],
    }
}
