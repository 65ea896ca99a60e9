//! Every key, once.

#[cfg(test)]
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::{Settings, values::SettingValue};

/// One key.
pub(super) struct Setting {
    /// The key in `modelyard.toml`: `section.name`, or `name` at the top.
    pub(super) key: &'static str,
    /// What it does, with its unit.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that makes the reference page"))]
    help: &'static str,
    /// Writes it into the settings.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
    /// Shows its value.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that makes the reference page"))]
    show: fn(&Settings) -> String,
}

/// One row of the table: the key, its field and its meaning.
macro_rules! setting {
    ($key:literal, $($field:ident).+, $help:literal) => {
        Setting {
            key: $key,
            help: $help,
            set: |settings, text| {
                settings.$($field).+ = SettingValue::read(text)?;
                Ok(())
            },
            show: |settings| SettingValue::write(&settings.$($field).+),
        }
    };
}

/// Every key in the order of the reference.
pub(super) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut settings = server_settings();
    settings.extend(serving_settings());
    settings.extend(language_settings());
    settings.extend(other_settings());
    settings
});

fn server_settings() -> Vec<Setting> {
    vec![
        setting!("data_dir", data_dir, "Where everything is kept. One process owns it at a time."),
        setting!(
            "server.http",
            server.http_address,
            "Address of the REST listener; port 0 takes a free one."
        ),
        setting!("server.grpc", server.grpc_address, "Address of the gRPC listener; `none` for no gRPC."),
        setting!(
            "server.default_model",
            server.default_model,
            "The model that `POST /predict` serves; `none` means the only one there is."
        ),
        setting!(
            "server.insecure_no_auth",
            server.insecure_no_auth,
            "Serve without keys: whoever can connect is admin. Loopback addresses only."
        ),
        setting!(
            "server.io_threads",
            io_threads,
            "Threads that read, parse and answer requests and run the smallest models."
        ),
        setting!(
            "server.allowed_hosts",
            server.allowed_hosts,
            "Names that a request may give as its Host besides this machine's loopback names. None on a listener that \
             is not on loopback means any."
        ),
        setting!(
            "server.allowed_origins",
            server.allowed_origins,
            "Origins of web pages that may call the server."
        ),
        setting!(
            "server.request_timeout",
            server.request_timeout,
            "Longest time of a prediction when neither the request nor its model says less."
        ),
        setting!(
            "server.shutdown_grace",
            server.shutdown_grace,
            "How long a stopping server waits for admitted requests."
        ),
        setting!("http.max_connections", server.http.max_connections, "Most REST connections at a time."),
        setting!(
            "http.max_requests",
            server.http.max_requests,
            "Most requests at work at a time, REST and gRPC together; more are refused with 503."
        ),
        setting!("http.max_header_bytes", server.http.max_header_bytes, "Most bytes of a request's head."),
        setting!(
            "http.max_body_bytes",
            server.http.max_body_bytes,
            "Most bytes of a body after decompression. Uploads have limits of their own."
        ),
        setting!(
            "http.max_buffered_bytes",
            server.http.max_buffered_bytes,
            "Most bytes of request bodies in memory, REST and gRPC together; more are refused with 503."
        ),
        setting!(
            "http.max_event_streams",
            server.http.max_event_streams,
            "Most streams of events of jobs at a time; more are refused with 503."
        ),
        setting!(
            "http.header_timeout",
            server.http.header_timeout,
            "Longest time until a request's head is in."
        ),
        setting!(
            "http.body_idle_timeout",
            server.http.body_idle_timeout,
            "Longest pause between two pieces of a body, in or out."
        ),
        setting!(
            "http.body_timeout",
            server.http.body_timeout,
            "Longest time for a whole body to come in, uploads excepted."
        ),
        setting!(
            "http.min_compressed_bytes",
            server.http.min_compressed_bytes,
            "Answers of fewer bytes are never compressed."
        ),
        setting!("grpc.max_connections", server.grpc.max_connections, "Most gRPC connections at a time."),
        setting!(
            "grpc.max_streams_per_connection",
            server.grpc.max_streams_per_connection,
            "Most calls at a time on one connection."
        ),
        setting!(
            "grpc.max_message_bytes",
            server.grpc.max_message_bytes,
            "Most bytes of a message, in or out, after decompression."
        ),
        setting!(
            "grpc.reflection",
            server.grpc.reflection,
            "Whether server reflection answers callers with a key."
        ),
    ]
}

