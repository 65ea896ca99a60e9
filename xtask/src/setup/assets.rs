//! The test models with their reference outputs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::{build_folder, digest, models};
use crate::places::checkout;
use crate::process;

/// The folder of the assets that belong to the scripts as they are now; `assets/current` is made to point at it.
pub(super) fn assets(cache: &Path, python: &Path) -> Result<PathBuf> {
    let all = cache.join("assets");
    let hash = recipe_hash()?;
    let folder = all.join(&hash);
    if !folder.exists() {
        make(&folder, python)?;
    }
    point(&all.join("current"), &hash)?;
    Ok(folder)
}

fn make(folder: &Path, python: &Path) -> Result<()> {
    eprintln!("making the test models and reference outputs (about 290 MB to download, once)");
    build_folder(folder, |unfinished| {
        let scratch = unfinished.join("scratch");
        let downloaded = scratch.join("models");
        models::fetch(python, &scratch, &downloaded)?;
        process::run(
            Command::new(python)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .arg(checkout().join("python/make_assets.py"))
                .arg("--downloaded")
                .arg(&downloaded)
                .arg("--out")
                .arg(unfinished),
        )?;
        fs::remove_dir_all(&scratch)?;
        Ok(())
    })
}

/// Everything that the assets are made from.
fn recipe_hash() -> Result<String> {
    let python = checkout().join("python");
    let mut files = vec![
        python.join("make_assets.py"),
        python.join("requirements-test.txt"),
        python.join("requirements-models.txt"),
    ];
    let digits = checkout().join("data/digits");
    files.extend([digits.join("train.csv"), digits.join("held_out.csv")]);
    for entry in fs::read_dir(python.join("asset_models"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            files.push(path);
        }
    }
    files.sort();
    let mut hasher = digest::Hasher::default();
    for file in files {
        hasher.add(file.file_name().context("a listed file has a name")?.as_encoded_bytes());
        hasher.add(&fs::read(&file)?);
    }
    for model in &models::MODEL_FILES {
        hasher.add(model.sha256.as_bytes());
    }
    Ok(hasher.finish()[..16].to_owned())
}

/// Moves a symbolic link in one step, so that a test never finds it missing.
pub(super) fn point(link: &Path, target: &str) -> Result<()> {
    if fs::read_link(link).is_ok_and(|now| now == Path::new(target)) {
        return Ok(());
    }
    let next = link.with_file_name("unfinished-current");
    if next.is_symlink() {
        fs::remove_file(&next)?;
    }
    symlink(target, &next)?;
    fs::rename(&next, link)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_follows_the_newest_folder() {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("current");
        for target in ["first", "second", "second"] {
            point(&link, target).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
    }
}
