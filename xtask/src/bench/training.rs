//! `cargo xtask bench training`: samples a second beside PyTorch on the processor, one thread each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::environment;
use super::figures::median;
use super::machine::{self, Machine};
use crate::places::checkout;
use crate::process::{self, cargo};
use crate::setup;

const PEER: &str = "bench/peers/torch_training.py";
/// Below this nothing was learned, and the speed of something else was measured. Both networks pass it in two epochs.
const LEAST_ACCURACY: f64 = 0.9;

const HEAD: &str = "\
# Speed of training, measured

Written by `cargo xtask bench training`, figures and all; do not edit it by hand.
";

const READING: &str = "\
## How to read this

- 8,000 real digits of MNIST, 28x28; batches of 64, Adam at 0.001, cross-entropy, rows shuffled anew in each epoch. Reading the
  files, building the network and a first epoch are not counted.
- MLP: 784-256-10, ReLU between. CNN: 16 convolutions 3x3 with padding 1, ReLU, 2x2 maximum, 32 convolutions alike, ReLU, 2x2
  maximum, dense 64, ReLU, dense 10.
- Modelyard is `crates/yard-training/examples/speed.rs`, which calls the training loop that jobs call, without checkpoints.
  PyTorch is `bench/peers/torch_training.py`, written as its documentation writes a loop, not compiled.
- Both use one thread. In a round each is measured once, one after the other; figures are medians of the rounds. *Accuracy* is
  that of the last epoch's steps: a run that has not learned makes the whole measurement void.
";

/// A network that is measured, and what is asked for.
struct Work {
    name: &'static str,
    shown: &'static str,
    target: &'static str,
    epochs: u32,
}

const WORKS: [Work; 2] = [
    Work { name: "mlp", shown: "MLP 784-256-10", target: ">= 1.5 x", epochs: 5 },
    Work { name: "cnn", shown: "CNN 16-32-64-10", target: "near 1 x", epochs: 1 },
];

/// Of all rounds.
#[derive(Debug, Default, Clone)]
struct Figures {
    samples_per_second: Vec<f64>,
    accuracy: Vec<f64>,
}

/// Which Python has PyTorch, and which PyTorch that is.
struct Torch {
    python: PathBuf,
    version: String,
}

pub(super) fn training(rounds: u32, python: &Path) -> Result<()> {
    let support = setup::set_up()?;
    let data = match &support.data_sets {
        Ok(folder) => folder.join("mnist"),
        Err(reason) => bail!("{reason}"),
    };
    let torch = torch(python)?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "yard-training", "--example", "speed"]);
    process::run(&mut build)?;
    let ours = environment::target_folder()?.join("release/examples/speed");
    let machine = machine::look()?;
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let mut measured = Vec::new();
    for work in &WORKS {
        let (mut modelyard, mut peer) = (Figures::default(), Figures::default());
        for round in 1..=rounds {
            eprintln!("{}, round {round} of {rounds}", work.shown);
            modelyard.take(Command::new(&ours), work, &data)?;
            if let Ok(torch) = &torch {
                let mut command = Command::new(&torch.python);
                command.env("OMP_NUM_THREADS", "1").arg(checkout().join(PEER));
                peer.take(command, work, &data)?;
            }
        }
        measured.push((work, modelyard, peer));
    }
    let text = render(&machine, &versions(&torch)?, rounds, &measured, torch.as_ref().err())?;
    fs_err::write(checkout().join("bench/TRAINING.md"), text)?;
    eprintln!("written: bench/TRAINING.md");
    Ok(())
}

/// The interpreter if it has PyTorch; what to do about it if not.
fn torch(python: &Path) -> Result<Result<Torch, String>> {
    let script = "import torch; print(torch.__version__)";
    if !process::works(Command::new(python).args(["-c", script]))? {
        let advice = format!(
            "{} has no PyTorch, so nothing was measured beside Modelyard: name an interpreter that has it with --python",
            process::show(&Command::new(python))
        );
        eprintln!("{advice}");
        return Ok(Err(advice));
    }
    let version = process::capture(Command::new(python).args(["-c", script]))?.trim().to_owned();
    Ok(Ok(Torch { python: python.to_owned(), version }))
}

fn versions(torch: &Result<Torch, String>) -> Result<Vec<(&'static str, String)>> {
    let mut versions = vec![("Modelyard", environment::revision()?), ("rustc", environment::rustc()?)];
    if let Ok(torch) = torch {
        versions.push(("PyTorch", torch.version.clone()));
        let mut python = Command::new(&torch.python);
        python.args(["-c", "import platform; print(platform.python_version())"]);
        versions.push(("Python", process::capture(&mut python)?.trim().to_owned()));
    }
    Ok(versions)
}

// === impl Figures ===

impl Figures {
    fn take(&mut self, mut command: Command, work: &Work, data: &Path) -> Result<()> {
        command.arg(work.name);
        command.arg(data.join("train-images-idx3-ubyte")).arg(data.join("train-labels-idx1-ubyte"));
        command.arg(work.epochs.to_string());
        let told = process::capture(&mut command)?;
        self.add(&told).with_context(|| process::show(&command))
    }

