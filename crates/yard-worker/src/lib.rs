//! yard-worker
