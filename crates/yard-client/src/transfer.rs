//! How far a transfer has come.

use std::{fmt, sync::Arc};

use yard_types::PackagePath;

/// What is being done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferStep {
    /// Its SHA-256 is computed.
    Hash,
    /// It is sent.
    Send,
    /// The server proves the model: there is no file and no count.
    Prove,
    /// It is received.
    Receive,
}

/// One report of a transfer.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being done.
    pub step: TransferStep,
    /// With which file; none while the server proves.
    pub path: Option<&'a PackagePath>,
    /// Bytes of all files that this step is done with.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

/// Hears how far a transfer has come. Called often, from the task that moves the bytes: it must be quick.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(Progress<'_>) + Send + Sync>);

impl ProgressSink {
    /// Reports go to this function.
    pub fn new(report: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Reports go nowhere.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn report(&self, progress: Progress<'_>) {
        (self.0)(progress);
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProgressSink")
    }
}
