//! ONNX models behind the engine trait, in two ways: ONNX Runtime, a library found and loaded at run time, and RTen,
//! which is part of this program.
//!
//! Both read a package through `yard-onnx` first, so that what is malformed, reaches outside the package or asks for too
//! much is refused before an engine sees it. This crate reads no environment variables, starts no downloads and knows
//! neither HTTP nor where models are kept.

#![warn(missing_docs)]

mod engines;
mod onnxruntime;
mod opened;
mod rten;

pub use engines::{engines_available, find_library};
pub use onnxruntime::OnnxRuntime;
pub use rten::Rten;
