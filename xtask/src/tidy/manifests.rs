//! How the manifests of our crates look: versions and lints stand in the root manifest, once.

use super::files::File;

pub(super) fn findings(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        if file.path == "Cargo.toml" || !file.path.ends_with("/Cargo.toml") {
            continue;
        }
        match file.text().and_then(|text| text.parse::<toml::Table>().ok()) {
            Some(manifest) => findings.extend(of_member(&file.path, &manifest)),
            None => findings.push(format!("{} cannot be read", file.path)),
        }
    }
    findings
}

fn of_member(path: &str, manifest: &toml::Table) -> Vec<String> {
    let mut findings = Vec::new();
    let inherits_lints = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    if inherits_lints != Some(true) {
        findings.push(format!("{path} lacks `[lints] workspace = true`"));
    }
    let folder = path.split('/').rev().nth(1);
    let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
    if path.starts_with("crates/") && name != folder {
        findings.push(format!("{path} names another package than its folder"));
    }
    let mut sections = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        sections.extend(targets.values().filter_map(toml::Value::as_table));
    }
    for section in sections {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = section.get(kind).and_then(toml::Value::as_table) else {
                continue;
            };
            for (dependency, value) in dependencies {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    findings.push(format!(
                        "{path} says itself where {dependency} comes from: say it in the root manifest"
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let file = File { path: "crates/yard-case/Cargo.toml".to_owned(), bytes: text.as_bytes().to_vec() };
        assert_eq!(findings(&[file]), expected);
    }

    const GOOD: &str = "[package]\nname = \"yard-case\"\n[lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_that_inherits_everything_is_fine() {
        let dependencies = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n";
        check(&format!("{GOOD}{dependencies}"), &[]);
    }

    #[test]
    fn a_version_in_a_member_is_found_wherever_it_stands() {
        let finding =
            "crates/yard-case/Cargo.toml says itself where a comes from: say it in the root manifest";
        for section in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            check(&format!("{GOOD}[{section}]\na = \"1\"\n"), &[finding]);
        }
        check(&format!("{GOOD}[dependencies]\na = {{ path = \"../a\" }}\n"), &[finding]);
    }

    #[test]
    fn missing_lints_a_foreign_name_and_broken_text_are_found() {
        check(
            "[package]\nname = \"yard-case\"\n",
            &["crates/yard-case/Cargo.toml lacks `[lints] workspace = true`"],
        );
        check(
            "[package]\nname = \"other\"\n[lints]\nworkspace = true\n",
            &["crates/yard-case/Cargo.toml names another package than its folder"],
        );
        check("[package", &["crates/yard-case/Cargo.toml cannot be read"]);
    }
}
