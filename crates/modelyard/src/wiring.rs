//! Where the crates that do the work meet: what one asks for as a trait, another gives.

mod prover;

pub(crate) use prover::ChildProver;
