//! Memory that steps use again and again.

use yard_kernels::{ActivationRows, PageSlot, RopeAngles};

/// Memory of a step: it grows with the largest step and is used again by the next one.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A row for each token: what flows through the layers.
    pub(super) rows: Vec<f32>,
    pub(super) normed: Vec<f32>,
    pub(super) query: Vec<f32>,
    pub(super) key: Vec<f32>,
    pub(super) value: Vec<f32>,
    pub(super) attended: Vec<f32>,
    pub(super) inner: Vec<f32>,
    /// What is added to a row for where it stands.
    pub(super) at_position: Vec<f32>,
    pub(super) activations: Activations,
    pub(super) slots: Vec<PageSlot>,
    pub(super) angles: Angles,
}

/// Rows prepared for products.
#[derive(Debug)]
pub(super) struct Activations(pub(super) ActivationRows);

/// Angles of the rows' positions, for layers that see all and for those with a window.
#[derive(Debug)]
pub(super) struct Angles {
    pub(super) everywhere: RopeAngles,
    pub(super) in_window: RopeAngles,
}

impl Scratch {
    /// No memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for Activations {
    fn default() -> Self {
        Self(ActivationRows::new())
    }
}

impl Default for Angles {
    fn default() -> Self {
        Self { everywhere: RopeAngles::new(), in_window: RopeAngles::new() }
    }
}
