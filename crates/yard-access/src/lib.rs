//! yard-access
