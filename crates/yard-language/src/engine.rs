//! Language models behind the trait that all models are loaded by.

use std::{any::Any, fmt, path::Path, sync::Arc, time::Duration};

use tokio::runtime::Handle;
use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{Coded as _, ErrorCode, Signature, Tensor};
use yard_worker::{CallLimits, WorkerCommand, language::LoadRequest};

use crate::{
    LanguageError, LanguageModel, ModelFacts,
    supervisor::{Start, Supervisor},
};

/// The engine's name, as settings and passports write it.
pub const ENGINE: &str = "modelyard-llm";

/// How language models run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageOptions {
    /// Threads of a model; 0 for one for each processor. Default: 0.
    pub threads: u32,
    /// Tokens of all requests of a model together, of which keys and values are kept; no sequence is longer. Default: 16,384.
    pub positions: u64,
    /// Private memory of a model's process; `None` for three times its file and 4 GiB. Default: `None`.
    pub memory_bytes: Option<u64>,
    /// Longest time until a model is loaded. Default: 10 minutes.
    pub load_limit: Duration,
    /// A process with work that gives no sign of life for so long is ended and started again. Default: 5 minutes, more
    /// than a step of 512 tokens takes a large model.
    pub hangs_after: Duration,
    /// Answers of a model that may be under way at once, those included that wait. Default: 1,024.
    pub calls: usize,
}

impl Default for LanguageOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            positions: 16_384,
            memory_bytes: None,
            load_limit: Duration::from_secs(600),
            hangs_after: Duration::from_secs(300),
            calls: 1_024,
        }
    }
}

/// Starts a process for each model.
#[derive(Debug)]
pub struct LanguageEngine {
    command: WorkerCommand,
    options: LanguageOptions,
    version: &'static str,
    runtime: Handle,
}

/// A loaded language model as it stands among the others. It takes no tensors: whoever knows what it is asks for its
/// [`LoadedModel::service`].
struct Loaded {
    signature: Signature,
    model: Arc<LanguageModel>,
}

impl LanguageEngine {
    /// `command` starts a process that serves as `modelyard worker language` does; what it may read and use is added to it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which has to outlive all models.
    #[must_use]
    pub fn new(command: WorkerCommand, version: &'static str, options: LanguageOptions) -> Self {
        Self { command, options, version, runtime: Handle::current() }
    }

    fn start(&self, file: &Path, file_bytes: u64) -> Start {
        let options = &self.options;
        let mut command = self.command.clone();
        command.readable.push(file.to_owned());
        let limits = &mut command.limits;
        limits.memory_bytes =
            options.memory_bytes.unwrap_or(file_bytes.saturating_mul(3).saturating_add(4 << 30));
        limits.address_space_bytes =
            limits.memory_bytes.saturating_add(file_bytes).saturating_add(limits.address_space_bytes);
        limits.cpu_seconds = None;
        Start {
            command,
            request: LoadRequest {
                path: file.to_string_lossy().into_owned(),
                threads: options.threads,
                positions: options.positions,
                ..LoadRequest::default()
            },
            calls: CallLimits { calls: options.calls, ..CallLimits::default() },
            load_limit: options.load_limit,
            hangs_after: options.hangs_after,
            file: file.to_owned(),
        }
    }
}

impl Engine for LanguageEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: ENGINE, version: self.version.to_owned() }
    }

    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let file = package.main_file();
        let bytes = std::fs::metadata(&file)?.len();
        if bytes > options.max_weight_bytes {
            let limit = options.max_weight_bytes;
            return Err(LoadError::TooLarge { what: "weights".to_owned(), declared: bytes, limit });
        }
        let started = self.runtime.block_on(Supervisor::start(self.start(&file, bytes)));
        let (supervisor, loaded) = started.map_err(|error| refused(package, error))?;
        let model = Arc::new(LanguageModel::new(ModelFacts::of(&loaded), supervisor, self.options.calls));
        Ok(Arc::new(Loaded { signature: Signature::default(), model }))
    }
}

fn refused(package: &ModelPackage, error: LanguageError) -> LoadError {
    let reason = error.to_string();
    let file = package.main().clone();
    match error.code() {
        ErrorCode::InvalidArgument => LoadError::Malformed { file, reason },
        ErrorCode::Unsupported => LoadError::Unsupported { file, reason },
        _ => LoadError::Refused { engine: ENGINE, reason },
    }
}

impl LoadedModel for Loaded {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Refused("a language model takes no rows".to_owned())
    }

    fn predict(&self, _: &[Tensor], _: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        let message = "it is a language model: ask it under /v1/chat/completions or /v1/completions";
        Err(PredictError::BadInput(message.to_owned()))
    }

    fn service(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(&self.model) as Arc<dyn Any + Send + Sync>)
    }

    fn unload(&self) {
        self.model.stop();
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Loaded").field("facts", self.model.facts()).finish_non_exhaustive()
    }
}
