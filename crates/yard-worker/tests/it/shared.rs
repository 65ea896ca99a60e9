//! Workers that many calls share.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use yard_types::{Coded, ErrorCode};
use yard_worker::{
    CallLimits, OpenCall, Request, Said, SharedWorker, WorkerCommand, WorkerError, WorkerLimits,
};

use crate::{LONG, Watch};

fn command() -> WorkerCommand {
    WorkerCommand::at(env!("CARGO_BIN_EXE_yard-worker-fixture"), ["worker", "concurrent"])
}

async fn worker_with(limits: CallLimits) -> SharedWorker {
    SharedWorker::spawn(command(), limits).await.unwrap()
}

async fn worker() -> SharedWorker {
    worker_with(CallLimits::default()).await
}

fn begin(worker: &SharedWorker, kind: &str, payload: &str) -> OpenCall {
    worker.begin(Request::from_bytes(kind, payload.to_owned())).unwrap()
}

async fn ask(worker: &SharedWorker, kind: &str, payload: &str) -> Result<String, WorkerError> {
    let response = worker.call(Request::from_bytes(kind, payload.to_owned()), LONG).await?;
    Ok(String::from_utf8_lossy(response.payload()).into_owned())
}

/// The next event as text, or how the call ended.
async fn next(call: &mut OpenCall) -> Result<String, Result<String, WorkerError>> {
    match tokio::time::timeout(LONG, call.next()).await.unwrap() {
        Ok(Said::Event(event)) => Ok(String::from_utf8_lossy(event.payload()).trim_end().to_owned()),
        Ok(Said::Answer(answer)) => Err(Ok(String::from_utf8_lossy(answer.payload()).into_owned())),
        Err(error) => Err(Err(error)),
    }
}

async fn drain(call: &mut OpenCall) -> (Vec<String>, Result<String, WorkerError>) {
    let mut events = Vec::new();
    loop {
        match next(call).await {
            Ok(event) => events.push(event),
            Err(ended) => return (events, ended),
        }
    }
}

fn kill(worker: &SharedWorker) {
    let id = Pid::from_raw(worker.process_id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::KILL).unwrap();
}

