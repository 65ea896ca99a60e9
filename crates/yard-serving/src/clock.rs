//! The one place where this crate reads the clock.

use std::time::{Duration, Instant};

/// Far enough to mean "never", near enough to be added to any instant.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Now, by the runtime's clock, which tests can hold.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// `instant + duration`, where a duration without sense means a year.
pub(crate) fn after(instant: Instant, duration: Duration) -> Instant {
    instant + duration.min(FOREVER)
}

/// Waits until the instant.
pub(crate) async fn sleep_until(instant: Instant) {
    tokio::time::sleep_until(instant.into()).await;
}

/// The processor time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Never negative.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
