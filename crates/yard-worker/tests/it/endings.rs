//! How a worker can end, and that the parent always learns.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use yard_types::{Coded, ErrorCode};
use yard_worker::{ExitReport, Request, Worker, WorkerCommand, WorkerError, WorkerLimits};

use crate::{LONG, Watch, ask, command, within, worker};

/// Asks a new worker for something it does not survive.
async fn fatal(command: WorkerCommand, kind: &str, payload: &[u8]) -> (WorkerError, String) {
    let mut worker = Worker::spawn(command).await.unwrap();
    let watch = Watch::of(worker.process_id().unwrap());
    let outcome = worker.call(Request::from_bytes(kind, payload.to_vec()), LONG).await;
    watch.gone().await;
    let again = ask(&mut worker, "echo", "").await;
    assert!(matches!(again, Err(WorkerError::Gone)), "{again:?}");
    (outcome.unwrap_err(), worker.last_words())
}

async fn exit(command: WorkerCommand, kind: &str, payload: &[u8]) -> (ExitReport, String) {
    match fatal(command, kind, payload).await {
        (WorkerError::Exited(report), last_words) => (report, last_words),
        (other, last_words) => panic!("{other:?} {last_words}"),
    }
}

#[tokio::test]
async fn a_worker_answers_one_request_after_the_other() {
    let mut worker = worker().await;
    for text in ["one", "", "three"] {
        assert_eq!(ask(&mut worker, "echo", text).await.unwrap(), text);
    }
    let big = "x".repeat(15 << 20);
    assert_eq!(ask(&mut worker, "echo", &big).await.unwrap().len(), big.len());
}

