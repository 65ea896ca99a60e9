//! The page that describes every key, made from the declarations.

use std::fmt::Write;

use crate::{
    examples::examples,
    keys::{Allowed, ChoiceDoc, Field, KeyDoc, Section},
    spec::TrainingSpec,
};

const HEAD: &str = "\
# The training specification

What is to be trained, in TOML or JSON. Keys that are not on this page are errors, and so are values of another type or
outside of the range that is given here. Everything is checked before any data is read. Whole numbers are written
without a point. `LIST[]` stands for each element of a list and `NAME` for a name of your own.

`modelyard train --example KIND` prints one of these to start from:

";

const TAIL_OF_HEAD: &str = "
This page is made from the code; a test fails when they differ.
";

/// The reference of every key, as Markdown.
pub fn reference_page() -> String {
    let mut sections = Vec::new();
    TrainingSpec::sections("", &mut sections);
    let mut page = HEAD.to_owned();
    // Writing to a text cannot fail, so the results of `write!` are dropped here.
    for example in examples() {
        let _ = writeln!(page, "- `{}`: {}", example.kind, example.description);
    }
    page.push_str(TAIL_OF_HEAD);
    for section in &sections {
        write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let title = if section.path.is_empty() { "Top level".to_owned() } else { format!("`{}`", section.path) };
    let _ = write!(page, "\n## {title}\n\n{}\n", joined(&section.doc));
    if !section.choices.is_empty() {
        page.push_str("\n| word | meaning |\n|---|---|\n");
        for ChoiceDoc { name, doc } in &section.choices {
            let _ = writeln!(page, "| `\"{name}\"` | {} |", joined(doc));
        }
    }
    if !section.keys.is_empty() {
        page.push_str("\n| key | type | default | unit | range | meaning |\n|---|---|---|---|---|---|\n");
        for key in &section.keys {
            write_key(page, key);
        }
    }
}

fn write_key(page: &mut String, key: &KeyDoc) {
    let default = match key.default.as_str() {
        "required" | "not set" => key.default.clone(),
        table if table.starts_with('{') && table.len() > 2 => "as below".to_owned(),
        value => format!("`{value}`"),
    };
    let range = match key.allowed {
        Allowed::Any => String::new(),
        allowed => allowed.to_string(),
    };
    let KeyDoc { name, type_text, unit, doc, .. } = key;
    let cells = [format!("`{name}`"), type_text.clone(), default, (*unit).to_owned(), range, joined(doc)];
    for cell in cells {
        let _ = write!(page, "|{}{cell} ", if cell.is_empty() { "" } else { " " });
    }
    page.push_str("|\n");
}

/// The lines of a documentation comment as one.
fn joined(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        let mut sections = Vec::new();
        TrainingSpec::sections("", &mut sections);
        sections
    }

    #[test]
    fn the_committed_reference_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/training-spec.md");
        let page = reference_page();
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == page,
            "docs/training-spec.md differs from the code; run with UPDATE_EXPECTED=1 to rewrite it"
        );
    }

    #[test]
    fn every_key_and_word_is_described_in_sentences() {
        let is_sentence = |doc: &[&str]| {
            let text = joined(doc);
            text.ends_with('.') && !text.starts_with(char::is_lowercase)
        };
        for section in sections() {
            assert!(is_sentence(&section.doc), "{}", section.path);
            for choice in &section.choices {
                assert!(is_sentence(&choice.doc), "{} {}: {:?}", section.path, choice.name, choice.doc);
            }
            for key in &section.keys {
                assert!(is_sentence(&key.doc), "{} {}: {:?}", section.path, key.name, key.doc);
                let numeric = key.type_text.contains("number");
                assert!(
                    numeric || key.unit.is_empty(),
                    "{} {}: a unit without a number",
                    section.path,
                    key.name
                );
            }
        }
    }

    #[test]
    fn every_default_is_within_its_range() {
        for section in sections() {
            for key in &section.keys {
                if let Ok(default) = key.default.parse::<f64>() {
                    assert!(key.allowed.takes(default), "{} {}", section.path, key.name);
                }
            }
        }
    }
}
