//! The registry on its real stores.

#![expect(clippy::unwrap_used, reason = "tests")]

mod aliases;
mod artifacts;
mod batches;
mod data_sets;
mod garbage;
mod integrity;
mod jobs;
mod push;
mod store;
mod yard;
