//! Every key, once.

use std::{fmt::Write as _, sync::LazyLock};

use super::{Settings, values::SettingValue};

/// One key.
pub(super) struct Setting {
    /// The key in `modelyard.toml`: `section.name`, or `name` at the top.
    pub(super) key: &'static str,
    /// What it does, with its unit.
    help: &'static str,
    /// Writes it into the settings.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
    /// Shows its value.
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
    vec![
        setting!("data_dir", data_dir, "Where everything is kept. One process owns it at a time."),
        setting!("default_model", default_model, "The model that `POST /predict` serves; without it, the only model."),
        setting!("server.http", server.http, "Address and port of the REST listener; port 0 takes a free one."),
        setting!("server.grpc", server.grpc, "Address and port of the gRPC listener; port 0 takes a free one."),
        setting!(
            "server.insecure_no_auth",
            server.insecure_no_auth,
            "Serve without keys: whoever can connect is admin. Loopback addresses only."
        ),
        setting!(
            "server.io_threads",
            server.io_threads,
            "Threads that read, parse and answer requests and run the smallest models. Default: half of the cores, 1 to 8."
        ),
        setting!("server.max_connections", server.max_connections, "Most open connections of each listener."),
        setting!(
            "server.max_body_bytes",
            server.max_body_bytes,
            "Most bytes of a request body after decompression (uploads have limits of their own)."
        ),
        setting!("server.max_header_bytes", server.max_header_bytes, "Most bytes of a request's head."),
        setting!("server.header_timeout", server.header_timeout, "Longest time a client may take to send a request's head."),
        setting!("server.body_timeout", server.body_timeout, "Longest pause of a client in the middle of a body."),
        setting!("server.request_timeout", server.request_timeout, "Longest time a prediction may take when neither the request nor the model says."),
        setting!("server.shutdown_timeout", server.shutdown_timeout, "Longest time that admitted requests may take to finish when the server stops."),
        setting!(
            "server.allowed_hosts",
            server.allowed_hosts,
            "Values of the Host header that are served besides the listener's own address and loopback names."
        ),
        setting!(
            "server.allowed_origins",
            server.allowed_origins,
            "Values of the Origin header of web pages that may call the server."
        ),
        setting!("server.grpc_reflection", server.grpc_reflection, "Whether gRPC server reflection is offered (it needs a key)."),
        setting!("serving.compute_threads", serving.compute_threads, "Threads that run models, all models together. Default: the cores."),
        setting!("serving.max_in_flight", serving.max_in_flight, "Most predictions admitted at once; more are refused with 503."),
        setting!("serving.max_batch", serving.max_batch, "Most rows of several requests that are run together. A model can set its own."),
        setting!(
            "serving.max_queue_delay",
            serving.max_queue_delay,
            "How long a request may wait for others to join it. A model can set its own."
        ),
        setting!("serving.queue_length", serving.queue_length, "Most waiting interactive requests of a version. A model can set its own."),
        setting!(
            "serving.background_queue_length",
            serving.background_queue_length,
            "Most waiting background requests of a version. A model can set its own."
        ),
        setting!("serving.workers", serving.workers, "Most runs of one version side by side. A model can set its own. Default: the cores."),
        setting!(
            "serving.inline_below",
            serving.inline_below,
            "Models whose single run was measured below this at their proof run on the I/O threads."
        ),
        setting!("serving.stall_after", serving.stall_after, "A version with waiting work and no progress for this long counts as stalled."),
        setting!("serving.drain_timeout", serving.drain_timeout, "Longest wait for the requests of a replaced version before it is unloaded."),
        setting!("serving.max_loaded_versions", serving.max_loaded_versions, "Most versions in memory at once."),
        setting!("uploads.max_file_bytes", uploads.max_file_bytes, "Most bytes of one pushed file."),
        setting!("uploads.max_package_bytes", uploads.max_package_bytes, "Most bytes of one pushed package."),
        setting!("uploads.max_files", uploads.max_files, "Most files of one pushed package."),
        setting!("proof.timeout", proof.timeout, "Longest time that the proof of a pushed model may take."),
        setting!("proof.max_memory_bytes", proof.max_memory_bytes, "Most memory (address space) of the child that proves a model."),
        setting!("proof.engine", proof.engine, "`onnxruntime` or `rten`: the engine to try first. Default: ONNX Runtime where it is installed."),
        setting!("log.filter", log.filter, "What is logged, such as `info` or `yard_serving=debug,info`."),
        setting!("log.json", log.json, "Whether the log is one JSON object a line."),
    ]
});

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("MODELYARD_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// `docs/configuration.md`, made from the table.
pub(crate) fn reference_page() -> String {
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
            "server.io_threads" | "serving.compute_threads" | "serving.workers" => "by cores".to_owned(),
            _ => format!("`{}`", (setting.show)(&defaults)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | `{}` | {} | {} |", setting.key, setting.variable(), default, setting.help);
    }
    page
}
