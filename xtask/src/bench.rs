//! `cargo xtask bench`: Modelyard beside its peers, in one run, as ratios.
//!
//! Every figure is a median over rounds in which the contestants take turns, so that a machine whose speed drifts
//! slows them all. Whatever is measured is first asked once and must answer right; one failed request makes the whole
//! run void. The result is written to `bench/RESULTS.md` with the machine, the versions and the commands.

mod contestants;
mod environment;
mod figures;
mod machine;
mod measure;
mod question;
mod results;
mod running;
mod targets;
mod tools;
mod usage;

use anyhow::Result;
use clap::Subcommand;

use crate::places;

/// What can be measured.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Bench {
    /// ONNX models over REST: requests a second, latency, CPU, memory and start time.
    Serving {
        /// Rounds in which every contestant is measured once.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
}

pub(crate) fn bench(what: Bench) -> Result<()> {
    let Bench::Serving { rounds, seconds } = what;
    let environment = environment::prepare()?;
    let machine = machine::look()?;
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let plan = measure::Plan { rounds, seconds };
    let figures = measure::serving(&environment, plan)?;
    let versions = environment::versions(&environment)?;
    let text = results::render(&results::Document { machine, versions, plan, figures });
    let path = places::checkout().join("bench/RESULTS.md");
    fs_err::write(&path, text)?;
    eprintln!("written: bench/RESULTS.md");
    Ok(())
}
