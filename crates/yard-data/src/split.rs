//! Which rows are learned from, which are watched meanwhile, which are kept for the end.

/// Row numbers of the three parts, each in ascending order; no row is in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Learned from.
    pub train: Vec<usize>,
    /// Watched while learning: early stopping, the choice between checkpoints.
    pub validation: Vec<usize>,
    /// Kept for the last figure.
    pub test: Vec<usize>,
}
