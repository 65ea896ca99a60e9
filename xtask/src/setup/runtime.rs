//! ONNX Runtime's shared library, put where `modelyard engine install` puts it: the product finds it there, and so do
//! the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use super::digest;
use crate::process;

const FILE_NAME: &str = "libonnxruntime.so";

/// The library out of the environment's onnxruntime package, below `home` by its digest.
pub(super) fn library(home: &Path, python: &Path) -> Result<PathBuf> {
    let packaged = packaged_library(python)?;
    let engines = home.join("engines/onnxruntime");
    if let Some(known) = known_copy(&engines, &packaged)? {
        return Ok(known);
    }
    let target = engines.join(digest::of_file(&packaged)?).join(FILE_NAME);
    if !target.exists() {
        install(&packaged, &target)?;
    }
    Ok(target)
}

fn packaged_library(python: &Path) -> Result<PathBuf> {
    // Without importing the package, which takes a second.
    let script = "import importlib.util, os; \
                  print(os.path.dirname(importlib.util.find_spec('onnxruntime').origin))";
    let package = process::capture(Command::new(python).args(["-c", script]))?;
    let capi = Path::new(package.trim()).join("capi");
    for entry in fs::read_dir(&capi)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("libonnxruntime.so.") {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("{} holds no libonnxruntime.so", capi.display())
}

/// Hashing 29 MB in an unoptimised build takes longer than all the rest of a set-up that has nothing to do, so a copy
/// that was made from this very file (same size and time) is taken as it is.
fn known_copy(engines: &Path, packaged: &Path) -> Result<Option<PathBuf>> {
    let original = fs::metadata(packaged)?;
    if !engines.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(engines)? {
        let copy = entry?.path().join(FILE_NAME);
        if let Ok(metadata) = fs::metadata(&copy)
            && metadata.len() == original.len()
            && metadata.modified()? == original.modified()?
        {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

fn install(packaged: &Path, target: &Path) -> Result<()> {
    eprintln!("putting ONNX Runtime at {}", target.display());
    let folder = target.parent().context("the library lies in a folder")?;
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!("unfinished-{}", std::process::id()));
    fs::copy(packaged, &unfinished)?;
    let copy = fs::OpenOptions::new().write(true).open(&unfinished)?;
    copy.file().set_modified(fs::metadata(packaged)?.modified()?)?;
    copy.sync_all()?;
    fs::rename(&unfinished, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_copy_is_known_again_until_the_original_changes() {
        let place = tempfile::tempdir().unwrap();
        let packaged = place.path().join("libonnxruntime.so.1");
        let engines = place.path().join("engines");
        fs::write(&packaged, "library").unwrap();
        assert_eq!(known_copy(&engines, &packaged).unwrap(), None);

        let target = engines.join("digest").join(FILE_NAME);
        install(&packaged, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"library");
        assert_eq!(known_copy(&engines, &packaged).unwrap(), Some(target));

        fs::write(&packaged, "another library").unwrap();
        assert_eq!(known_copy(&engines, &packaged).unwrap(), None);
    }
}
