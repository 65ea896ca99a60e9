//! yard-serving
