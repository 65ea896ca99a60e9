//! `modelyard serve`: puts the parts together, serves until it is asked to stop, and stops in order.

mod log;
mod parts;
mod signals;
mod usage;

use std::{net::SocketAddr, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    cli::GlobalArgs,
    engines,
    settings::{self, Settings, Sources},
};

/// Serve models over REST and gRPC
///
/// Prints one line of JSON with its addresses once it is ready; the log goes to stderr. The first start makes an admin
/// key, shows it once and keeps it in DATA_DIR/admin.key, where the other commands find it. Stop it with Ctrl-C or SIGTERM: it finishes
/// the requests that it has admitted. docs/configuration.md lists every setting.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address of the REST listener; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,

    /// Address of the gRPC listener; port 0 takes a free one, `none` turns it off [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<String>,

    /// File with settings [default: modelyard.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The model that `POST /predict` serves [default: the only one]
    #[arg(long, value_name = "NAME")]
    default_model: Option<String>,

    /// Serve without keys: whoever can connect is admin. Loopback addresses only
    #[arg(long)]
    insecure_no_auth: bool,

    /// Make another admin key, show it once and keep it in DATA_DIR/admin.key; for when the first one is lost
    #[arg(long)]
    new_admin_key: bool,

    /// ONNX Runtime's library [default: where `modelyard engine install` put it]
    #[arg(long, value_name = "FILE", env = "ORT_DYLIB_PATH")]
    onnxruntime: Option<PathBuf>,

    /// Set any setting, such as `--set serving.max_batch=16`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

/// What is printed once the server is ready.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    http: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<SocketAddr>,
    data_dir: &'a str,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl ServeArgs {
    fn sources(&self, global: &GlobalArgs) -> Sources {
        let mut flags = self.set.clone();
        let mut flag = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                flags.push((key.to_owned(), value.to_owned()));
            }
        };
        flag("server.http", self.http.as_deref());
        flag("server.grpc", self.grpc.as_deref());
        flag("server.default_model", self.default_model.as_deref());
        flag("server.insecure_no_auth", self.insecure_no_auth.then_some("true"));
        flag("log.json", global.json.then_some("true"));
        Sources { file: self.config.clone(), variables: settings::environment(), flags }
    }
}

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs, global: &GlobalArgs) -> Result<()> {
    let (mut settings, warnings) = settings::load(&args.sources(global))?;
    if let Some(directory) = global.data_dir_given() {
        settings.data_dir = directory.to_owned();
    }
    log::start(&settings.log)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let library = engines::find_onnxruntime(args.onnxruntime.as_deref(), global.home.path().as_deref())
        .map(|found| found.path);
    let mut builder = match settings.io_threads.get() {
        // Nothing to share, so nothing to hand over and to lock: an eighth less processor time for each small request.
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .worker_threads(settings.io_threads.get())
        .thread_name("io")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // As a task: what the main thread drives beside worker threads has to hand every connection over to one of them.
    let new_admin_key = args.new_admin_key;
    let served = runtime.block_on(async { tokio::spawn(serve(settings, library, new_admin_key)).await });
    runtime.shutdown_background();
    served.context("the server panicked")?
}

async fn serve(settings: Settings, library: Option<PathBuf>, new_admin_key: bool) -> Result<()> {
    let mut signals = signals::Signals::listen()?;
    let starting = parts::Parts::start(settings, library, new_admin_key);
    let parts = tokio::select! {
        parts = starting => parts?,
        () = signals.next() => return Ok(()),
    };
    announce(&parts)?;
    signals.next().await;
    tracing::info!("stopping: admitted requests are finished; a second signal stops at once");
    let deadline = Instant::now() + parts.shutdown_grace();
    tokio::select! {
        () = parts.stop(deadline) => {}
        () = signals.next() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the one line that programs wait for")]
fn announce(parts: &parts::Parts) -> Result<()> {
    let data_dir = parts.data_dir().to_string_lossy();
    let ready = Ready { http: parts.http_address(), grpc: parts.grpc_address(), data_dir: &data_dir };
    println!("{}", serde_json::to_string(&ready)?);
    let grpc = ready.grpc.map_or_else(|| "none".to_owned(), |address| address.to_string());
    tracing::info!(http = %ready.http, %grpc, "ready");
    Ok(())
}
