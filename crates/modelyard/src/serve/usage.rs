//! Writes what keys used as soon as it is settled.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use yard_access::Access;

/// After a failure the store is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// A task that writes usage. What is settled while it writes is written together next.
pub(super) struct UsageWriter {
    access: Arc<Access>,
    task: JoinHandle<()>,
}

impl UsageWriter {
    pub(super) fn start(access: Arc<Access>) -> Self {
        let task = tokio::spawn(write_forever(Arc::clone(&access)));
        Self { access, task }
    }

    /// Writes what is left, once nothing is settled any more.
    pub(super) async fn stop(self) {
        // A write that has begun goes on, and the one below waits for it.
        self.task.abort();
        if let Err(error) = self.access.write_usage().await {
            tracing::error!(error = &error as &dyn std::error::Error, "the last usage could not be written");
        }
    }
}

async fn write_forever(access: Arc<Access>) {
    loop {
        access.usage_settled().await;
        while let Err(error) = access.write_usage().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "usage could not be written; it is tried again"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}
