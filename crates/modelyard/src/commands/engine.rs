//! `engine`: which runtimes are there, and how ONNX Runtime gets there.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    cli::GlobalArgs,
    engines::{LibraryOrigin, find_onnxruntime, install, pins},
    output::{Output, Table},
};

/// List and install the engines that run models
#[derive(Debug, clap::Args)]
pub(crate) struct EngineArgs {
    #[command(subcommand)]
    command: EngineCommand,
}

#[derive(Debug, Subcommand)]
enum EngineCommand {
    List(ListArgs),
    Install(InstallArgs),
}

/// List the engines on this machine, the preferred one first
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The ONNX Runtime library that a server would be told to load
    #[arg(long, value_name = "FILE", env = "ORT_DYLIB_PATH")]
    onnxruntime: Option<PathBuf>,
}

/// Fetch ONNX Runtime with this machine's pip, pinned by its hash, into the per-user folder
///
/// Needs python3 with pip and a network or a package mirror; installs nothing into Python. Without it everything goes
/// on with RTen, the embedded engine, which runs plain numeric ONNX models.
#[derive(Debug, clap::Args)]
struct InstallArgs {
    /// The Python to fetch it with
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
}

#[derive(Serialize)]
struct EngineList {
    engines: Vec<EngineEntry>,
}

#[derive(Serialize)]
struct EngineEntry {
    name: &'static str,
    present: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    remark: String,
}

#[derive(Serialize)]
struct InstallReport {
    name: &'static str,
    version: &'static str,
    library: PathBuf,
    digest: String,
    fetched: bool,
}

pub(crate) fn run(args: &EngineArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    match &args.command {
        EngineCommand::List(args) => list(args, global, output),
        EngineCommand::Install(args) => install_onnxruntime(args, global, output),
    }
}

fn list(args: &ListArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    let list = EngineList { engines: all(args, global) };
    output.data(&list, || {
        let mut table = Table::new(&["ENGINE", "PRESENT", "VERSION", "WHERE", "REMARK"]);
        for engine in &list.engines {
            let place =
                engine.library.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
            let present = if engine.present { "yes" } else { "no" };
            let version = engine.version.as_deref().unwrap_or("-");
            table.row([engine.name, present, version, &place, &engine.remark]);
        }
        table.render()
    })
}

/// ONNX Runtime is loaded to ask for its version; that is also the proof that it can be.
fn all(args: &ListArgs, global: &GlobalArgs) -> Vec<EngineEntry> {
    let found = find_onnxruntime(args.onnxruntime.as_deref(), global.home.path().as_deref());
    let library = found.as_ref().map(|found| found.path.as_path());
    let (engines, failure) = yard_engine_onnx::engines_available(library);
    let mut entries = Vec::new();
    for engine in engines {
        let info = engine.info();
        let mut entry = EngineEntry {
            name: info.name,
            present: true,
            version: Some(info.version),
            library: None,
            digest: None,
            remark: "built in; runs plain numeric ONNX models".to_owned(),
        };
        if let ("onnxruntime", Some(found)) = (info.name, &found) {
            entry.library = Some(found.path.clone());
            entry.remark = remark(found.origin).to_owned();
            if let LibraryOrigin::Installed(digest) = found.origin {
                entry.digest = Some(digest.to_string());
            }
        }
        entries.push(entry);
    }
    if entries.iter().all(|entry| entry.name != "onnxruntime") {
        let remark = match failure {
            Some(error) => format!("{:#}", anyhow::Error::from(error)),
            None => "`modelyard engine install` fetches it".to_owned(),
        };
        let library = found.map(|found| found.path);
        let absent =
            EngineEntry { name: "onnxruntime", present: false, version: None, library, digest: None, remark };
        entries.insert(0, absent);
    }
    entries
}

fn remark(origin: LibraryOrigin) -> &'static str {
    match origin {
        LibraryOrigin::Named => "named by --onnxruntime or ORT_DYLIB_PATH",
        LibraryOrigin::Installed(digest) => {
            let digest = digest.to_string();
            if pins::PINS.iter().any(|pin| pin.library == digest) {
                "installed, pinned by hash"
            } else {
                "installed, not the pinned one"
            }
        }
    }
}

fn install_onnxruntime(args: &InstallArgs, global: &GlobalArgs, output: Output) -> Result<()> {
    output.talk(format!("looking for ONNX Runtime {}", pins::VERSION));
    let installed = install::install(global.home.path().as_deref(), &args.python)
        .context("ONNX Runtime is not installed; everything goes on with the embedded engine, RTen")?;
    output.talk(if installed.fetched { "fetched, checked and installed" } else { "it is there already" });
    let report = InstallReport {
        name: "onnxruntime",
        version: pins::VERSION,
        library: installed.library,
        digest: installed.digest.to_string(),
        fetched: installed.fetched,
    };
    output.data(&report, || report.library.display().to_string())
}
