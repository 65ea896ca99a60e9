//! Trained networks in the engines that serve them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod emitted;
mod labels;
mod place;
mod refusals;
mod served;
mod text;
mod training;
