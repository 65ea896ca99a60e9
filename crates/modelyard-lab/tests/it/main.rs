//! Jobs in the real child process.

#![allow(clippy::unwrap_used, reason = "tests")]

mod endings;
mod training;

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use yard_worker::{
    Request, Said, Stream, Worker, WorkerCommand, WorkerError, WorkerLimits,
    train::{
        TRAIN, TrainEvent, TrainRefusal, TrainRequest, TrainResponse, TrainResult, train_event,
        train_response,
    },
};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(300);
/// More than the jobs here need.
const MEMORY: u64 = 2 << 30;

/// A network that is trained within seconds.
const SMALL: &str = r#"
name = "iris"
seed = 7
[data]
builtin = "iris"
[model]
kind = "network"
layers = [
  { type = "dense", units = 16, activation = "relu" },
  { type = "dense", units = 3, activation = "softmax" },
]
[training]
epochs = 12
batch_size = 16
"#;

/// A job about to run in a directory.
struct Job<'a> {
    directory: &'a Path,
    spec: String,
    memory_bytes: u64,
    limits: WorkerLimits,
}

impl<'a> Job<'a> {
    fn new(directory: &'a TempDir, spec: &str) -> Self {
        let limits = WorkerLimits {
            memory_bytes: MEMORY,
            cpu_seconds: None,
            written_file_bytes: 1 << 30,
            ..WorkerLimits::default()
        };
        let spec = yard_spec::TrainingSpec::from_toml(spec).unwrap().to_json();
        Self { directory: directory.path(), spec, memory_bytes: MEMORY, limits }
    }

    async fn start(self) -> Stream {
        let mut command = WorkerCommand::at(env!("CARGO_BIN_EXE_modelyard-lab"), ["worker"]);
        command.limits = self.limits;
        // As the product starts it: memory then counts when it is used.
        command.environment = vec![("MIMALLOC_ARENA_EAGER_COMMIT".into(), "0".into())];
        command.writable = vec![self.directory.to_owned()];
        let request = TrainRequest {
            spec_json: self.spec,
            data_files: vec![],
            job_directory: self.directory.to_str().unwrap().to_owned(),
            threads: 1,
            memory_bytes: self.memory_bytes,
            onnx_runtime_library: None,
        };
        let worker = Worker::spawn(command).await.unwrap();
        worker.stream(Request::new(TRAIN, &request)).await.unwrap()
    }

    /// Runs it to its end.
    async fn run(self) -> (Vec<train_event::Event>, Result<TrainResponse, WorkerError>) {
        let mut stream = self.start().await;
        drain(&mut stream).await
    }

    /// Runs it to its end, which is a result.
    async fn trained(self) -> (Vec<train_event::Event>, TrainResult) {
        let (events, answer) = self.run().await;
        match answer.unwrap().outcome.unwrap() {
            train_response::Outcome::Trained(result) => (events, result),
            train_response::Outcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Runs it to its end, which is a refusal.
    async fn refused(self) -> TrainRefusal {
        match self.run().await.1.unwrap().outcome.unwrap() {
            train_response::Outcome::Trained(result) => panic!("{result:?}"),
            train_response::Outcome::Refused(refusal) => refusal,
        }
    }
}

/// What is said until the answer, and the answer.
async fn drain(stream: &mut Stream) -> (Vec<train_event::Event>, Result<TrainResponse, WorkerError>) {
    let mut events = Vec::new();
    loop {
        match tokio::time::timeout(LONG, stream.next()).await.unwrap() {
            Ok(Said::Event(event)) => events.push(event.decode::<TrainEvent>().unwrap().event.unwrap()),
            Ok(Said::Answer(answer)) => return (events, answer.decode()),
            Err(error) => return (events, Err(error)),
        }
    }
}

/// Waits for a checkpoint; gives its step.
async fn checkpoint(stream: &mut Stream) -> u64 {
    loop {
        let said = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap();
        let Said::Event(event) = said else { panic!("no checkpoint: {said:?}") };
        if let Some(train_event::Event::Checkpoint(checkpoint)) = event.decode::<TrainEvent>().unwrap().event
        {
            return checkpoint.step;
        }
    }
}
