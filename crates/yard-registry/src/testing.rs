//! For tests: stand-ins for what the registry asks of others, a store in memory, and the suite that every store must
//! pass.

#![expect(clippy::unwrap_used, reason = "this is test code, though other crates' tests call it")]

mod memory_store;
mod stand_ins;
pub mod store_suite;

pub use memory_store::MemoryRegistryStore;
pub use stand_ins::{ManualClock, StandInProver, bytes, collect, proof};
