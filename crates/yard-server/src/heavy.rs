//! Work that takes longer than the threads that talk to clients should give it: reading and writing large bodies.

use tokio::task::spawn_blocking;

use crate::failure::Failure;

/// From this many bytes on, reading, writing or compressing takes about a millisecond or more.
const LARGE: usize = 128 << 10;

/// Runs `work` on `bytes` bytes: here when they are few, else on a thread where it holds nobody up.
pub(crate) async fn run<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    if bytes < LARGE {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(Failure::internal)
}
