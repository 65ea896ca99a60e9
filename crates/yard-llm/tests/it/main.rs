//! The crate from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod beside_llama_cpp;
mod constraint;
mod engine;
mod hostile;
mod naive;
mod real_model;
mod requantized;
mod small_model;
mod steps;
mod tokenizer;
