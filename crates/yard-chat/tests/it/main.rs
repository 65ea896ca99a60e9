//! The crate from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod chats;
mod hostile;
mod oracle;
