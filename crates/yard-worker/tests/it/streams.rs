//! Calls whose worker says what happens before it answers.

use std::time::{Duration, Instant};

use yard_worker::{Request, Said, Stream, Worker, WorkerError};

use crate::{LONG, Watch, ask, worker};

/// All events as text and how the call ended.
async fn drain(stream: &mut Stream) -> (Vec<String>, Result<String, WorkerError>) {
    let mut events = Vec::new();
    loop {
        match tokio::time::timeout(LONG, stream.next()).await.unwrap() {
            Ok(Said::Event(event)) => events.push(String::from_utf8_lossy(event.payload()).into_owned()),
            Ok(Said::Answer(answer)) => {
                return (events, Ok(String::from_utf8_lossy(answer.payload()).into_owned()));
            }
            Err(error) => return (events, Err(error)),
        }
    }
}

async fn all_of(
    worker: Worker,
    kind: &str,
    payload: &str,
) -> (Worker, Vec<String>, Result<String, WorkerError>) {
    let mut stream = worker.stream(Request::from_bytes(kind, payload.to_owned())).await.unwrap();
    let (events, ended) = drain(&mut stream).await;
    (stream.into_worker(), events, ended)
}

#[tokio::test]
async fn events_come_in_order_and_then_the_answer() {
    let mut worker = worker().await;
    for _ in 0..2 {
        let (same, events, answer) = all_of(worker, "count", "1000").await;
        worker = same;
        assert_eq!(events, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(answer.unwrap(), "counted");
    }
    let (mut worker, events, answer) = all_of(worker, "echo", "no events").await;
    assert_eq!((events.len(), answer.unwrap().as_str()), (0, "no events"));
    // Who does not ask for events does not get them.
    assert_eq!(ask(&mut worker, "count", "1000").await.unwrap(), "counted");
    assert_eq!(ask(&mut worker, "echo", "still in step").await.unwrap(), "still in step");
}

#[tokio::test]
async fn nothing_comes_after_the_answer() {
    let mut stream = worker().await.stream(Request::from_bytes("count", "3")).await.unwrap();
    drain(&mut stream).await.1.unwrap();
    assert!(matches!(stream.next().await, Err(WorkerError::Gone)));
    stream.ask_to_stop().await.unwrap();
    assert_eq!(ask(&mut stream.into_worker(), "echo", "next").await.unwrap(), "next");
}

#[tokio::test]
async fn waits_that_are_given_up_lose_no_event() {
    let mut stream = worker().await.stream(Request::from_bytes("count", "2000")).await.unwrap();
    let mut expected = 0;
    loop {
        // Polled once and dropped, again and again.
        let said = tokio::select! {
            biased;
            said = stream.next() => said.unwrap(),
            () = tokio::task::yield_now() => continue,
        };
        match said {
            Said::Event(event) => assert_eq!(event.payload(), expected.to_string().as_bytes()),
            Said::Answer(_) => break,
        }
        expected += 1;
    }
    assert_eq!(expected, 2000);
}

#[tokio::test]
async fn a_slow_parent_slows_the_worker_and_nothing_piles_up() {
    let mut stream = worker().await.stream(Request::from_bytes("count for ever", "")).await.unwrap();
    let id = stream.worker().process_id().unwrap();
    // From here on it never waits for anything but us.
    assert!(matches!(stream.next().await.unwrap(), Said::Event(_)));
    let sleeps = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        status.rsplit(") ").next().unwrap().starts_with('S')
    };
    let begun = Instant::now();
    while !sleeps() {
        assert!(begun.elapsed() < LONG, "the worker goes on");
        tokio::task::yield_now().await;
    }
    stream.ask_to_stop().await.unwrap();
    let (events, answer) = drain(&mut stream).await;
    let told: usize = answer.unwrap().parse().unwrap();
    assert_eq!(events.len() + 1, told);
    assert_eq!(events.last().unwrap(), &(told - 1).to_string());
    // What a socket holds, and not more.
    assert!(told < 100_000, "{told}");
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_still_answers() {
    let mut stream = worker().await.stream(Request::from_bytes("count for ever", "")).await.unwrap();
    for _ in 0..100 {
        assert!(matches!(stream.next().await.unwrap(), Said::Event(_)));
    }
    stream.ask_to_stop().await.unwrap();
    stream.ask_to_stop().await.unwrap();
    let (events, answer) = drain(&mut stream).await;
    assert_eq!(answer.unwrap(), (events.len() + 100).to_string());
    assert_eq!(ask(&mut stream.into_worker(), "echo", "in step").await.unwrap(), "in step");
}

#[tokio::test]
async fn a_call_that_is_given_up_costs_the_worker() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let mut stream = worker.stream(Request::from_bytes("count for ever", "")).await.unwrap();
    assert!(matches!(stream.next().await.unwrap(), Said::Event(_)));
    assert!(matches!(ask(&mut stream.into_worker(), "echo", "").await, Err(WorkerError::Gone)));
    watch.gone().await;
}

#[tokio::test]
async fn a_stream_that_is_dropped_kills_the_worker() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    drop(worker.stream(Request::from_bytes("count for ever", "")).await.unwrap());
    watch.gone().await;
}

#[tokio::test]
async fn a_worker_that_does_not_listen_is_killed_all_the_same() {
    let worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let mut stream = worker.stream(Request::from_bytes("tell and spin", "")).await.unwrap();
    assert!(matches!(stream.next().await.unwrap(), Said::Event(_)));
    stream.ask_to_stop().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(100), stream.next()).await.is_err());
    stream.kill().await;
    assert!(matches!(stream.next().await, Err(WorkerError::Gone)));
    stream.kill().await;
    watch.gone().await;
}

#[tokio::test]
async fn a_worker_that_dies_among_its_events_is_told_after_them() {
    let (_, events, ended) = all_of(worker().await, "tell and abort", "").await;
    assert_eq!(events, ["about to abort"]);
    let Err(WorkerError::Exited(report)) = ended else { panic!("{ended:?}") };
    assert_eq!(report.signal_name(), Some("SIGABRT"));

    let (_, events, ended) = all_of(worker().await, "tell and panic", "in the middle").await;
    assert_eq!(events, ["about to panic"]);
    assert!(
        matches!(&ended, Err(WorkerError::Panicked { message }) if message == "in the middle"),
        "{ended:?}"
    );
}
