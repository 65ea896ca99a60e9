//! The suite that every engine must pass.
//!
//! Each clause takes a [`Subject`] and checks it against models and samples that `cargo xtask setup` makes: outputs are
//! those of the Python ONNX Runtime. A clause goes through all its models before it fails and reports every fault, so
//! that one run shows the whole picture.
//!
//! ```no_run
//! use yard_engine::contract::{Subject, real_models};
//! # fn check(subject: &Subject<'_>) -> Result<(), yard_engine::contract::Broken> {
//! real_models(subject)
//! # }
//! ```

mod assets;
mod hostile;
mod memory;
mod models;
mod runs;
mod samples;

use std::path::Path;

use yard_types::{DataType, ModelName};

use crate::{Engine, LoadError, LoadOptions, ModelPackage, Tolerance};

pub use hostile::hostile_packages;
pub use memory::{loading_and_dropping, shared_weights};
pub use models::{batches_equal_singles, element_types, joining_verdicts, real_models};
pub use runs::{concurrent_runs, stopping, wrong_inputs};

/// An engine and what it promises.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// Where `cargo xtask setup` put models and samples.
    pub assets: &'a Path,
    /// The element types that it takes and gives without changing them; all others it must refuse.
    pub element_types: &'a [DataType],
    /// The models that it must refuse, and how; it must run all others.
    pub refuses: &'a [(&'a str, Refusal)],
    /// How far its outputs may be off.
    pub tolerance: Tolerance,
    /// Whether a run that has begun can be stopped.
    pub stops_runs: bool,
    /// Bits of the largest INT64 value that it takes; inputs with a larger one must be refused, not changed.
    pub widest_integer_bits: u32,
}

/// How a model is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The engine names the operator that it lacks.
    Operator,
    /// The engine names the element type that it would change.
    ElementType,
}

/// A clause of the contract that the engine broke, with every fault.
#[derive(Debug, thiserror::Error)]
#[error("{clause}:\n  {}", faults.join("\n  "))]
pub struct Broken {
    clause: &'static str,
    faults: Vec<String>,
}

/// Collects the faults of a clause.
#[derive(Debug)]
struct Faults {
    clause: &'static str,
    faults: Vec<String>,
    checked: usize,
}

impl Subject<'_> {
    fn package(&self, group: &str, name: &str) -> Result<ModelPackage, String> {
        let directory = self.assets.join(group).join(name);
        let main = "model.onnx".parse().map_err(|error| format!("{error}"))?;
        if directory.join("model.onnx").is_file() {
            Ok(ModelPackage::new(directory, main))
        } else {
            Err(format!("'{}' is missing: run `cargo xtask setup`", directory.display()))
        }
    }

    fn load(&self, name: &str) -> Result<std::sync::Arc<dyn crate::LoadedModel>, String> {
        let package = self.package("models", name)?;
        self.engine.load(&package, &LoadOptions::default()).map_err(|error| format!("not loaded: {error}"))
    }

    fn refusal_of(&self, name: &str) -> Option<Refusal> {
        self.refuses.iter().find(|(refused, _)| *refused == name).map(|(_, refusal)| *refusal)
    }
}

impl Refusal {
    fn fits(self, error: &LoadError) -> bool {
        match self {
            Self::Operator => matches!(error, LoadError::UnsupportedOperator { .. }),
            Self::ElementType => matches!(error, LoadError::UnsupportedType { .. }),
        }
    }
}

impl Faults {
    const fn new(clause: &'static str) -> Self {
        Self { clause, faults: Vec::new(), checked: 0 }
    }

    fn check(&mut self, what: &str, verdict: Result<(), String>) {
        self.checked += 1;
        if let Err(fault) = verdict {
            self.faults.push(format!("{what}: {fault}"));
        }
    }

    fn verdict(mut self) -> Result<(), Broken> {
        if self.checked == 0 {
            self.faults.push("nothing was checked".to_owned());
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Broken { clause: self.clause, faults: self.faults })
    }
}

/// A name for messages of the signature's checks.
fn model_name() -> Result<ModelName, String> {
    "contract".parse().map_err(|error| format!("{error}"))
}
