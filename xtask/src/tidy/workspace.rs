//! What `cargo metadata` tells, cut down to what the rules ask for.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::{
    places::checkout,
    process::{capture, cargo},
};

/// The platform that is shipped and that the rules are about.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Our own crates.
    pub(super) crates: Vec<OwnCrate>,
    /// Everybody else's, as far as they are built on [`PLATFORM`], for tests too.
    pub(super) packages: Vec<Package>,
}

#[derive(Debug)]
pub(super) struct OwnCrate {
    pub(super) name: String,
    /// What it depends on directly, ours and others', for building and running. Tests may know more.
    pub(super) dependencies: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// The licence expression of its manifest.
    pub(super) licence: Option<String>,
    pub(super) from_default_registry: bool,
}

pub(super) fn read() -> Result<Workspace> {
    let metadata = MetadataCommand::new()
        .manifest_path(checkout().join("Cargo.toml"))
        .exec()
        .context("cannot read the workspace with cargo metadata")?;
    let built = built()?;
    let mut workspace = Workspace::default();
    for package in &metadata.packages {
        let name = package.name.to_string();
        if metadata.workspace_members.contains(&package.id) {
            let for_tests_only = |kind| kind == DependencyKind::Development;
            let used = package.dependencies.iter().filter(|dependency| !for_tests_only(dependency.kind));
            workspace.crates.push(OwnCrate {
                name,
                dependencies: used.map(|dependency| dependency.name.clone()).collect(),
            });
        } else if built.contains(&(name.clone(), package.version.to_string())) {
            workspace.packages.push(Package {
                name,
                version: package.version.to_string(),
                licence: package.license.clone(),
                from_default_registry: package.source.as_ref().is_some_and(|source| source.is_crates_io()),
            });
        }
    }
    Ok(workspace)
}

/// Names and versions of all packages that are compiled.
///
/// `cargo metadata` lists more: a weak feature (`burn-cuda?/std`) pulls a package into it, and into the lock file,
/// that no feature of ours turns on. `cargo tree` knows the features.
fn built() -> Result<BTreeSet<(String, String)>> {
    let tree = capture(cargo().args([
        "tree",
        "--workspace",
        "--edges=normal,build,dev",
        "--prefix=none",
        "--format={p}",
        "--target",
        PLATFORM,
    ]))?;
    Ok(tree.lines().filter_map(name_and_version).collect())
}

/// From `name v1.2.3`, with what may come after it.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_from_the_tree() {
        let check = |line, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(name_and_version(line), expected, "{line}");
        };
        check("serde v1.0.229", Some(("serde", "1.0.229")));
        check("toml v1.2.1+spec-1.1.0 (*)", Some(("toml", "1.2.1+spec-1.1.0")));
        check("darling_macro v0.21.3 (proc-macro)", Some(("darling_macro", "0.21.3")));
        check("", None);
    }
}