fn serving_settings() -> Vec<Setting> {
    vec![
        setting!(
            "serving.compute_threads",
            serving.compute_threads,
            "Threads that run models, all models together."
        ),
        setting!(
            "serving.compute_niceness",
            serving.compute_niceness,
            "By how much those threads yield to the ones that talk to clients, as `nice` counts: 0 to 19."
        ),
        setting!(
            "serving.max_in_flight",
            serving.max_in_flight,
            "Most predictions admitted and not yet answered; more are refused with 503."
        ),
        setting!(
            "serving.max_batch",
            serving.queue.max_batch,
            "Most rows of several requests that are run together; 1 turns joining off. A model can set its own."
        ),
        setting!(
            "serving.max_queue_delay",
            serving.queue.max_queue_delay,
            "How long a request may wait for others to join it. A model can set its own."
        ),
        setting!(
            "serving.queue_length",
            serving.queue.interactive_length,
            "Most waiting interactive requests of a version. A model can set its own."
        ),
        setting!(
            "serving.background_queue_length",
            serving.queue.background_length,
            "Most waiting background requests of a version. A model can set its own."
        ),
        setting!(
            "serving.workers",
            serving.queue.workers,
            "Most runs of one version side by side; `none` means all compute threads. A model can set its own."
        ),
        setting!(
            "serving.timeout",
            serving.queue.timeout,
            "Longest time from a request's arrival to its answer. A model can set its own."
        ),
        setting!(
            "serving.inline_below",
            serving.inline_below,
            "A model whose single run took less than this at its proof runs on the I/O threads."
        ),
        setting!(
            "serving.inline_limit",
            serving.inline_limit,
            "A run on an I/O thread that takes longer is stopped, and its model moves to the compute threads."
        ),
        setting!(
            "serving.max_joined_run",
            serving.max_joined_run,
            "Rows are joined only as far as the run is expected to stay below this."
        ),
        setting!(
            "serving.stall_after",
            serving.stall_after,
            "A version with waiting work and no progress for this long counts as stalled."
        ),
        setting!(
            "serving.drain_timeout",
            serving.drain_timeout,
            "How long an unload waits for running requests before it answers."
        ),
        setting!(
            "serving.lazy_load",
            serving.lazy_load,
            "Whether a version that is not in memory is loaded when a request asks for it."
        ),
        setting!(
            "serving.max_loaded_versions",
            serving.max_loaded_versions,
            "Most versions in memory at once."
        ),
        setting!(
            "serving.memory_bytes",
            serving.memory_budget_bytes,
            "Memory of all loaded models together, by what their proofs found; 0 for 60 % of the machine's, or of the \
             cgroup's where that has less. For a model that does not fit idle ones are evicted, those first that \
             were not used for longest."
        ),
        setting!(
            "serving.memory_wait",
            serving.memory_wait,
            "How long a request waits for other models to be done, so that its own can be loaded; then it is refused with \
             503."
        ),
        setting!(
            "serving.retry_failed_after",
            serving.retry_failed_after,
            "How long a version that failed to load is refused without another try."
        ),
        setting!("serving.concurrent_loads", serving.concurrent_loads, "Loads at the same time."),
        setting!(
            "serving.warm_up_limit",
            serving.warm_up_limit,
            "Longest time of the first run of a loaded version."
        ),
        setting!(
            "serving.threads_per_run",
            serving.load.threads_per_run,
            "Threads that one run may use inside the engine. 1 serves many requests side by side best."
        ),
        setting!(
            "serving.max_weight_bytes",
            serving.load.max_weight_bytes,
            "Most bytes of weights that one model may bring."
        ),
    ]
}

fn language_settings() -> Vec<Setting> {
    vec![
        setting!(
            "language.threads",
            language.threads,
            "Threads that each language model computes with; 0 for one for each processor."
        ),
        setting!(
            "language.positions",
            language.positions,
            "Tokens of all requests of a language model together whose keys and values are kept; no prompt with its \
             answer is longer."
        ),
        setting!(
            "language.memory_bytes",
            language.memory_bytes,
            "Most private memory of a language model's process; `none` for three times its file and 4 GiB."
        ),
        setting!(
            "language.answer_timeout",
            server.answer_timeout,
            "Longest time from a request for an answer to its end; what is not complete then ends with 504."
        ),
        setting!(
            "language.load_limit",
            language.load_limit,
            "Longest time until a language model is loaded."
        ),
        setting!(
            "language.hangs_after",
            language.hangs_after,
            "A language model's process that has work and gives no sign of life for so long is started again."
        ),
        setting!(
            "language.max_calls",
            language.calls,
            "Most answers, embeddings and texts to be read of a language model under way at once, those that wait included; \
             more are refused with 503."
        ),
    ]
}

