//! yard-store
