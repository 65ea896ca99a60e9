//! What the tests need beside the Rust code, kept in the per-user cache by the hash of what it was made from, so that
//! a changed pin makes a new one and an unchanged one costs nothing.

mod assets;
mod data_sets;
mod digest;
mod models;
mod python;
mod runtime;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

pub(crate) use self::data_sets::{Package as NpmPackage, fetch as fetch_npm_package};
pub(crate) use self::digest::{Hasher, of_file as digest_of_file};
pub(crate) use self::python::{
    download as download_packages, download_sources, environment as python_environment,
};
use crate::places;

/// All that was set up. Every path is absolute.
#[derive(Debug, Clone)]
pub(crate) struct TestSupport {
    /// The interpreter of the environment with the pinned packages.
    pub(crate) python: PathBuf,
    /// Models with samples; the layout is described in `python/make_assets.py`.
    pub(crate) assets: PathBuf,
    /// ONNX Runtime's shared library, where the product looks for it.
    pub(crate) runtime: PathBuf,
    /// Data sets that come through npm; the layout is described in `python/make_data_sets.py`. Where there is no npm,
    /// what to do about it.
    pub(crate) data_sets: Result<PathBuf, &'static str>,
}

impl TestSupport {
    /// SmolLM2-135M-Instruct in Q4_1, as a GGUF file.
    pub(crate) fn language_model(&self) -> PathBuf {
        self.assets.join("language").join(models::LANGUAGE_MODEL)
    }

    /// Tells a test process where everything is.
    pub(crate) fn describe_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match &self.data_sets {
            Ok(folder) => command.env("MODELYARD_TEST_DATA_SETS", folder),
            Err(reason) => command.env("MODELYARD_TEST_NO_DATA_SETS", reason),
        };
        command
            .env("MODELYARD_TEST_ASSETS", &self.assets)
            .env("MODELYARD_TEST_PYTHON", &self.python)
            .env("ORT_DYLIB_PATH", &self.runtime)
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }
}

/// Makes what is missing. Safe to run twice at once: the second run waits for the first.
pub(crate) fn set_up() -> Result<TestSupport> {
    with_cache(|cache| {
        let python = python::environment(cache, python::FOR_TESTS)?;
        let assets = assets::assets(cache, &python)?;
        let runtime = runtime::library(&places::home()?, &python)?;
        let data_sets = data_sets::data_sets(cache, &python)?;
        eprintln!("python   {}", python.display());
        eprintln!("assets   {}", assets.display());
        eprintln!("runtime  {}", runtime.display());
        match &data_sets {
            Ok(folder) => eprintln!("data     {}", folder.display()),
            Err(reason) => eprintln!("data     none: {reason}"),
        }
        Ok(TestSupport { python, assets, runtime, data_sets })
    })
}

/// Works on the per-user cache while nobody else does.
pub(crate) fn with_cache<T>(work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let cache = places::cache()?;
    fs::create_dir_all(&cache)?;
    let _lock = lock(&cache.join("setup.lock"))?;
    work(&cache)
}

/// The lock goes with the file handle, also when this process is killed.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("another set-up is running; waiting for it");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// Fills a folder so that it is there whole or not at all: built under another name, then renamed.
pub(crate) fn build_folder(target: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = target.parent().context("a folder to build has a parent")?;
    let name = target.file_name().context("a folder to build has a name")?;
    fs::create_dir_all(parent)?;
    let prefix = format!("unfinished-{}-", name.to_string_lossy());
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // Left by a run that was interrupted: we hold the lock. A program that it started may still write there,
            // which is why the name tells one run from the next.
            fs::remove_dir_all(entry.path())?;
        }
    }
    let unfinished = parent.join(format!("{prefix}{}", std::process::id()));
    fs::create_dir(&unfinished)?;
    build(&unfinished)?;
    fs::rename(&unfinished, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_fails_leaves_no_folder_behind_and_the_next_one_starts_anew() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("deep/thing");
        let failed = build_folder(&target, |folder| {
            fs::write(folder.join("half"), "x")?;
            anyhow::bail!("interrupted")
        });
        assert!(failed.is_err());
        assert!(!target.exists());

        build_folder(&target, |folder| Ok(fs::write(folder.join("whole"), "x")?)).unwrap();
        assert!(target.join("whole").exists());
        assert!(!target.join("half").exists());
    }

    #[test]
    fn the_lock_keeps_a_second_holder_out_until_it_is_dropped() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let held = lock(&path).unwrap();
        let second = File::create(&path).unwrap();
        assert!(second.try_lock().is_err());
        drop(held);
        second.try_lock().unwrap();
    }
}
