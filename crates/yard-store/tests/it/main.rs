//! The registry on its real stores.

#![expect(clippy::unwrap_used, reason = "tests")]

mod push;
mod yard;
