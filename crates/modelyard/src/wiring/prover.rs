//! Proving a pushed model in a child process.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use yard_engine::LoadOptions;
use yard_registry::{
    EngineStamp, JoiningRecord, LanguageRecord, ProofFailure, ProofOutcome, ProofRecord, ProofTask, Prover,
    WarmUpRecord,
};
use yard_types::{Coded, ErrorCode};
use yard_worker::{
    Request, Worker, WorkerCommand, WorkerError, WorkerLimits,
    prove::{
        EnginePreference, LanguageReport, PROVE, ProofLimits, ProofReport, ProveRequest, ProveResponse,
        Shape, joining, prove_response, warm_up,
    },
};

use crate::settings::ProofSettings;

/// The hidden subcommand that the child runs.
const SUBCOMMAND: &str = "worker";

/// Starts a child of the same program for each proof.
#[derive(Debug)]
pub(crate) struct ChildProver {
    settings: ProofSettings,
    load: LoadOptions,
    library: Option<PathBuf>,
}

impl ChildProver {
    /// `library` is ONNX Runtime's, where there is one.
    pub(crate) fn new(settings: ProofSettings, load: LoadOptions, library: Option<PathBuf>) -> Self {
        Self { settings, load, library }
    }

    async fn ask(&self, task: &ProofTask) -> Result<ProveResponse, WorkerError> {
        let mut command = WorkerCommand::same_program([SUBCOMMAND]);
        command.limits = WorkerLimits {
            memory_bytes: self.settings.max_memory_bytes,
            cpu_seconds: Some(self.settings.timeout.as_secs().saturating_mul(2).max(1)),
            ..WorkerLimits::default()
        };
        command.readable = std::iter::once(task.directory.clone()).chain(self.library.clone()).collect();
        let mut worker = Worker::spawn(command).await?;
        let request = Request::new(PROVE, &self.request(task));
        let answer = worker.call(request, self.settings.timeout).await;
        match answer {
            Ok(answer) => {
                worker.stop().await;
                answer.decode()
            }
            Err(error) => {
                tracing::warn!(
                    model = %task.model,
                    error = &error as &dyn std::error::Error,
                    last_words = worker.last_words(),
                    "the proof of a pushed model died"
                );
                Err(error)
            }
        }
    }

    fn request(&self, task: &ProofTask) -> ProveRequest {
        let engine = match self.settings.engine.as_deref() {
            Some("rten") => EnginePreference::Rten,
            Some(_) => EnginePreference::OnnxRuntime,
            None => EnginePreference::Automatic,
        };
        ProveRequest {
            model: task.model.to_string(),
            package_directory: task.directory.to_string_lossy().into_owned(),
            main_file: task.main.to_string(),
            golden_file: task.golden.as_ref().map(ToString::to_string),
            onnx_runtime_library: self.library.as_ref().map(|path| path.to_string_lossy().into_owned()),
            engine: engine.into(),
            limits: Some(ProofLimits {
                max_weight_bytes: self.load.max_weight_bytes,
                threads_per_run: u32::try_from(self.load.threads_per_run.get()).unwrap_or(u32::MAX),
                run_milliseconds: u64::try_from(self.settings.timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

#[async_trait]
impl Prover for ChildProver {
    async fn prove(&self, task: ProofTask) -> ProofOutcome {
        let response = self.ask(&task).await.map_err(|error| of_the_worker(&error))?;
        match response.outcome {
            Some(prove_response::Outcome::Proved(report)) => record(report).ok_or_else(nonsense),
            Some(prove_response::Outcome::Refused(refusal)) => {
                Err(ProofFailure { code: refusal.error_code(), message: refusal.message })
            }
            None => Err(nonsense()),
        }
    }
}

/// A child that dies or hangs under a model is the model's fault, unless it never got so far.
fn of_the_worker(error: &WorkerError) -> ProofFailure {
    let code = match error {
        WorkerError::Exited(_) | WorkerError::Panicked { .. } | WorkerError::TimedOut { .. } => {
            ErrorCode::InvalidArgument
        }
        other => other.code(),
    };
    ProofFailure { code, message: format!("its proof failed: {error}") }
}

fn nonsense() -> ProofFailure {
    let message = "its proof gave an answer that makes no sense".to_owned();
    ProofFailure { code: ErrorCode::Internal, message }
}

/// `None` when the report lacks something or does not fit together.
fn record(report: ProofReport) -> Option<ProofRecord> {
    let engine = report.engine?;
    let joining = match report.joining?.verdict? {
        joining::Verdict::MaxDifference(max_difference) => JoiningRecord::Allowed { max_difference },
        joining::Verdict::Refused(reason) => JoiningRecord::Refused { reason },
    };
    let warm_up = match report.warm_up?.outcome? {
        warm_up::Outcome::Ran(ran) => {
            WarmUpRecord::Ran { shapes: ran.shapes.into_iter().map(sizes).collect::<Option<_>>()? }
        }
        warm_up::Outcome::Skipped(reason) => WarmUpRecord::Skipped { reason },
    };
    Some(ProofRecord {
        engine: EngineStamp { name: engine.name, version: engine.version },
        main: report.main_file.parse().ok()?,
        signature: report.signature?.try_into().ok()?,
        joining,
        warm_up,
        golden_samples: usize::try_from(report.golden_samples).ok()?,
        single_run: report.single_run_nanoseconds.map(Duration::from_nanos),
        memory_bytes: report.memory_bytes,
        language: report.language.map(language),
    })
}

fn language(report: LanguageReport) -> LanguageRecord {
    LanguageRecord {
        architecture: report.architecture,
        parameters: report.parameters,
        context: report.context,
        vocabulary: report.vocabulary,
        width: report.width,
        quantization: report.quantization,
        tokenizer: report.tokenizer,
        chat_template: report.chat_template,
        tokens_per_second: report.tokens_per_second,
        weight_bytes: report.weight_bytes,
        position_bytes: report.position_bytes,
    }
}

fn sizes(shape: Shape) -> Option<Vec<usize>> {
    shape.sizes.into_iter().map(|size| usize::try_from(size).ok()).collect()
}
