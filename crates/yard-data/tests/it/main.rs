//! Files that other implementations wrote, read through the public interface.

#![expect(clippy::unwrap_used, reason = "tests")]

mod broken;
mod builtin;
mod readers;
mod support;
