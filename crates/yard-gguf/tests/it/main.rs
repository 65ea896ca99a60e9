//! The crate from outside: against the reference package and ggml, with hostile files, and written and read again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as the tests do")]

mod bytes;
mod damaged;
mod examined;
mod hostile;
mod memory;
mod opened;
mod oracle;
mod quantized;
mod round_trips;
mod values;
