//! Searches: many specifications instead of one, each a trial, and how good each of them is.
//!
//! A search has no memory but its rows. Which settings it tries is a function of its specification, what it does next one
//! of its trials' rows; so it goes on after a restart as if nothing had happened. [`SearchPlanner`] decides that,
//! [`leaderboard`] tells the same rows in the order in which the planner sees them.

mod course;
mod leaderboard;
mod outcome;
mod plan;
mod planner;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub use leaderboard::{Leaderboard, Standing, leaderboard};
pub use planner::SearchPlanner;
pub use words::words;
