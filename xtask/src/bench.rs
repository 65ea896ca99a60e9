//! `cargo xtask bench`: Modelyard beside its peers, in one run, as ratios.
//!
//! Every figure is a median over rounds in which the contestants take turns, so that a machine whose speed drifts
//! slows them all. The result is written to `bench/RESULTS.md` with the machine, the versions and the commands.

mod body;
mod environment;
mod measure;
mod peers;
mod results;
mod running;

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::setup;

/// What can be measured.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Bench {
    /// ONNX models over REST: requests a second, latency, CPU, memory and start time.
    Serving {
        /// Rounds in which every contestant is measured once.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
}

pub(crate) fn bench(what: Bench) -> Result<()> {
    let Bench::Serving { rounds, seconds } = what;
    let support = setup::set_up()?;
    let environment = environment::prepare(&support)?;
    let plan = measure::Plan { rounds: rounds.max(1), time: Duration::from_secs(seconds.max(1)) };
    let figures = measure::serving(&environment, plan)?;
    results::write(&environment, plan, &figures)
}
