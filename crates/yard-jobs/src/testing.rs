//! For tests: a store in memory, stand-ins for what the scheduler asks of others, and the suite that every store must
//! pass.

#![expect(clippy::unwrap_used, reason = "this is test code, though other crates' tests call it")]

mod memory_store;
mod stand_ins;
pub mod store_suite;

pub use memory_store::MemoryJobStore;
pub use stand_ins::{LaunchNote, ManualClock, ScriptedLauncher, StandInResults, Translation, new_job};
