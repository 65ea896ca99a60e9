//! `doctor`: what is wrong here, and how to mend it.

mod checks;
mod finding;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use self::finding::{Finding, Verdict};
use crate::{
    cli::GlobalArgs,
    connection,
    output::{Output, counted},
    settings::{self, Settings, Sources},
};

/// Check the data directory, engines, ports, limits and the server; say what to mend
///
/// Ends with status 1 when something must be mended. Changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// File with the server's settings [default: modelyard.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The ONNX Runtime library that the server is told to load
    #[arg(long, value_name = "FILE", env = "ORT_DYLIB_PATH")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Serialize)]
struct DoctorReport {
    healthy: bool,
    findings: Vec<Finding>,
}

/// Something must be mended.
#[derive(Debug, thiserror::Error)]
#[error("{0} to mend")]
struct Unhealthy(String);

pub(crate) fn run(args: &DoctorArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let findings = runtime.block_on(examine(args, global));
    let broken = findings.iter().filter(|finding| finding.verdict == Verdict::Mend).count();
    let report = DoctorReport { healthy: broken == 0, findings };
    output.data(&report, || finding::render(&report.findings))?;
    if broken > 0 {
        return Err(Unhealthy(counted(broken as u64, "thing", "things")).into());
    }
    Ok(())
}

async fn examine(args: &DoctorArgs, global: &GlobalArgs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let settings = checks::settings(args.config.as_deref(), &mut findings);
    let data_dir = match global.data_dir_given() {
        Some(named) => named.to_owned(),
        None => settings.data_dir.clone(),
    };
    findings.push(checks::data_directory(&data_dir));
    findings.push(checks::admin_key(&data_dir));
    findings.push(checks::disk_space(&data_dir));
    findings.extend(checks::engines(args.onnxruntime.as_deref(), global.home.path().as_deref()));
    findings.push(checks::open_files(settings.server.http.max_connections));

    let (server, answers) = checks::server(connection::client(global)).await;
    findings.extend(server);
    findings.push(checks::port("REST", settings.server.http_address, answers));
    if let Some(address) = settings.server.grpc_address {
        findings.push(checks::port("gRPC", address, answers));
    }
    findings
}

/// The settings that `serve` would use, without its flags.
fn load_settings(config: Option<&std::path::Path>) -> Result<Settings, String> {
    let sources =
        Sources { file: config.map(PathBuf::from), variables: settings::environment(), flags: Vec::new() };
    settings::load(&sources).map(|(settings, _)| settings).map_err(|error| error.to_string())
}
