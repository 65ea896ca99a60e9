//! Workers die with their parents, and only with them.

use std::process::Stdio;

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    runtime::Handle,
};
use yard_worker::{Request, Worker};

use crate::{LONG, Watch, ask, worker};

/// Starts a parent with a worker, kills the parent alone, and waits for the worker to be gone.
async fn orphan(kind: &str) {
    let mut parent = Command::new(env!("CARGO_BIN_EXE_yard-worker-fixture"))
        .args(["parent", kind])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let id: u32 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    let watch = Watch::of(id);
    let parent_id = Pid::from_raw(parent.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(parent_id, Signal::KILL).unwrap();
    watch.gone().await;
}

#[tokio::test]
async fn an_idle_worker_dies_with_its_parent() {
    orphan("idle").await;
}

#[tokio::test]
async fn a_worker_that_does_not_listen_dies_with_its_parent() {
    orphan("spin").await;
}

#[tokio::test]
async fn a_worker_that_is_dropped_is_killed() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    drop(worker);
    watch.gone().await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_is_gone_when_that_returns() {
    let worker = worker().await;
    let id = worker.process_id().unwrap();
    worker.stop().await;
    let id = Pid::from_raw(id.cast_signed()).unwrap();
    assert!(rustix::process::test_kill_process(id).is_err());
}

#[tokio::test]
async fn a_worker_outlives_the_thread_that_asked_for_it() {
    let runtime = Handle::current();
    let asking = std::thread::spawn(move || runtime.block_on(worker()));
    let mut worker: Worker = tokio::task::spawn_blocking(|| asking.join().unwrap()).await.unwrap();
    assert_eq!(ask(&mut worker, "echo", "alive").await.unwrap(), "alive");
}

#[tokio::test]
async fn workers_of_a_runtime_that_has_ended_hold_nobody_up() {
    let ended = std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut abandoned = runtime.block_on(worker());
        let id = abandoned.process_id().unwrap();
        runtime.spawn(async move { abandoned.call(Request::from_bytes("spin", ""), LONG).await });
        id
    });
    let id = tokio::task::spawn_blocking(|| ended.join().unwrap()).await.unwrap();
    let mut next = worker().await;
    assert_eq!(ask(&mut next, "echo", "next").await.unwrap(), "next");
    // The runtime dropped the worker when it ended, so it is gone or about to be.
    if let Some(watch) = Watch::of_any(id) {
        watch.gone().await;
    }
}
