//! What crosses the wire: bodies of every protocol, their readers and writers, and the conversions to `yard-types`.
//!
//! This crate knows no web framework, no SQL and no engine.

pub mod management;
