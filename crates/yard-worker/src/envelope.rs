//! The messages of `proto/envelope.proto`.

#![allow(clippy::all, missing_debug_implementations, unreachable_pub, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/modelyard.worker.envelope.v1.rs"));

/// Raised when a change of the messages breaks older programs.
pub const PROTOCOL: u32 = 2;
/// Largest message before the set-up has said how large messages may be.
pub const MAX_SETUP_BYTES: u64 = 64 * 1024;