fn other_settings() -> Vec<Setting> {
    vec![
        setting!("uploads.max_file_bytes", registry.max_file_bytes, "Most bytes of one pushed file."),
        setting!(
            "uploads.max_package_bytes",
            registry.max_package_bytes,
            "Most bytes of one pushed package."
        ),
        setting!("uploads.max_files", registry.max_files, "Most files of one pushed package."),
        setting!(
            "uploads.max_open",
            registry.max_open_uploads,
            "Most uploads that are neither ready nor failed."
        ),
        setting!(
            "uploads.max_open_per_key",
            registry.max_open_uploads_per_actor,
            "Most uploads of one key that are neither ready nor failed."
        ),
        setting!(
            "uploads.idle_limit",
            registry.upload_idle_limit,
            "Longest time in which nothing of an upload arrives."
        ),
        setting!(
            "uploads.lifetime",
            registry.upload_lifetime,
            "Longest time from an upload's beginning to its commit."
        ),
        setting!(
            "uploads.retention",
            registry.upload_retention,
            "How long the record of a ready or failed upload is kept."
        ),
        setting!("proof.concurrent", registry.concurrent_proofs, "Proofs of pushed models side by side."),
        setting!("proof.timeout", proof.timeout, "Longest time that the proof of a pushed model may take."),
        setting!(
            "proof.max_memory_bytes",
            proof.max_memory_bytes,
            "Most memory of the child process that proves a model."
        ),
        setting!(
            "proof.engine",
            proof.engine,
            "`onnxruntime` or `rten`, the engine to try first; `none` means ONNX Runtime where it is installed."
        ),
        setting!(
            "jobs.cpu_threads",
            jobs.cpu_threads,
            "Threads that all running jobs together compute with."
        ),
        setting!(
            "jobs.memory",
            jobs.memory_bytes,
            "Most bytes of memory of all running jobs together; a job that does not say asks for 4 GiB of it."
        ),
        setting!(
            "jobs.max_queued",
            jobs.max_queued,
            "Most jobs that are queued or running; more are refused with 503. Trials count as one with their search."
        ),
        setting!(
            "batches.max_file_bytes",
            batches.max_file_bytes,
            "Most bytes of a file that is uploaded for batches; larger ones are refused with 413."
        ),
        setting!(
            "batches.max_files",
            batches.max_files,
            "Most files that a key may have uploaded; what batches write does not count."
        ),
        setting!(
            "batches.max_bytes",
            batches.max_bytes,
            "Most bytes of all files of a key together, those that batches write among them; more are refused with 409."
        ),
        setting!("batches.max_open", batches.max_open, "Most batches of a key that have not ended."),
        setting!("batches.max_lines", batches.max_lines, "Most lines of a batch."),
        setting!("batches.max_line_bytes", batches.max_line_bytes, "Most bytes of a line of a batch."),
        setting!(
            "batches.lines_at_once",
            batches.lines_at_once,
            "Lines of all batches that run at once, behind all requests that somebody waits for; keys share them evenly."
        ),
        setting!(
            "batches.owners_at_once",
            batches.owners_at_once,
            "Keys whose batches run at once; those of others wait for their turn."
        ),
        setting!("log.filter", log.filter, "What is logged, such as `info` or `yard_serving=debug,info`."),
        setting!("log.json", log.json, "Whether the log is one JSON object a line."),
    ]
}

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("MODELYARD_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// `docs/configuration.md`, made from the table.
#[cfg(test)]
pub(super) fn reference_page() -> String {
    let defaults = Settings::default();
    let mut page = String::from(
        "# Configuration\n\n\
         `modelyard serve` reads `modelyard.toml` in the current directory (or the file that `--config` names), then the\n\
         environment variables below, then flags; the last one wins. `--set KEY=VALUE` sets any key. A key that is not\n\
         in this table is an error.\n\n\
         The path of ONNX Runtime's library is not a setting of the file: it comes from `--onnxruntime`, the variable\n\
         `ORT_DYLIB_PATH`, or the place where `modelyard engine install` put it.\n\n\
         Durations are written with a unit (`us`, `ms`, `s`, `m`, `h`), lists as TOML arrays (in variables: separated by\n\
         commas). This page is made from the code; a test fails when they differ.\n\n\
         | key | variable | default | meaning |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS.iter() {
        let default = match setting.key {
            "server.io_threads" => "half of the cores".to_owned(),
            "serving.compute_threads" | "jobs.cpu_threads" => "the cores".to_owned(),
            "jobs.memory" => "a quarter of the machine's or cgroup's".to_owned(),
            _ => format!("`{}`", (setting.show)(&defaults)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | {} |",
            setting.key,
            setting.variable(),
            default,
            setting.help
        );
    }
    page
}
