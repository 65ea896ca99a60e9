//! yard-server
