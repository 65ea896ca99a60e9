//! What a measurement needs: release builds, the peers' Python packages, Triton's server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use super::tools::Tools;
use crate::places;
use crate::process::{self, cargo};
use crate::setup::{self, TestSupport};

/// Everything there, with absolute paths.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) support: TestSupport,
    /// The interpreter with the peers' packages.
    pub(super) python: PathBuf,
    /// Triton as unpacked from its wheel, or why it is not there.
    pub(super) triton: Result<Triton, String>,
    pub(super) modelyard: PathBuf,
    pub(super) bare_axum: PathBuf,
    pub(super) tools: Tools,
    /// Threads that talk to clients, as Modelyard's default has it.
    pub(super) io_threads: usize,
    /// Threads that run models, as Modelyard's default has it.
    pub(super) compute_threads: usize,
}

/// Triton's server and what it needs from Python.
#[derive(Debug, Clone)]
pub(super) struct Triton {
    /// Holds `bin` and `backends`.
    pub(super) server: PathBuf,
    /// Where the interpreter's shared library lies, which the backend is linked with.
    pub(super) libraries: PathBuf,
    /// The peers' packages: the backend ignores `PYTHONPATH`.
    pub(super) packages: PathBuf,
}

pub(super) fn prepare() -> Result<Environment> {
    let support = setup::set_up()?;
    let (python, triton) = setup::with_cache(|cache| {
        let python = setup::python_environment(cache, "python/requirements-bench.txt")?;
        let triton = triton(cache, &python).map_err(|error| format!("{error:#}"));
        Ok((python, triton))
    })?;
    process::run(cargo().args(["build", "--release", "--package", "modelyard", "--package", "yard-bench"]))?;
    let release = target_folder()?.join("release");
    let cores = std::thread::available_parallelism()?.get();
    Ok(Environment {
        support,
        python,
        triton,
        modelyard: release.join("modelyard"),
        bare_axum: release.join("bare-axum"),
        tools: Tools { ask: release.join("ask"), load: release.join("load") },
        io_threads: (cores / 2).max(1),
        compute_threads: cores,
    })
}

/// Names and versions of all that takes part.
pub(super) fn versions(environment: &Environment) -> Result<Vec<(String, String)>> {
    let python = |interpreter: &Path, script: &str| {
        process::capture(Command::new(interpreter).args(["-c", script])).map(|text| text.trim().to_owned())
    };
    let package = |interpreter: &Path, name: &str| {
        python(interpreter, &format!("import importlib.metadata as m; print(m.version('{name}'))"))
    };
    let mut versions = vec![
        ("Modelyard".to_owned(), revision()?),
        ("rustc".to_owned(), rustc()?),
        ("ONNX Runtime in Modelyard".to_owned(), package(&environment.support.python, "onnxruntime")?),
        (
            "Python of the peers".to_owned(),
            python(&environment.python, "import platform; print(platform.python_version())")?,
        ),
    ];
    for (shown, name) in [
        ("ONNX Runtime of the peers", "onnxruntime"),
        ("FastAPI", "fastapi"),
        ("uvicorn", "uvicorn"),
        ("pydantic", "pydantic"),
        ("numpy of the peers", "numpy"),
    ] {
        versions.push((shown.to_owned(), package(&environment.python, name)?));
    }
    Ok(versions)
}

pub(super) fn revision() -> Result<String> {
    let git = |arguments: &[&str]| {
        process::capture(Command::new("git").current_dir(places::checkout()).args(arguments))
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", "crates", "Cargo.lock", "Cargo.toml", "bench/src"])?;
    let remark = if changed.is_empty() { "" } else { " and changes that are not committed" };
    Ok(format!("commit {}{remark}", commit.trim()))
}

pub(super) fn rustc() -> Result<String> {
    let told = process::capture(Command::new("rustc").current_dir(places::checkout()).arg("--version"))?;
    Ok(told.trim().trim_start_matches("rustc ").to_owned())
}

pub(super) fn target_folder() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(places::checkout()).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Unpacks the wheel, and puts the backend's interpreter beside the backend, where Triton looks for it.
fn triton(cache: &Path, python: &Path) -> Result<Triton> {
    let requirements = places::checkout().join("python/requirements-triton.txt");
    let script = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2]); \
                  print(sysconfig.get_config_var('LIBDIR')); print(sysconfig.get_path('purelib'))";
    let told = process::capture(Command::new(python).args(["-c", script]))?;
    let mut lines = told.lines();
    let mut line = || lines.next().context("python3 does not tell about itself");
    let (version, libraries, packages) = (line()?.to_owned(), line()?.into(), line()?.into());
    let mut hasher = setup::Hasher::default();
    hasher.add(version.as_bytes());
    hasher.add(&fs::read(&requirements)?);
    let folder = cache.join("triton").join(&hasher.finish()[..16]);
    if !folder.exists() {
        eprintln!("fetching Triton (55 MB to download, once)");
        setup::build_folder(&folder, |unfinished| unpack(python, &requirements, &version, unfinished))?;
    }
    Ok(Triton { server: folder.join("pytriton/tritonserver"), libraries, packages })
}

fn unpack(python: &Path, requirements: &Path, version: &str, folder: &Path) -> Result<()> {
    let wheels = folder.join("wheels");
    fs::create_dir(&wheels)?;
    setup::download_packages(python, requirements, &wheels)?;
    let wheel = fs::read_dir(&wheels)?.next().context("pip downloaded nothing")??.path();
    process::run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
    fs::remove_dir_all(&wheels)?;
    let server = folder.join("pytriton/tritonserver");
    let name = "triton_python_backend_stub";
    let stub = server.join("python_backend_stubs").join(version).join(name);
    let placed = server.join("backends/python").join(name);
    fs::copy(&stub, &placed)
        .with_context(|| format!("Triton's wheel has no backend for Python {version}"))?;
    process::run(Command::new("chmod").arg("+x").arg(placed).arg(server.join("bin/tritonserver")))
}
