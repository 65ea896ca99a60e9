//! Both engines, in one process.
