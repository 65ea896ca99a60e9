//! Connections: accepting a bounded number of them, serving each until it ends, and ending them all in good order.
//!
//! Nothing here knows what is served.

mod accept;
mod pace;
mod stream;

pub(crate) use accept::{AcceptOptions, Acceptor, Patience, Stopping};
pub(crate) use pace::Pace;
pub(crate) use stream::{GuardedStream, Linger};
