//! What a measurement needs: release builds, the peers' Python packages, Triton's server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::{
    places,
    process::{self, cargo},
    setup::{self, TestSupport},
};

/// Everything there, with absolute paths.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) support: TestSupport,
    /// The interpreter with the peers' packages.
    pub(super) python: PathBuf,
    /// Triton as unpacked from its wheel; `None` where the wheel is not for this machine.
    pub(super) triton: Option<PathBuf>,
    pub(super) modelyard: PathBuf,
    pub(super) bare: PathBuf,
    pub(super) load: PathBuf,
}

pub(super) fn prepare(support: &TestSupport) -> Result<Environment> {
    let cache = places::cache()?;
    let python = setup::python_environment(&cache, "python/requirements-bench.txt")?;
    let triton = match triton(&cache, &python) {
        Ok(folder) => Some(folder),
        Err(error) => {
            eprintln!("Triton is not measured: {error:#}");
            None
        }
    };
    process::run(cargo().args(["build", "--release", "--package", "modelyard", "--package", "yard-bench"]))?;
    let release = target_folder()?.join("release");
    Ok(Environment {
        support: support.clone(),
        python,
        triton,
        modelyard: release.join("modelyard"),
        bare: release.join("bare-axum"),
        load: release.join("load"),
    })
}

fn target_folder() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(places::checkout()).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Unpacks the wheel, and puts the backend's interpreter beside the backend, where Triton looks for it.
fn triton(cache: &Path, python: &Path) -> Result<PathBuf> {
    let folder = cache.join("triton-2.51");
    if folder.exists() {
        return Ok(folder);
    }
    setup::build_folder(&folder, |unfinished| {
        let wheels = unfinished.join("wheels");
        fs::create_dir(&wheels)?;
        let requirements = places::checkout().join("python/requirements-triton.txt");
        setup::download_packages(python, &requirements, &wheels)?;
        let wheel = fs::read_dir(&wheels)?.next().context("pip downloaded nothing")??.path();
        process::run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(unfinished))?;
        fs::remove_dir_all(&wheels)?;
        let version = "import sys; print('%d.%d' % sys.version_info[:2])";
        let version = process::capture(Command::new(python).args(["-c", version]))?;
        let server = unfinished.join("pytriton/tritonserver");
        let name = "triton_python_backend_stub";
        let stub = server.join("python_backend_stubs").join(version.trim()).join(name);
        let placed = server.join("backends/python").join(name);
        fs::copy(&stub, &placed).context("Triton's wheel has no backend for this Python")?;
        for program in [placed, server.join("bin/tritonserver")] {
            process::run(Command::new("chmod").arg("+x").arg(program))?;
        }
        Ok(())
    })?;
    Ok(folder)
}
