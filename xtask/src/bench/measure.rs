//! The measurements themselves, one after another, on servers that are idle while it is not their turn.

mod engine_bound;
mod neighbour;
mod one_row;
mod start;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::{Value, json};

pub(super) use self::one_row::CONNECTIONS;
use super::environment::Environment;
use super::figures::{Sample, Serving};
use super::question::{Question, Sample as ModelSample};
use super::running::Running;
use super::tools::{Door, Strength};
use crate::places;
use crate::process;

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
}

impl Plan {
    fn strength(self, connections: usize) -> Strength {
        Strength { connections, seconds: f64::from(self.seconds), warm_up: 0.5 }
    }
}

/// What all measurements share.
#[derive(Debug)]
struct Bench<'a> {
    environment: &'a Environment,
    plan: Plan,
    /// For data directories, logs and request bodies.
    scratch: PathBuf,
}

impl Bench<'_> {
    fn model_folder(&self, name: &str) -> PathBuf {
        self.environment.support.assets.join("models").join(name)
    }

    fn model(&self, name: &str) -> PathBuf {
        self.model_folder(name).join("model.onnx")
    }

    fn inputs_file(&self, name: &str, inputs: &Value) -> Result<PathBuf> {
        let file = self.scratch.join(format!("{name}.inputs.json"));
        fs::write(&file, serde_json::to_vec(&json!({ "inputs": inputs }))?)?;
        Ok(file)
    }

    /// ONNX Runtime without a server, from the peers' environment.
    fn reference(&self, what: &str, model: &Path, inputs_file: &Path) -> Command {
        let mut command = Command::new(&self.environment.python);
        command.arg(places::checkout().join("bench/peers/bare_onnxruntime.py"));
        command.arg(what).arg(model).arg(inputs_file);
        command
    }

    fn answered_by_reference(&self, model: &Path, inputs: Value) -> Result<ModelSample> {
        let file = self.inputs_file("reference", &inputs)?;
        let told = process::capture(&mut self.reference("answer", model, &file))?;
        let outputs = serde_json::from_str(&told).context("the reference prints JSON")?;
        Ok(ModelSample { inputs, outputs })
    }

    /// Puts a server under load and sees what it does and uses.
    fn sample(
        &self,
        running: &Running,
        door: &Door,
        question: &Question,
        strength: Strength,
    ) -> Result<Sample> {
        let before = running.usage()?;
        let load = self.environment.tools.load(door, question, strength)?;
        let cpu = running.usage()?.cpu.saturating_sub(before.cpu);
        Ok(Sample {
            per_second: load.per_second,
            p50_ms: load.p50_ms,
            p99_ms: load.p99_ms,
            server_cpu_us: cpu.as_secs_f64() * 1e6 / load.answered_in_all as f64,
            generator_share: load.generator_share,
        })
    }

    fn tell(&self, round: u32, who: &str, connections: usize, per_second: f64) {
        let rounds = self.plan.rounds;
        eprintln!("round {} of {rounds}  {who:38} {connections:3} connections {per_second:9.0}/s", round + 1);
    }
}

/// Everything, in a scratch folder that is removed afterwards.
pub(super) fn serving(environment: &Environment, plan: Plan) -> Result<Serving> {
    let scratch = tempfile::tempdir()?;
    let bench = Bench { environment, plan, scratch: scratch.path().to_owned() };
    let one_row::Outcome { rows, left_out, triton } = one_row::measure(&bench)?;
    let (engine_bound, neighbours) = engine_bound::measure(&bench)?;
    let start = start::measure(&bench)?;
    Ok(Serving { one_row: rows, left_out, triton, engine_bound, neighbours, start })
}
