//! Real worker processes, in every way that they can end.

#![allow(clippy::unwrap_used, reason = "tests")]

mod confinement;
mod endings;
mod family;
mod shared;
mod streams;

use std::time::Duration;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    process::{Pid, PidfdFlags, pidfd_open},
};
use yard_worker::{Request, Worker, WorkerCommand, WorkerError, WorkerLimits};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

fn command() -> WorkerCommand {
    WorkerCommand::at(env!("CARGO_BIN_EXE_yard-worker-fixture"), ["worker"])
}

fn within(limits: WorkerLimits) -> WorkerCommand {
    WorkerCommand { limits, ..command() }
}

async fn worker() -> Worker {
    Worker::spawn(command()).await.unwrap()
}

/// Asks for something and gives the answer as text.
async fn ask(worker: &mut Worker, kind: &str, payload: &str) -> Result<String, WorkerError> {
    let request = Request::from_bytes(kind, payload.as_bytes().to_vec());
    let response = worker.call(request, LONG).await?;
    Ok(String::from_utf8_lossy(response.payload()).into_owned())
}

/// Waits until a process is gone, whoever its parent is.
struct Watch(OwnedFd);

impl Watch {
    /// `None` when it is gone already.
    fn of_any(id: u32) -> Option<Self> {
        pidfd_open(Pid::from_raw(id.cast_signed()).unwrap(), PidfdFlags::empty()).ok().map(Self)
    }

    fn of(id: u32) -> Self {
        Self::of_any(id).unwrap()
    }

    async fn gone(self) {
        let wait = move || {
            let limit = Timespec { tv_sec: LONG.as_secs().cast_signed(), tv_nsec: 0 };
            poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).unwrap()
        };
        let readable = tokio::task::spawn_blocking(wait).await.unwrap();
        assert_eq!(readable, 1, "the process is still there");
    }
}