#[tokio::test]
async fn calls_run_at_once_and_each_hears_its_own() {
    // What the endless ones say is not taken until the others are through, however long that is.
    let limits = CallLimits { waiting_messages: 1 << 24, waiting_bytes: 1 << 30, ..CallLimits::default() };
    let worker = worker_with(limits).await;
    let mut endless: Vec<OpenCall> = (0..8).map(|_| begin(&worker, "count", &u64::MAX.to_string())).collect();
    let tasks: Vec<_> = (0..100_u64)
        .map(|number| {
            let worker = worker.clone();
            tokio::spawn(async move {
                let mut call = begin(&worker, "count", &number.to_string());
                let (events, answer) = drain(&mut call).await;
                assert_eq!(events, (0..number).map(|number| number.to_string()).collect::<Vec<_>>());
                assert_eq!(answer.unwrap(), format!("counted to {number}"));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // None of these was waited for.
    for call in &mut endless {
        assert_eq!(next(call).await.unwrap(), "0");
    }
    assert_eq!(worker.calls(), 8);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_given_up_in_the_child() {
    let worker = worker().await;
    let mut kept = begin(&worker, "silent", "");
    let mut dropped = begin(&worker, "count", &u64::MAX.to_string());
    assert_eq!(next(&mut dropped).await.unwrap(), "0");
    drop(dropped);
    drop(begin(&worker, "silent", ""));
    let begun = Instant::now();
    while worker.calls() > 1 {
        assert!(begun.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&worker, "calls", "").await.unwrap(), "1");
    kept.ask_to_stop();
    kept.ask_to_stop();
    assert_eq!(next(&mut kept).await.unwrap_err().unwrap(), "stopped at 0");
    assert!(matches!(next(&mut kept).await, Err(Err(WorkerError::Gone))));
    assert_eq!(ask(&worker, "echo", "still there").await.unwrap(), "still there");
}

#[tokio::test]
async fn what_fails_one_call_fails_no_other() {
    let limits = WorkerLimits { max_message_bytes: 1 << 20, ..WorkerLimits::default() };
    let worker =
        SharedWorker::spawn(WorkerCommand { limits, ..command() }, CallLimits::default()).await.unwrap();
    let mut other = begin(&worker, "silent", "");
    assert!(matches!(ask(&worker, "dance", "").await, Err(WorkerError::BadRequest { .. })));
    assert!(matches!(ask(&worker, "drop", "").await, Err(WorkerError::BadRequest { .. })));
    assert!(matches!(ask(&worker, "grow", "2000000").await, Err(WorkerError::TooLarge { .. })));
    let request = Request::from_bytes("echo", vec![7; 2 << 20]);
    assert!(matches!(worker.begin(request), Err(WorkerError::TooLarge { .. })));
    let late = worker.call(Request::from_bytes("silent", ""), Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::DeadlineExceeded);
    other.ask_to_stop();
    assert_eq!(next(&mut other).await.unwrap_err().unwrap(), "stopped at 0");
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_under_way() {
    let worker = worker_with(CallLimits { calls: 2, ..CallLimits::default() }).await;
    let first = begin(&worker, "silent", "");
    let mut second = begin(&worker, "silent", "");
    let refused = worker.begin(Request::from_bytes("echo", "")).unwrap_err();
    assert!(matches!(refused, WorkerError::TooManyCalls { most: 2 }), "{refused:?}");
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    second.ask_to_stop();
    next(&mut second).await.unwrap_err().unwrap();
    assert_eq!(ask(&worker, "echo", "room").await.unwrap(), "room");
    drop(first);
}

#[tokio::test]
async fn a_caller_that_does_not_listen_is_given_up_and_holds_up_nobody() {
    let worker = worker_with(CallLimits { waiting_messages: 100, ..CallLimits::default() }).await;
    let mut deaf = begin(&worker, "count", "1000000");
    let mut listening = begin(&worker, "count", "20000");
    let (events, answer) = drain(&mut listening).await;
    assert_eq!((events.len(), answer.unwrap().as_str()), (20_000, "counted to 20000"));
    let (events, ended) = drain(&mut deaf).await;
    assert_eq!(events, (0..100).map(|number: u32| number.to_string()).collect::<Vec<_>>());
    assert!(matches!(ended, Err(WorkerError::TooSlow)), "{ended:?}");

    let worker = worker_with(CallLimits { waiting_bytes: 50_000, ..CallLimits::default() }).await;
    let mut deaf = begin(&worker, "count with ballast", "1000000");
    ask(&worker, "echo", "").await.unwrap();
    let begun = Instant::now();
    while worker.calls() > 0 {
        assert!(begun.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    let (events, ended) = drain(&mut deaf).await;
    assert!((50..=51).contains(&events.len()), "{}", events.len());
    assert!(matches!(ended, Err(WorkerError::TooSlow)), "{ended:?}");
}

#[tokio::test]
async fn a_child_that_is_killed_fails_every_call_and_no_other_worker() {
    let (worker, other) = (worker().await, worker().await);
    let mut elsewhere = begin(&other, "silent", "");
    let mut calls: Vec<OpenCall> = (0..16).map(|_| begin(&worker, "count", &u64::MAX.to_string())).collect();
    for call in &mut calls {
        assert_eq!(next(call).await.unwrap(), "0");
    }
    let watch = Watch::of(worker.process_id().unwrap());
    kill(&worker);
    for call in &mut calls {
        let (events, ended) = drain(call).await;
        // All that came before is still heard, in order.
        assert!(events.iter().zip(1_u64..).all(|(event, number)| *event == number.to_string()));
        let Err(WorkerError::Exited(report)) = ended else { panic!("{ended:?}") };
        assert_eq!(report.signal_name(), Some("SIGKILL"));
    }
    watch.gone().await;
    assert!(matches!(worker.begin(Request::from_bytes("echo", "")), Err(WorkerError::Exited(_))));
    assert!(matches!(worker.ended().await, WorkerError::Exited(_)));
    assert_eq!((worker.process_id(), worker.calls()), (None, 0));
    assert_eq!(ask(&other, "echo", "unharmed").await.unwrap(), "unharmed");
    elsewhere.ask_to_stop();
    assert!(next(&mut elsewhere).await.unwrap_err().is_ok());
}

#[tokio::test]
async fn an_abort_and_a_panic_are_told_to_all_calls() {
    for (kind, expected) in [("abort", "SIGABRT"), ("panic", "panicked"), ("return", "status 0")] {
        let worker = worker().await;
        let mut calls: Vec<OpenCall> = (0..4).map(|_| begin(&worker, "silent", "")).collect();
        calls.push(begin(&worker, kind, "at once"));
        for call in &mut calls {
            let error = next(call).await.unwrap_err().unwrap_err();
            assert!(error.to_string().contains(expected), "{kind}: {error}");
            assert!(!error.to_string().contains("at once"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_child_lives_as_long_as_somebody_wants_it() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let mut call = begin(&worker, "silent", "");
    let again = worker.clone();
    drop(worker);
    assert_eq!(ask(&again, "echo", "here").await.unwrap(), "here");
    drop(again);
    call.ask_to_stop();
    assert_eq!(next(&mut call).await.unwrap_err().unwrap(), "stopped at 0");
    drop(call);
    watch.gone().await;
}

#[tokio::test]
async fn a_child_that_is_stopped_is_gone_at_once() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let mut call = begin(&worker, "count", &u64::MAX.to_string());
    worker.stop().await;
    watch.gone().await;
    assert!(matches!(drain(&mut call).await.1, Err(WorkerError::Gone)));
    worker.stop().await;
}

#[tokio::test]
async fn a_child_that_stands_still_is_killed_all_the_same() {
    let worker = worker().await;
    let id = Pid::from_raw(worker.process_id().unwrap().cast_signed()).unwrap();
    let watch = Watch::of(worker.process_id().unwrap());
    kill_process(id, Signal::STOP).unwrap();
    // More than its socket holds.
    let payload = "x".repeat(1 << 20);
    let mut calls: Vec<OpenCall> = (0..4).map(|_| begin(&worker, "echo", &payload)).collect();
    assert!(tokio::time::timeout(Duration::from_millis(50), calls[0].next()).await.is_err());
    worker.stop().await;
    watch.gone().await;
}

#[tokio::test]
async fn random_calls_and_drops_leave_nothing_behind() {
    let worker = worker().await;
    let mut seed = 5_u64;
    let mut open = Vec::new();
    for _ in 0..2_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = (seed >> 33) % 100;
        match choice {
            0..40 => open.push(begin(&worker, "count", &(choice * 10).to_string())),
            40..70 if !open.is_empty() => drop(open.swap_remove(seed as usize % open.len())),
            70..90 if !open.is_empty() => {
                let call = seed as usize % open.len();
                if next(&mut open[call]).await.is_err() {
                    open.swap_remove(call);
                }
            }
            _ => assert_eq!(ask(&worker, "echo", "now").await.unwrap(), "now"),
        }
    }
    drop(open);
    let begun = Instant::now();
    while worker.calls() > 0 {
        assert!(begun.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&worker, "calls", "").await.unwrap(), "0");
}
