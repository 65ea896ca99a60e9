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
