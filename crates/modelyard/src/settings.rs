//! What an operator can set: `modelyard.toml`, then `MODELYARD_*` variables, then flags.
//!
//! [`table`] lists every key once, with its unit, default and meaning; the file reader, the variables and
//! `docs/configuration.md` are all made from it. This is the one module that reads the environment.

mod load;
mod memory;
mod table;
mod values;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use yard_batches::BatchOptions;
use yard_language::LanguageOptions;
use yard_registry::RegistryOptions;
use yard_server::ServerOptions;
use yard_serving::ServingSettings;

#[cfg(test)]
use load::SettingsError;
pub(crate) use load::{Sources, load};
use memory::job_bytes;
pub(crate) use memory::{machine_bytes, model_bytes};

/// Every setting of `modelyard serve`. Each part owns its options and their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// Threads that talk to clients.
    pub(crate) io_threads: NonZeroUsize,
    /// Listeners and their limits.
    pub(crate) server: ServerOptions,
    /// Queues, batches and threads.
    pub(crate) serving: ServingSettings,
    /// The processes of language models.
    pub(crate) language: LanguageOptions,
    /// What may be pushed.
    pub(crate) registry: RegistryOptions,
    /// The child process that proves a pushed model.
    pub(crate) proof: ProofSettings,
    /// What jobs may take.
    pub(crate) jobs: JobSettings,
    /// Files and batches of language models.
    pub(crate) batches: BatchOptions,
    /// The log on standard error.
    pub(crate) log: LogSettings,
}

/// What jobs may take, all together.
#[derive(Debug, Clone)]
pub(crate) struct JobSettings {
    /// Threads that compute.
    pub(crate) cpu_threads: NonZeroUsize,
    /// Memory of all children.
    pub(crate) memory_bytes: u64,
    /// Jobs that are queued or running.
    pub(crate) max_queued: NonZeroUsize,
}

/// The child process that proves a pushed model.
#[derive(Debug, Clone)]
pub(crate) struct ProofSettings {
    /// Longest time a proof may take.
    pub(crate) timeout: Duration,
    /// Most memory of the child.
    pub(crate) max_memory_bytes: u64,
    /// The engine to try first.
    pub(crate) engine: Option<String>,
}

/// The log on standard error.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// Which records are written.
    pub(crate) filter: String,
    /// Whether each is a JSON object.
    pub(crate) json: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            data_dir: PathBuf::from("modelyard-data"),
            // One thread answers some 50,000 requests a second; the other cores are for the models.
            io_threads: NonZeroUsize::new(cores.get() / 2).unwrap_or(NonZeroUsize::MIN),
            server: ServerOptions::default(),
            serving: ServingSettings::default(),
            language: LanguageOptions::default(),
            registry: RegistryOptions::new(PathBuf::new()),
            proof: ProofSettings {
                timeout: Duration::from_secs(120),
                max_memory_bytes: 8 << 30,
                engine: None,
            },
            // Children yield to serving, so they may have all processors; memory cannot be yielded, so it is shared out.
            jobs: JobSettings {
                cpu_threads: cores,
                memory_bytes: job_bytes().unwrap_or(UNKNOWN_MEMORY_BYTES),
                max_queued: NonZeroUsize::new(1000).unwrap_or(NonZeroUsize::MIN),
            },
            batches: BatchOptions::default(),
            log: LogSettings { filter: "info".to_owned(), json: false },
        }
    }
}

/// What jobs get where the machine does not say what it has.
const UNKNOWN_MEMORY_BYTES: u64 = 4 << 30;

/// The environment, as far as it is text.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests;
