//! The thread that starts all workers.
//!
//! A child that asks to be killed at its parent's death is killed at the death of the *thread* that started it. Threads of
//! an async runtime come and go; this one stays as long as the process.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// Most workers that wait to be started; more callers wait in turn.
const QUEUE: usize = 64;

struct Job {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

static SPAWNER: Mutex<Option<mpsc::Sender<Job>>> = Mutex::new(None);

/// Starts a process from the thread that never ends. The process belongs to the caller's runtime.
pub(crate) async fn spawn(command: Command) -> io::Result<Child> {
    let (reply, spawned) = oneshot::channel();
    let job = Job { command, runtime: Handle::current(), reply };
    let ended = || io::Error::other("the thread that starts workers has ended");
    spawner()?.send(job).await.map_err(|_| ended())?;
    spawned.await.map_err(|_| ended())?
}

fn spawner() -> io::Result<mpsc::Sender<Job>> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = spawner.as_ref() {
        return Ok(sender.clone());
    }
    let (sender, jobs) = mpsc::channel(QUEUE);
    thread::Builder::new().name("worker-spawner".to_owned()).spawn(move || run(jobs))?;
    *spawner = Some(sender.clone());
    Ok(sender)
}

fn run(mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { mut command, runtime, reply }) = jobs.blocking_recv() {
        // A runtime that is being shut down may panic; that must not end this thread, or all workers would die with it.
        let spawned = catch_unwind(AssertUnwindSafe(|| {
            let _runtime = runtime.enter();
            let spawned = command.spawn();
            // Closes our copy of the child's end of the socket, so that its exit is seen as the end of the stream.
            drop(command);
            if let Err(Ok(abandoned)) = reply.send(spawned) {
                drop(abandoned);
            }
        }));
        if spawned.is_err() {
            tracing::error!("starting a worker panicked");
        }
    }
}
