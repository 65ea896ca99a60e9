//! What `cargo metadata` tells, cut down to what the rules ask for.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::places::checkout;

#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Our own crates.
    pub(super) crates: Vec<OwnCrate>,
    /// Everybody else's, for every platform.
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
        } else {
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
