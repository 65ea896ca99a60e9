//! For tests: a store and contents in memory, stand-ins, and the suite that every store must pass.

#![expect(clippy::unwrap_used, reason = "this is test code, though other crates' tests call it")]

mod memory_contents;
mod memory_store;
mod stand_ins;
pub mod store_suite;

pub use memory_contents::MemoryContents;
pub use memory_store::MemoryBatchStore;
pub use stand_ins::{ScriptedLines, TokioClock};
