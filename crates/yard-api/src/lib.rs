//! yard-api
