//! The program from outside: every command against a real server, which is the same executable.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod chats;
mod demo;
mod doctor;
mod failures;
mod keys;
mod language_metrics;
mod language_models;
mod language_worker;
mod predictions;
mod program;
mod registry;
mod serving;
mod small_language_model;
mod stopping;
mod training;