#[tokio::test]
async fn many_workers_answer_at_once() {
    let tasks: Vec<_> = (0..12)
        .map(|number: u32| {
            tokio::spawn(async move {
                let mut worker = worker().await;
                ask(&mut worker, "echo", &number.to_string()).await.unwrap()
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), number.to_string());
    }
}

#[tokio::test]
async fn a_panic_is_told_with_its_words() {
    let (error, last_words) = fatal(command(), "panic", b"here").await;
    let WorkerError::Panicked { message } = &error else { panic!("{error:?}") };
    assert_eq!(message, "told to panic: here");
    assert!(!error.to_string().contains("here"), "{error}");
    assert!(last_words.contains("told to panic: here"), "{last_words}");
}

#[tokio::test]
async fn an_abort_is_told_by_its_signal() {
    let (report, _) = exit(command(), "abort", b"").await;
    assert_eq!((report.signal_name(), report.hint), (Some("SIGABRT"), None));
}

#[tokio::test]
async fn an_exit_is_told_by_its_status() {
    for status in [0, 7] {
        let (report, _) = exit(command(), "exit", status.to_string().as_bytes()).await;
        assert_eq!((report.status, report.signal), (Some(status), None));
    }
}

#[tokio::test]
async fn a_used_up_stack_is_told() {
    let (report, last_words) = exit(command(), "stack", b"").await;
    assert!(matches!(report.signal_name(), Some("SIGABRT" | "SIGSEGV")), "{report:?}");
    assert!(last_words.contains("overflow"), "{last_words}");
}

#[tokio::test]
async fn a_loop_ends_at_the_time_allowed() {
    let mut worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    let error = worker.call(Request::from_bytes("spin", ""), limit).await.unwrap_err();
    assert!(begun.elapsed() >= limit);
    assert!(matches!(error, WorkerError::TimedOut { limit: told } if told == limit), "{error:?}");
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    watch.gone().await;
}

#[tokio::test]
async fn a_loop_ends_at_its_limit_of_processor_time() {
    let limits = WorkerLimits { cpu_seconds: Some(1), ..WorkerLimits::default() };
    let (report, _) = exit(within(limits), "spin", b"").await;
    assert_eq!(report.signal_name(), Some("SIGXCPU"));
    assert_eq!(report.hint.as_deref(), Some("it used more than 1 s of processor time"));
}

#[tokio::test]
async fn taking_memory_ends_at_the_limit_on_memory_or_address_space() {
    let small = 200 << 20;
    for limits in [
        WorkerLimits { memory_bytes: small, ..WorkerLimits::default() },
        WorkerLimits { address_space_bytes: small, ..WorkerLimits::default() },
    ] {
        let (memory, space) = (limits.memory_bytes >> 20, limits.address_space_bytes >> 20);
        let expected =
            format!("it needed more than its {memory} MiB of memory or {space} MiB of address space");
        let (report, last_words) = exit(within(limits), "hoard", b"").await;
        assert_eq!((report.signal_name(), report.hint), (Some("SIGABRT"), Some(expected)), "{last_words}");
    }
}

#[tokio::test]
async fn being_killed_from_outside_is_told() {
    let mut worker = worker().await;
    let id = worker.process_id().unwrap();
    let watch = Watch::of(id);
    rustix::process::kill_process(Pid::from_raw(id.cast_signed()).unwrap(), Signal::KILL).unwrap();
    watch.gone().await;
    let error = ask(&mut worker, "echo", "").await.unwrap_err();
    let WorkerError::Exited(report) = error else { panic!("{error:?}") };
    assert_eq!(report.signal_name(), Some("SIGKILL"));
}

#[tokio::test]
async fn bytes_that_are_no_answer_are_a_breach_of_the_protocol() {
    let cases: [(&[u8], &str); 5] = [
        (&[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "cannot be read"),
        (&[0xff, 0xff, 0xff, 0xff], "larger than allowed"),
        (&[1, 0, 0, 1], "larger than allowed"),
        // An empty message, and an answer to call 999.
        (&[0, 0, 0, 0], "what was not asked"),
        (&[5, 0, 0, 0, 0x08, 0xe7, 0x07, 0x1a, 0x00], "what was not asked"),
    ];
    for (bytes, expected) in cases {
        let (error, _) = fatal(command(), "raw", bytes).await;
        let WorkerError::Protocol { what, .. } = error else { panic!("{bytes:?}: {error:?}") };
        assert!(what.contains(expected), "{bytes:?}: {what}");
    }
}

#[tokio::test]
async fn an_announced_message_that_never_comes_costs_the_time_allowed_and_no_memory() {
    let mut worker = worker().await;
    let bytes = [&(16_u32 << 20).to_le_bytes()[..], &[1, 2, 3]].concat();
    let outcome = worker.call(Request::from_bytes("raw", bytes), Duration::from_millis(300)).await;
    assert!(matches!(outcome, Err(WorkerError::TimedOut { .. })), "{outcome:?}");
}

#[tokio::test]
async fn closing_the_socket_without_exiting_is_not_a_hang() {
    let (error, _) = fatal(command(), "hang up", b"").await;
    assert!(matches!(error, WorkerError::Protocol { what, .. } if what.contains("went on")), "{error:?}");
}

#[tokio::test]
async fn megabytes_on_standard_error_hold_nothing_up_and_only_the_last_are_kept() {
    let mut worker = worker().await;
    assert_eq!(ask(&mut worker, "chatter", &(8 << 20).to_string()).await.unwrap(), "said");
    let id = Watch::of(worker.process_id().unwrap());
    let ended = ask(&mut worker, "exit", "3").await;
    assert!(matches!(ended, Err(WorkerError::Exited(_))), "{ended:?}");
    id.gone().await;
    let last_words = worker.last_words();
    assert!(last_words.len() <= 16 * 1024);
    assert!(last_words.ends_with("chatter\nand the last words\n"), "{}", last_words.len());
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused_and_cost_no_worker() {
    let limits = WorkerLimits { max_message_bytes: 10_000, ..WorkerLimits::default() };
    let mut worker = Worker::spawn(within(limits)).await.unwrap();
    for (kind, payload) in [("echo", "x".repeat(10_001)), ("grow", "10001".into())] {
        let error = ask(&mut worker, kind, &payload).await.unwrap_err();
        assert!(matches!(error, WorkerError::TooLarge { limit: 10_000, .. }), "{error:?}");
        assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
    }
    assert_eq!(ask(&mut worker, "grow", "9000").await.unwrap().len(), 9_000);
}

#[tokio::test]
async fn a_request_that_is_not_understood_costs_no_worker() {
    let mut worker = worker().await;
    let error = ask(&mut worker, "dance", "").await.unwrap_err();
    assert!(
        matches!(&error, WorkerError::BadRequest { message } if message.contains("'dance'")),
        "{error:?}"
    );
    assert_eq!(ask(&mut worker, "echo", "still here").await.unwrap(), "still here");
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_answer_for_the_next() {
    let mut worker = worker().await;
    let watch = Watch::of(worker.process_id().unwrap());
    let spin = worker.call(Request::from_bytes("spin", ""), LONG);
    assert!(tokio::time::timeout(Duration::from_millis(100), spin).await.is_err());
    let next = ask(&mut worker, "echo", "").await;
    assert!(matches!(next, Err(WorkerError::Gone)), "{next:?}");
    watch.gone().await;
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let missing = Worker::spawn(WorkerCommand::at("/does/not/exist", ["worker"])).await.unwrap_err();
    assert!(matches!(missing, WorkerError::Spawn(_)), "{missing:?}");
    assert!(!missing.to_string().contains("exist"), "{missing}");
    let fixture = env!("CARGO_BIN_EXE_yard-worker-fixture");
    let other = Worker::spawn(WorkerCommand::at(fixture, ["another part"])).await.unwrap_err();
    assert!(matches!(&other, WorkerError::Exited(report) if report.status == Some(1)), "{other:?}");
}
