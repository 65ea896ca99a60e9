//! The server as its clients see it: a real registry on SQLite, real engines, real sockets.

#![expect(clippy::unwrap_used, reason = "a test that fails should stop")]

mod harness;
mod predict;
