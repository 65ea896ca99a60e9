//! Where kernels run.

use std::num::NonZeroUsize;

use crate::{Cpu, ThreadPool};

/// Instructions and threads. Which of them are used never changes a result's bits.
#[derive(Debug)]
pub struct Machine {
    /// The instructions.
    pub cpu: Cpu,
    /// The threads.
    pub pool: ThreadPool,
}

impl Machine {
    /// So many threads with the best instructions there are.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        Ok(Self { cpu: Cpu::best(), pool: ThreadPool::new(threads)? })
    }
}
