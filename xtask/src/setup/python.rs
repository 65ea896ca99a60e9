//! The Python environment with the pinned packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use fs_err as fs;

use super::{build_folder, digest};
use crate::places::checkout;
use crate::process;

pub(crate) const FOR_TESTS: &str = "python/requirements-test.txt";
/// The pinned packages have wheels from this version on.
const OLDEST: (u32, u32) = (3, 11);

/// The interpreter of the environment with the packages of a requirement file of the checkout; the environment is made
/// when it is not there yet.
pub(crate) fn environment(cache: &Path, requirement_file: &str) -> Result<PathBuf> {
    let identity = interpreter_identity()?;
    let requirement_file = checkout().join(requirement_file);
    let requirements = fs::read(&requirement_file)?;
    let mut hasher = digest::Hasher::default();
    hasher.add(identity.as_bytes());
    hasher.add(&requirements);
    let folder = cache.join("venv").join(&hasher.finish()[..16]);
    let python = folder.join("bin/python");
    if !folder.exists() {
        make(&folder, &requirement_file)?;
    }
    Ok(python)
}

fn make(folder: &Path, requirement_file: &Path) -> Result<()> {
    if !process::works(python3().args(["-m", "pip", "--version"]))? {
        bail!(
            "python3 has no pip. Install it with your system's packages (Debian and Ubuntu: apt-get install \
             python3-pip; Fedora: dnf install python3-pip) or with: python3 -m ensurepip --user"
        );
    }
    let shown = requirement_file.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("making the Python environment of {shown} (up to 150 MB to download, once)");
    build_folder(folder, |unfinished| {
        // Without pip of its own: Debian keeps what that needs in another package, and the machine's pip serves as well.
        process::run(python3().args(["-m", "venv", "--without-pip"]).arg(unfinished))?;
        process::run(
            pip(&unfinished.join("bin/python"))
                .args(["install", "--quiet", "--only-binary", ":all:", "--requirement"])
                .arg(requirement_file),
        )
    })
}

/// Downloads the pinned packages of a requirement file with hashes, without what they depend on.
pub(crate) fn download(python: &Path, requirements: &Path, into: &Path) -> Result<()> {
    fetch(python, &["--only-binary", ":all:"], requirements, into)
}

/// As [`download`], for packages of sources. To be sure what they are called, pip runs their own description, with the
/// pinned tools of the environment.
pub(crate) fn download_sources(python: &Path, requirements: &Path, into: &Path) -> Result<()> {
    fetch(python, &["--no-binary", ":all:", "--no-build-isolation"], requirements, into)
}

fn fetch(python: &Path, which: &[&str], requirements: &Path, into: &Path) -> Result<()> {
    let mut command = pip(python);
    command.args(["download", "--quiet", "--no-deps", "--require-hashes"]).args(which);
    process::run(command.arg("--dest").arg(into).arg("--requirement").arg(requirements))
}

/// The machine's pip at work in the environment of `python`.
fn pip(python: &Path) -> Command {
    let mut command = python3();
    command.args(["-m", "pip", "--python"]).arg(python);
    command.args(["--disable-pip-version-check", "--no-input"]);
    command
}

fn python3() -> Command {
    let mut command = Command::new("python3");
    command.stdin(std::process::Stdio::null());
    // A setting of the person's own must not move packages to another place.
    for variable in
        ["PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"]
    {
        command.env_remove(variable);
    }
    command
}

/// An environment belongs to the interpreter that made it, so both stand in its name.
fn interpreter_identity() -> Result<String> {
    let script = "import sys; print(*sys.version_info[:2], sys.version, sys.base_prefix)";
    if !process::works(python3().arg("--version"))? {
        bail!(
            "python3 is not there. Install Python {}.{} or newer with pip (Debian and Ubuntu: apt-get install \
             python3 python3-pip)",
            OLDEST.0,
            OLDEST.1
        );
    }
    let identity = process::capture(python3().args(["-c", script]))?;
    let mut words = identity.split_whitespace().map(str::parse::<u32>);
    match (words.next(), words.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(identity),
        _ => bail!("the tests need python3 {}.{} or newer; this is {identity}", OLDEST.0, OLDEST.1),
    }
}
