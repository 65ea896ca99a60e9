//! What `cargo xtask bench` needs beside Modelyard itself: a closed-loop load generator (`load`), the same for answers
//! that come as streams (`streams`), a single question (`ask`), and the ceiling of this machine, a bare axum handler that
//! parses the same JSON and runs no model (`bare-axum`).
//!
//! Nothing here is part of the product, and nothing of the product is linked here, so that neither can flatter the other.

mod exchange;
mod report;
mod stream;

pub use exchange::{Exchange, ExchangeError, Target};
pub use report::{Latencies, Report, StreamReport};
pub use stream::Streamed;
