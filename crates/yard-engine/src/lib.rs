//! What an inference engine is to Modelyard: the traits [`Engine`] and [`LoadedModel`], the proof that a version must
//! pass before it is served, and the contract suite that every engine must pass.
//!
//! Engines are synchronous and know nothing of HTTP, async runtimes or where models are kept. Calls that compute are
//! made on threads that may block. This crate knows no concrete engine.

#![warn(missing_docs)]

#[cfg(feature = "contract-suite")]
pub mod contract;
mod control;
mod engine;
mod error;
mod package;
mod proof;

pub use control::{RunControl, RunGuard};
pub use engine::{Engine, EngineInfo, LoadOptions, LoadedModel, RowJoining};
pub use error::{LoadError, PredictError};
pub use package::ModelPackage;
pub use proof::{GoldenSample, JoiningProof, Proof, ProofError, ProofRequest, Tolerance, WarmUp, prove};
