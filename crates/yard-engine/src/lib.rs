//! yard-engine
