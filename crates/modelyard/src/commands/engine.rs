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
    embedded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    remark: &'static str,
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
    let list = EngineList { engines: vec![onnxruntime(args, global), rten()] };
    output.data(&list, || {
        let mut table = Table::new(&["ENGINE", "PRESENT", "VERSION", "WHERE", "REMARK"]);
        for engine in &list.engines {
            let place = match (&engine.library, engine.embedded) {
                (Some(library), _) => library.display().to_string(),
                (None, true) => "built in".to_owned(),
                (None, false) => "-".to_owned(),
            };
            let present = if engine.present { "yes" } else { "no" };
            table.row([engine.name, present, engine.version.unwrap_or("-"), &place, engine.remark]);
        }
        table.render()
    })
}

fn onnxruntime(args: &ListArgs, global: &GlobalArgs) -> EngineEntry {
    let found = find_onnxruntime(args.onnxruntime.as_deref(), global.home.path().as_deref());
    let mut entry = EngineEntry {
        name: "onnxruntime",
        present: false,
        embedded: false,
        version: None,
        library: None,
        digest: None,
        remark: "`modelyard engine install` fetches it",
    };
    let Some(found) = found else { return entry };
    entry.present = found.path.is_file();
    match found.origin {
        LibraryOrigin::Named if entry.present => entry.remark = "named by --onnxruntime or ORT_DYLIB_PATH",
        LibraryOrigin::Named => {
            entry.remark = "named by --onnxruntime or ORT_DYLIB_PATH, but there is no such file"
        }
        LibraryOrigin::Installed(digest) => {
            let digest = digest.to_string();
            let pin = pins::PINS.iter().find(|pin| pin.library == digest);
            entry.version = pin.map(|_| pins::VERSION);
            entry.remark =
                if pin.is_some() { "installed, pinned by hash" } else { "installed, not the pinned one" };
            entry.digest = Some(digest);
        }
    }
    entry.library = Some(found.path);
    entry
}

const fn rten() -> EngineEntry {
    EngineEntry {
        name: "rten",
        present: true,
        embedded: true,
        version: None,
        library: None,
        digest: None,
        remark: "runs plain numeric ONNX models",
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
