//! What an operator can set: `modelyard.toml`, then `MODELYARD_*` variables, then flags.
//!
//! [`table`] lists every key once, with its unit, default and meaning; the file reader, the variables and
//! `docs/configuration.md` are all made from it. This is the one module that reads the environment.

mod load;
mod table;
mod values;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

pub(crate) use load::{SettingsError, Sources, load};
pub(crate) use table::reference_page;

/// Every setting of `modelyard serve`. The defaults stand in [`Settings::default`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) default_model: Option<String>,
    pub(crate) server: ServerSection,
    pub(crate) serving: ServingSection,
    pub(crate) uploads: UploadsSection,
    pub(crate) proof: ProofSection,
    pub(crate) log: LogSection,
}

/// Listeners and their limits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerSection {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) insecure_no_auth: bool,
    pub(crate) io_threads: NonZeroUsize,
    pub(crate) max_connections: NonZeroUsize,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_header_bytes: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) grpc_reflection: bool,
}

/// Queues, batches and threads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServingSection {
    pub(crate) compute_threads: NonZeroUsize,
    pub(crate) max_in_flight: NonZeroUsize,
    pub(crate) max_batch: NonZeroUsize,
    pub(crate) max_queue_delay: Duration,
    pub(crate) queue_length: NonZeroUsize,
    pub(crate) background_queue_length: NonZeroUsize,
    pub(crate) workers: NonZeroUsize,
    pub(crate) inline_below: Duration,
    pub(crate) stall_after: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) max_loaded_versions: NonZeroUsize,
}

/// What may be pushed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UploadsSection {
    pub(crate) max_file_bytes: u64,
    pub(crate) max_package_bytes: u64,
    pub(crate) max_files: usize,
}

/// The child process that proves a pushed model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProofSection {
    pub(crate) timeout: Duration,
    pub(crate) max_memory_bytes: u64,
    pub(crate) engine: Option<String>,
}

/// The log on standard error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogSection {
    pub(crate) filter: String,
    pub(crate) json: bool,
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(count) => count,
        None => NonZeroUsize::MIN,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("modelyard-data"),
            default_model: None,
            server: ServerSection {
                http: SocketAddr::from(([127, 0, 0, 1], 8080)),
                grpc: SocketAddr::from(([127, 0, 0, 1], 8081)),
                insecure_no_auth: false,
                io_threads: count((cores().get() / 2).clamp(1, 8)),
                max_connections: count(4096),
                max_body_bytes: 64 << 20,
                max_header_bytes: 32 << 10,
                header_timeout: Duration::from_secs(10),
                body_timeout: Duration::from_secs(30),
                request_timeout: Duration::from_secs(30),
                shutdown_timeout: Duration::from_secs(30),
                allowed_hosts: Vec::new(),
                allowed_origins: Vec::new(),
                grpc_reflection: true,
            },
            serving: ServingSection {
                compute_threads: cores(),
                max_in_flight: count(4096),
                max_batch: count(64),
                max_queue_delay: Duration::ZERO,
                queue_length: count(1024),
                background_queue_length: count(1024),
                workers: cores(),
                inline_below: Duration::from_micros(100),
                stall_after: Duration::from_secs(30),
                drain_timeout: Duration::from_secs(30),
                max_loaded_versions: count(64),
            },
            uploads: UploadsSection { max_file_bytes: 8 << 30, max_package_bytes: 16 << 30, max_files: 256 },
            proof: ProofSection { timeout: Duration::from_secs(120), max_memory_bytes: 8 << 30, engine: None },
            log: LogSection { filter: "info".to_owned(), json: false },
        }
    }
}

#[cfg(test)]
mod tests;
