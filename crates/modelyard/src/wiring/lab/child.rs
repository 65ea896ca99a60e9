//! A job's child: its words as the scheduler's events.

use std::{io, path::PathBuf, time::Duration};

use async_trait::async_trait;
use tokio::task::{JoinHandle, spawn_blocking};
use yard_jobs::{
    Checkpoint, Child, ChildEnd, ChildEvent, Lineage, LogLevel, LogLine, Metric, Product, Progress, Report,
};
use yard_spec::TrainingSpec;
use yard_worker::{
    Response, Said, Stream, WorkerError, WorkerLimits,
    train::{LogLevel as WireLevel, TrainEvent, TrainResponse, train_event, train_response},
};

use super::{failure, product};

/// How long a child that is to end may take to keep a checkpoint, before it is killed.
const GRACE: Duration = Duration::from_millis(300);

pub(super) struct LabChild {
    stream: Stream,
    limits: WorkerLimits,
    directory: PathBuf,
    /// Of the specification; the child adds to it.
    lineage: Lineage,
    /// What the child used when it last said so.
    memory_bytes: u64,
    /// Once it has answered.
    ending: Option<Ending>,
}

/// An end that is known, or will be when what the child made has been looked at. A caller may give up waiting meanwhile.
enum Ending {
    Known(ChildEnd),
    Keeping(JoinHandle<io::Result<Product>>),
}

impl LabChild {
    pub(super) fn new(stream: Stream, limits: WorkerLimits, directory: PathBuf, spec: &TrainingSpec) -> Self {
        let lineage = Lineage { spec: spec.to_json(), seed: spec.seed, ..Lineage::default() };
        Self { stream, limits, directory, lineage, memory_bytes: 0, ending: None }
    }

    /// `None` for an event that says nothing.
    fn report(&mut self, event: TrainEvent) -> Option<Report> {
        Some(match event.event? {
            train_event::Event::Progress(progress) => {
                self.memory_bytes = progress.memory_bytes;
                let of = (progress.of > 0).then_some(progress.of);
                Report::Progress(Progress { phase: progress.phase, step: progress.step, of })
            }
            train_event::Event::Metric(metric) => Report::Metric(Metric {
                split: metric.split,
                name: metric.name,
                step: metric.step,
                value: metric.value,
            }),
            train_event::Event::Log(log) => {
                let level = match log.level() {
                    WireLevel::Info => LogLevel::Info,
                    WireLevel::Warning => LogLevel::Warning,
                    WireLevel::Error => LogLevel::Error,
                };
                Report::Log(LogLine { level, text: log.text })
            }
            train_event::Event::Checkpoint(checkpoint) => Report::Checkpoint(Checkpoint {
                step: checkpoint.step,
                file: checkpoint.file.parse().ok()?,
                bytes: checkpoint.bytes,
            }),
        })
    }

    fn ending(&self, answer: &Response) -> Ending {
        let response: TrainResponse = match answer.decode() {
            Ok(response) => response,
            Err(error) => return Ending::Known(self.died(&error)),
        };
        match response.outcome {
            Some(train_response::Outcome::Refused(refusal)) => Ending::Known(failure::refused(&refusal)),
            Some(train_response::Outcome::Trained(result)) => {
                let (directory, lineage) = (self.directory.clone(), self.lineage.clone());
                Ending::Keeping(spawn_blocking(move || product::keep(&directory, result, lineage)))
            }
            None => {
                let what = "its answer says nothing";
                Ending::Known(self.died(&WorkerError::Protocol { what, source: None }))
            }
        }
    }

    fn died(&self, error: &WorkerError) -> ChildEnd {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            last_words = self.stream.worker().last_words(),
            "the child of a job ended without an answer"
        );
        failure::of_worker(error, &self.limits, self.memory_bytes)
    }
}

impl Ending {
    async fn known(&mut self) -> ChildEnd {
        match self {
            Self::Known(end) => end.clone(),
            Self::Keeping(keeping) => {
                match keeping.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    Ok(product) => ChildEnd::Finished(product),
                    Err(error) => failure::of_directory(&error),
                }
            }
        }
    }
}

#[async_trait]
impl Child for LabChild {
    async fn next(&mut self) -> ChildEvent {
        loop {
            if let Some(ending) = &mut self.ending {
                return ChildEvent::Ended(ending.known().await);
            }
            let said = match self.stream.next().await {
                Ok(Said::Answer(answer)) => {
                    self.ending = Some(self.ending(&answer));
                    continue;
                }
                Ok(Said::Event(event)) => event.decode::<TrainEvent>(),
                Err(error) => Err(error),
            };
            match said {
                Ok(event) => {
                    if let Some(report) = self.report(event) {
                        return ChildEvent::Report(report);
                    }
                }
                Err(error) => return ChildEvent::Ended(self.died(&error)),
            }
        }
    }

    /// Asks the child first, so that it keeps a checkpoint if it is quick.
    async fn kill(&mut self) {
        let stopping = async {
            self.stream.ask_to_stop().await?;
            while matches!(self.stream.next().await?, Said::Event(_)) {}
            Ok::<(), WorkerError>(())
        };
        // However that ends, it is killed.
        let _ = tokio::time::timeout(GRACE, stopping).await;
        self.stream.kill().await;
    }
}
