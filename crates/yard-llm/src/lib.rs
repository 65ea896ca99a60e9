//! Language models: text in and out as tokens, and the choice of each next token.
//!
//! Everything a model needs comes from its own GGUF file: vocabulary, rules, template. This crate speaks no protocol,
//! knows no tenant and no registry, and waits for nobody: its calls are plain functions of what they are given.

#![warn(missing_docs)]
