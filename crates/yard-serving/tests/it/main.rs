//! Serving as a whole, over an engine and a source that the tests control.

#![allow(clippy::unwrap_used, reason = "a test ends where its assumptions do")]

mod batching;
mod chaos;
mod failures;
mod lifecycle;
mod limits;
mod memory;
mod memory_waits;
mod shutdown;
mod swap;
mod world;
