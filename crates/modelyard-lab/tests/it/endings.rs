//! Jobs that come to no good end, and what their owner is told.

use std::time::Duration;

use yard_types::ErrorCode;
use yard_worker::{
    ExitCause, Request, Worker, WorkerCommand, WorkerError, WorkerLimits,
    train::{TrainRefusal, train_response},
};

use crate::{Job, LONG, SMALL, checkpoint, drain};

#[tokio::test]
async fn a_job_that_is_asked_to_stop_keeps_a_checkpoint_and_says_so() {
    let job = tempfile::tempdir().unwrap();
    let long = SMALL.replace("epochs = 12", "epochs = 100000");
    let mut stream = Job::new(&job, &long).start().await;
    checkpoint(&mut stream).await;
    let asked = std::time::Instant::now();
    stream.ask_to_stop().await.unwrap();
    let (_, answer) = drain(&mut stream).await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let Some(train_response::Outcome::Refused(refusal)) = answer.unwrap().outcome else { panic!() };
    assert_eq!(refusal.error_code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_is_refused_before_anything_is_done() {
    let job = tempfile::tempdir().unwrap();
    let refusal =
        Job { spec: "{\"name\":\"m\",\"modle\":1}".to_owned(), ..Job::new(&job, SMALL) }.refused().await;
    assert_eq!(refusal.error_code(), ErrorCode::InvalidArgument);
    assert!(refusal.message.contains("modle"), "{}", refusal.message);
    assert!(!job.path().join("checkpoints").exists());
}

#[tokio::test]
async fn data_that_the_job_was_not_given_are_not_read() {
    let job = tempfile::tempdir().unwrap();
    let spec = SMALL.replace("builtin = \"iris\"", "path = \"/etc/passwd\"\nformat = \"csv\"");
    let refusal = Job::new(&job, &spec).refused().await;
    assert_eq!(refusal.message, "the job was given no file for data");
}

#[tokio::test]
async fn a_checkpoint_of_another_specification_is_refused() {
    let job = tempfile::tempdir().unwrap();
    let mut stream = Job::new(&job, SMALL).start().await;
    checkpoint(&mut stream).await;
    stream.kill().await;
    let refusal = Job::new(&job, &SMALL.replace("seed = 7", "seed = 8")).refused().await;
    assert!(refusal.message.contains("checkpoint"), "{}", refusal.message);
}

#[tokio::test]
async fn a_job_that_needs_more_than_its_memory_ends_at_its_limit_and_others_do_not() {
    let job = tempfile::tempdir().unwrap();
    // A matrix of 12,000 by 12,000 numbers, more than once.
    let wide = SMALL.replace(
        "{ type = \"dense\", units = 16, activation = \"relu\" },",
        "{ type = \"dense\", units = 12000, activation = \"relu\" }, { type = \"dense\", units = 12000, activation = \"relu\" },",
    );
    let limits = WorkerLimits { memory_bytes: 300 << 20, ..Job::new(&job, &wide).limits };
    Job { limits: limits.clone(), ..Job::new(&tempfile::tempdir().unwrap(), SMALL) }.trained().await;
    let (_, answer) = Job { limits, ..Job::new(&job, &wide) }.run().await;
    let Err(WorkerError::Exited(report)) = answer else { panic!("{answer:?}") };
    assert!(matches!(report.cause, Some(ExitCause::MemoryLimit { asked_bytes: Some(_) })), "{report:?}");
}

#[tokio::test]
async fn data_that_do_not_fit_into_a_job_are_told_with_both_numbers() {
    let job = tempfile::tempdir().unwrap();
    let TrainRefusal { message, .. } = Job { memory_bytes: 1000, ..Job::new(&job, SMALL) }.refused().await;
    assert!(message.contains("the limit is 500"), "{message}");
}

#[tokio::test]
async fn an_unknown_kind_of_request_is_told() {
    let command = WorkerCommand::at(env!("CARGO_BIN_EXE_modelyard-lab"), ["worker"]);
    let mut worker = Worker::spawn(command).await.unwrap();
    let error = worker.call(Request::from_bytes("dance", ""), LONG).await.unwrap_err();
    assert!(
        matches!(&error, WorkerError::BadRequest { message } if message.contains("'dance'")),
        "{error:?}"
    );
}
