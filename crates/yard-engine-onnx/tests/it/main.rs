//! Both engines, in one process: the contract that every engine must keep, and what is special to each.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as the tests do")]

mod contract;
mod graphs;
mod place;
