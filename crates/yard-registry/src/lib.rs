//! yard-registry
