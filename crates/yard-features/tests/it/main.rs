//! The emitted graph does what `apply` does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod emitted;
mod place;
