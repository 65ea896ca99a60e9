//! `cargo xtask bench llm`: a language model over HTTP, by Modelyard and by llama.cpp's own server, on the same file and
//! with the same threads; and how a small ONNX model fares beside it.

mod document;
mod figures;
mod judged;
mod measure;
mod neighbour;
mod questions;
mod servers;
mod streams;

use std::path::PathBuf;

use anyhow::Result;
use fs_err as fs;

use self::streams::Streams;
use super::tools::Tools;
use super::{environment, language, machine};
use crate::places::checkout;
use crate::process::{self, cargo};
use crate::setup::{self, TestSupport};

/// The model: small, so that what a server costs is not lost in what the model costs.
const MODEL_FILE: &str = "smollm2-135m-q4_0.gguf";
const MODEL_SHOWN: &str = "SmolLM2 135M, Q4_0";

/// How often, how long, and on how many threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    /// Only on so many; on one and on two if it is not said.
    pub(super) threads: Option<u32>,
}

/// Everything there, with absolute paths.
#[derive(Debug)]
struct Setting {
    support: TestSupport,
    modelyard: PathBuf,
    llama_server: PathBuf,
    model: PathBuf,
    /// What prompts are cut from.
    text: PathBuf,
    tools: Tools,
    streams: Streams,
}

pub(super) fn service(plan: Plan) -> Result<()> {
    let setting = prepare()?;
    let machine = machine::look()?;
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let mut measured = Vec::new();
    for threads in [1, 2] {
        if plan.threads.is_none_or(|wanted| wanted == threads) {
            measured.push(measure::on(&setting, plan, threads)?);
        }
    }
    let text = document::render(&machine, &language::versions()?, plan, &measured)?;
    fs::write(checkout().join("bench/LANGUAGE_SERVICE.md"), text)?;
    eprintln!("written: bench/LANGUAGE_SERVICE.md");
    Ok(())
}

fn prepare() -> Result<Setting> {
    let support = setup::set_up()?;
    let (llama_server, models) = language::server_and_models(&support)?;
    process::run(cargo().args(["build", "--release", "--package", "modelyard", "--package", "yard-bench"]))?;
    let release = environment::target_folder()?.join("release");
    Ok(Setting {
        support,
        modelyard: release.join("modelyard"),
        llama_server,
        model: models.join(MODEL_FILE),
        text: models.join("text.txt"),
        tools: Tools { ask: release.join("ask"), load: release.join("load") },
        streams: Streams { ask: release.join("ask"), streams: release.join("streams") },
    })
}
