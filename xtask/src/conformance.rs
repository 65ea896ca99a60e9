//! Real clients against the built server: the scripts in `python/conformance`.
//!
//! A script gets `MODELYARD_BIN` and the variables of [`TestSupport::describe_to`], ends with a line
//! `N passed, N failed` and exits 0 only when all passed. Files that start with `_` are shared by the others.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use fs_err as fs;

use crate::places::checkout;
use crate::setup::{self, TestSupport};
use crate::tally::{self, Tally};
use crate::{checks, product};

/// A script that hangs must not hold up the rest for ever. GNU and BusyBox both have this command.
const TIME_LIMIT_SECONDS: &str = "900";

/// `cargo xtask conformance`.
pub(crate) fn alone(filter: Option<&str>) -> Result<ExitCode> {
    let support = setup::set_up()?;
    let tally = run(&support, filter)?;
    match tally.complaint() {
        Some(complaint) => bail!("conformance: {complaint}"),
        None => {
            eprintln!("conformance: {} passed", tally.passed);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs every script whose name contains the filter. One that fails does not keep the others from running.
pub(crate) fn run(support: &TestSupport, filter: Option<&str>) -> Result<Tally> {
    let folder = checkout().join("python/conformance");
    let scripts = scripts(&folder, filter)?;
    if scripts.is_empty() {
        bail!("no conformance script in {} is named so", folder.display());
    }
    let binary = product::build_as_tested()?;
    let mut total = Tally::default();
    for script in scripts {
        eprintln!("-- {}", script.file_name().unwrap_or_default().to_string_lossy());
        let mut command = Command::new("timeout");
        command.args(["-k", "10", TIME_LIMIT_SECONDS]).arg(&support.python).arg(&script);
        command.current_dir(checkout()).env("MODELYARD_BIN", &binary);
        let mut tally = checks::count(support.describe_to(&mut command), tally::of_plain_line)?;
        if tally == Tally::default() {
            eprintln!("{} ran no test", script.display());
            tally.failed = 1;
        }
        total += tally;
    }
    Ok(total)
}

fn scripts(folder: &Path, filter: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let wanted = filter.is_none_or(|filter| name.contains(filter));
        if name.ends_with(".py") && !name.starts_with('_') && wanted {
            scripts.push(path.clone());
        }
    }
    scripts.sort();
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_sorted_and_shared_modules_left_out() {
        let place = tempfile::tempdir().unwrap();
        for name in ["v2_rest.py", "_server.py", "keys.py", "notes.md"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        let names = |filter| {
            let found = scripts(place.path(), filter).unwrap();
            found
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["keys.py", "v2_rest.py"]);
        assert_eq!(names(Some("rest")), ["v2_rest.py"]);
        assert!(names(Some("absent")).is_empty());
    }
}
