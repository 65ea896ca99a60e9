//! House rules that no compiler checks: who may know whom, licences, sources, and how files look.
//!
//! Each rule is a function from plain data to findings, so that it can be tested with a case that breaks it.

mod files;
mod layers;
mod licences;
mod manifests;
mod workspace;

use anyhow::{Result, bail};

/// Prints everything that breaks a rule; fails when there is anything.
pub(crate) fn tidy() -> Result<()> {
    let workspace = workspace::read()?;
    let files = files::list()?;
    let mut findings = Vec::new();
    findings.extend(layers::findings(&workspace, &layers::LAYERS, &layers::OWNERS));
    findings.extend(licences::findings(&workspace));
    findings.extend(manifests::findings(&files));
    findings.extend(files::findings(&files));
    findings.extend(files::changed_lock_file()?);
    if findings.is_empty() {
        eprintln!(
            "tidy: {} crates, {} packages, {} files ({} kB in all)",
            workspace.crates.len(),
            workspace.packages.len(),
            files.len(),
            files.iter().map(|file| file.bytes.len()).sum::<usize>() / 1000
        );
        return Ok(());
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    bail!("{} findings", findings.len())
}
