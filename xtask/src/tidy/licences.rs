//! Which licences and sources other people's packages may have.

use super::workspace::Workspace;

/// Permissive licences, all compatible with shipping one Apache-2.0 program. `deny.toml` lists the same.
pub(super) const ALLOWED: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Packages with another licence that is not among them, and why they may be linked. `deny.toml` lists the same.
///
/// - `colored` comes with burn-tensor, which uses it to print summaries of models and has no feature that leaves it out.
///   The MPL 2.0 covers its own files alone; we link it unchanged, and its source is to be had where crates are.
pub(super) const EXCEPTIONS: [(&str, &str); 1] = [("colored", "MPL-2.0")];

pub(super) fn findings(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let name = format!("{} {}", package.name, package.version);
        if !package.from_default_registry {
            findings.push(format!("{name} does not come from the default registry"));
        }
        match &package.licence {
            None => findings.push(format!("{name} states no licence expression")),
            Some(licence) if EXCEPTIONS.contains(&(package.name.as_str(), licence.as_str())) => {}
            Some(expression) => match is_allowed(expression) {
                Ok(true) => {}
                Ok(false) => {
                    findings.push(format!("{name} has the licence {expression}, which is not allowed"))
                }
                Err(Unreadable) => {
                    findings.push(format!("{name} has the licence {expression}, which cannot be read"));
                }
            },
        }
    }
    findings
}

#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

/// Judges an SPDX expression. `MIT/Apache-2.0` is the older way to write OR.
fn is_allowed(expression: &str) -> Result<bool, Unreadable> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest)?;
    if rest.is_empty() { Ok(verdict) } else { Err(Unreadable) }
}

fn either(rest: &mut &[&str]) -> Result<bool, Unreadable> {
    let mut verdict = both(rest)?;
    while take(rest, "OR") {
        // Both sides are read, also where one is enough.
        verdict |= both(rest)?;
    }
    Ok(verdict)
}

fn both(rest: &mut &[&str]) -> Result<bool, Unreadable> {
    let mut verdict = one(rest)?;
    while take(rest, "AND") {
        verdict &= one(rest)?;
    }
    Ok(verdict)
}

fn one(rest: &mut &[&str]) -> Result<bool, Unreadable> {
    if take(rest, "(") {
        let verdict = either(rest)?;
        return if take(rest, ")") { Ok(verdict) } else { Err(Unreadable) };
    }
    let name = next(rest)?;
    if take(rest, "WITH") {
        let with_exception = format!("{name} WITH {}", next(rest)?);
        return Ok(ALLOWED.contains(&with_exception.as_str()));
    }
    Ok(ALLOWED.contains(&name))
}

fn next<'a>(rest: &mut &[&'a str]) -> Result<&'a str, Unreadable> {
    match rest.split_first() {
        Some((word, after)) if !["AND", "OR", "WITH", "(", ")"].contains(word) => {
            *rest = after;
            Ok(word)
        }
        _ => Err(Unreadable),
    }
}

fn take(rest: &mut &[&str], expected: &str) -> bool {
    match rest.split_first() {
        Some((word, after)) if *word == expected => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Package;
    use super::*;

    #[test]
    fn expressions_are_judged_by_their_operators() {
        let check = |expression, expected| assert_eq!(is_allowed(expression), expected, "{expression}");
        check("MIT", Ok(true));
        check("MIT OR GPL-3.0-only", Ok(true));
        check("MIT AND GPL-3.0-only", Ok(false));
        check("MIT/Apache-2.0", Ok(true));
        check("(MIT OR Apache-2.0) AND Unicode-3.0", Ok(true));
        check("(MIT OR Apache-2.0) AND OpenSSL", Ok(false));
        check("GPL-3.0-only OR MIT AND Zlib", Ok(true));
        check("Apache-2.0 WITH LLVM-exception", Ok(true));
        check("GPL-2.0 WITH Classpath-exception-2.0", Ok(false));
    }

    #[test]
    fn broken_expressions_are_not_taken_for_allowed_ones() {
        for expression in
            ["", "MIT OR", "MIT Apache-2.0", "(MIT", "MIT)", "OR", "MIT WITH", "MIT AND AND MIT"]
        {
            assert_eq!(is_allowed(expression), Err(Unreadable), "{expression}");
        }
    }

    #[test]
    fn foreign_sources_and_missing_licences_are_found() {
        let package = |name: &str, licence: Option<&str>, from_default_registry| Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            from_default_registry,
        };
        let packages = vec![
            package("good", Some("MIT"), true),
            package("forked", Some("MIT"), false),
            package("silent", None, true),
            package("copyleft", Some("AGPL-3.0-only"), true),
            package("colored", Some("MPL-2.0"), true),
            package("uncoloured", Some("MPL-2.0"), true),
        ];
        let workspace = Workspace { crates: Vec::new(), packages };
        assert_eq!(
            findings(&workspace),
            [
                "forked 1.0.0 does not come from the default registry",
                "silent 1.0.0 states no licence expression",
                "copyleft 1.0.0 has the licence AGPL-3.0-only, which is not allowed",
                "uncoloured 1.0.0 has the licence MPL-2.0, which is not allowed",
            ]
        );
    }

    #[test]
    fn deny_toml_allows_the_same_licences() {
        let text = fs_err::read_to_string(crate::places::checkout().join("deny.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let told = manifest["licenses"]["allow"].as_array().unwrap();
        let told: Vec<&str> = told.iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(told, ALLOWED);
        let told = manifest["licenses"]["exceptions"].as_array().unwrap();
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|exception| (exception["crate"].as_str().unwrap(), exception["allow"][0].as_str().unwrap()))
            .collect();
        assert_eq!(told, EXCEPTIONS);
    }
}
