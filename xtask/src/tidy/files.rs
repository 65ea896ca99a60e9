//! How files look.

use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use crate::places::checkout;
use crate::process;

const MOST_LINES: usize = 800;
/// For what is not source text: models, data, pictures, generated files.
const MOST_DATA_BYTES: usize = 1_000_000;
const SOURCE_ENDINGS: [&str; 9] = [".rs", ".py", ".toml", ".md", ".proto", ".sql", ".html", ".css", ".js"];
/// No data of anybody's: written by cargo and from the code.
const MADE_BY_TOOLS: [&str; 2] = ["Cargo.lock", "crates/yard-api/openapi.json"];
/// Pages that are made from the code: nobody can split them, and tests keep them true.
const GENERATED_PAGES: [&str; 3] = ["docs/command-line.md", "docs/configuration.md", "docs/training-spec.md"];
/// Written in two halves, so that this file does not break its own rule.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

#[derive(Debug)]
pub(super) struct File {
    /// Below the checkout.
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

impl File {
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    fn is_source(&self) -> bool {
        SOURCE_ENDINGS.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// Everything that is committed or would be.
pub(super) fn list() -> Result<Vec<File>> {
    let listed = process::capture(Command::new("git").current_dir(checkout()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0') {
        let full = checkout().join(path);
        // A file that was deleted and not yet committed so is listed too.
        if full.is_file() {
            files.push(File { path: path.to_owned(), bytes: fs::read(full)? });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    Ok(files)
}

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(of_file(file));
    }
    let data =
        || files.iter().filter(|file| !file.is_source() && !MADE_BY_TOOLS.contains(&file.path.as_str()));
    let total: usize = data().map(|file| file.bytes.len()).sum();
    if total > MOST_DATA_BYTES {
        let largest = data().max_by_key(|file| file.bytes.len()).map_or("", |file| &file.path);
        findings.push(format!(
            "the committed data files have {total} bytes, {MOST_DATA_BYTES} are allowed; the largest is {largest}"
        ));
    }
    findings
}

fn of_file(file: &File) -> Vec<String> {
    let path = &file.path;
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        findings.push(format!("{path}: a module lies in NAME.rs beside the folder NAME"));
    }
    let Some(text) = file.text() else {
        return findings;
    };
    let lines = text.lines().count();
    let is_generated = GENERATED_PAGES.contains(&path.as_str());
    if file.is_source() && !is_generated && lines > MOST_LINES {
        findings
            .push(format!("{path} has {lines} lines, {MOST_LINES} are allowed: split it by responsibility"));
    }
    for (index, line) in text.lines().enumerate() {
        if names_a_home(line) {
            findings.push(format!("{path}:{} names a folder of one person's machine", index + 1));
        }
    }
    let is_crate_root = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    if is_crate_root && !text.starts_with("//!") {
        findings.push(format!("{path} does not begin with what the crate is and what it is not"));
    }
    findings
}

/// A home folder at the start of a path; within a longer path or address the same letters mean nothing.
fn names_a_home(line: &str) -> bool {
    HOMES.iter().any(|home| {
        line.match_indices(home).any(|(position, _)| {
            let before = line[..position].chars().next_back();
            !before.is_some_and(|character| character.is_alphanumeric() || "._-~}*$".contains(character))
        })
    })
}

/// In CI the lock file must be the committed one: cargo mends a stale one silently, and then builds what nobody chose.
pub(super) fn changed_lock_file() -> Result<Option<String>> {
    if std::env::var_os("CI").is_none() {
        return Ok(None);
    }
    let mut git = Command::new("git");
    let same =
        process::works(git.current_dir(checkout()).args(["diff", "--quiet", "HEAD", "--", "Cargo.lock"]))?;
    Ok((!same).then(|| "Cargo.lock does not belong to the manifests: commit the new one".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(findings(&[file(path, text)]), expected);
    }

    #[test]
    fn a_source_file_that_is_too_long_is_found_and_a_long_data_file_is_not() {
        check("a.rs", &"\n".repeat(800), &[]);
        check(
            "a.rs",
            &"\n".repeat(801),
            &["a.rs has 801 lines, 800 are allowed: split it by responsibility"],
        );
        check("a.csv", &"\n".repeat(5000), &[]);
        check("docs/command-line.md", &"\n".repeat(801), &[]);
    }

    #[test]
    fn the_old_way_to_lay_out_a_module_is_found() {
        check("src/deep/mod.rs", "", &["src/deep/mod.rs: a module lies in NAME.rs beside the folder NAME"]);
    }

    #[test]
    fn a_crate_without_a_header_is_found() {
        check("crates/a/src/lib.rs", "//! Says what it is.\n", &[]);
        check(
            "crates/a/src/lib.rs",
            "mod a;\n",
            &["crates/a/src/lib.rs does not begin with what the crate is and what it is not"],
        );
    }

    #[test]
    fn home_folders_are_found_at_the_start_of_a_path_only() {
        let [home, users, root] = HOMES;
        let finding = ["a.md:2 names a folder of one person's machine"];
        check("a.md", &format!("see\n`{home}someone/file`"), &finding);
        check("a.md", &format!("see\n{users}someone"), &finding);
        check("a.md", &format!("see\n{root}file"), &finding);
        check("a.md", &format!("see\nhttps://example.org{home}page, $PREFIX{root}x"), &[]);
    }

    #[test]
    fn data_files_together_stay_under_their_limit() {
        let half = "x".repeat(600_000);
        assert!(findings(&[file("a.bin", &half), file("a.rs", &half)]).is_empty());
        let found = findings(&[file("a.bin", &half), file("b.csv", &half)]);
        assert!(found[0].starts_with("the committed data files have 1200000 bytes"), "{found:?}");
    }
}
