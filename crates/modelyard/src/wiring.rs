//! Where the crates that do the work meet: what one asks for as a trait, another gives.

mod batches;
mod jobs;
mod lab;
mod prover;
mod registry;

pub(crate) use batches::RegistryContents;
pub(crate) use jobs::{JobsParts, start_jobs};
pub(crate) use lab::{Paths, find_lab};
pub(crate) use prover::ChildProver;
pub(crate) use registry::{artifacts, registry};
