//! What the crate promises to clients, seen from outside.

#![allow(clippy::unwrap_used, reason = "tests")]

mod published_fields;
mod round_trips;
