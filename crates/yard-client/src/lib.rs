//! yard-client