    fn add(&mut self, told: &str) -> Result<()> {
        let told: Value = serde_json::from_str(told)?;
        let figure = |name: &str| told[name].as_f64().with_context(|| format!("{name} is not told"));
        let (speed, accuracy) = (figure("samples_per_second")?, figure("accuracy")?);
        if accuracy < LEAST_ACCURACY {
            bail!(
                "an accuracy of {accuracy:.3} was reached, {LEAST_ACCURACY} is the least: it has not learned"
            );
        }
        self.samples_per_second.push(speed);
        self.accuracy.push(accuracy);
        Ok(())
    }

    fn speed(&self) -> Option<f64> {
        (!self.samples_per_second.is_empty()).then(|| median(self.samples_per_second.iter().copied()))
    }
}

fn render(
    machine: &Machine,
    versions: &[(&'static str, String)],
    rounds: u32,
    measured: &[(&Work, Figures, Figures)],
    no_peer: Option<&String>,
) -> Result<String> {
    let mut text = HEAD.to_owned();
    writeln!(text, "\n| samples/s, one thread | Modelyard | PyTorch | Modelyard does | target | accuracy |")?;
    writeln!(text, "|---|---|---|---|---|---|")?;
    for (work, modelyard, peer) in measured {
        let ours = modelyard.speed().context("nothing was measured")?;
        let (theirs, ratio) = match peer.speed() {
            Some(theirs) => (format!("{theirs:.0}"), format!("{:.2} x", ours / theirs)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let mut accuracy = format!("{:.3}", median(modelyard.accuracy.iter().copied()));
        if !peer.accuracy.is_empty() {
            write!(accuracy, ", {:.3}", median(peer.accuracy.iter().copied()))?;
        }
        let Work { shown, target, .. } = work;
        writeln!(text, "| {shown} | {ours:.0} | {theirs} | {ratio} | {target} | {accuracy} |")?;
    }
    if let Some(reason) = no_peer {
        writeln!(text, "\n{reason}.")?;
    }
    writeln!(text, "\nThe single rounds, in samples/s:\n")?;
    for (work, modelyard, peer) in measured {
        for (name, figures) in [("Modelyard", modelyard), ("PyTorch", peer)] {
            if !figures.samples_per_second.is_empty() {
                let rounds: Vec<String> =
                    figures.samples_per_second.iter().map(|speed| format!("{speed:.0}")).collect();
                writeln!(text, "- {}, {name}: {}", work.shown, rounds.join(", "))?;
            }
        }
    }
    writeln!(text, "\n## Where and with what\n")?;
    writeln!(
        text,
        "- {}; {} processors; {}",
        machine.processor,
        machine.cores,
        machine.abilities.join(", ")
    )?;
    writeln!(text, "- Linux {}; load before the measurement {:.2}", machine.kernel, machine.load_before)?;
    writeln!(text, "- {}; {rounds} rounds: `cargo xtask bench training --rounds {rounds}`", machine.date)?;
    for (name, version) in versions {
        writeln!(text, "- {name} {version}")?;
    }
    write!(text, "\n{READING}")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            date: "2026-01-02".to_owned(),
            processor: "Chip 9000".to_owned(),
            abilities: vec!["avx2"],
            cores: 2,
            memory_bytes: 1 << 30,
            kernel: "6.1".to_owned(),
            load_before: 0.1,
        }
    }

    fn figures(speeds: &[f64]) -> Figures {
        let mut figures = Figures::default();
        for speed in speeds {
            figures.add(&format!("{{\"samples_per_second\": {speed}, \"accuracy\": 0.95}}\n")).unwrap();
        }
        figures
    }

    #[test]
    fn what_has_not_learned_or_tells_nothing_makes_the_measurement_void() {
        let complaint = |told| format!("{:#}", Figures::default().add(told).unwrap_err());
        let slow = "{\"samples_per_second\": 9, \"accuracy\": 0.1}";
        assert!(complaint(slow).contains("it has not learned"), "{}", complaint(slow));
        assert!(complaint("{\"accuracy\": 1}").contains("samples_per_second is not told"));
        assert!(Figures::default().add("busy").is_err());
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let measured = [(&WORKS[0], figures(&[300.0, 100.0, 200.0]), figures(&[100.0]))];
        let text = render(&machine(), &[("rustc", "1.95".to_owned())], 3, &measured, None).unwrap();
        assert!(text.contains("| MLP 784-256-10 | 200 | 100 | 2.00 x | >= 1.5 x | 0.950, 0.950 |"), "{text}");
        assert!(text.contains("Chip 9000") && text.contains("- rustc 1.95"), "{text}");
    }

    #[test]
    fn without_a_peer_there_is_no_ratio_but_the_reason() {
        let measured = [(&WORKS[1], figures(&[10.0]), Figures::default())];
        let reason = "python3 has no PyTorch".to_owned();
        let text = render(&machine(), &[], 1, &measured, Some(&reason)).unwrap();
        assert!(text.contains("| 10 | - | - |") && text.contains("python3 has no PyTorch."), "{text}");
    }
}
