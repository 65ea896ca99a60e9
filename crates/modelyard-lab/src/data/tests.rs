use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: DataCommand,
}

/// Files for one test, and the commands on them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs_err::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    /// Words with a dot are files of the folder.
    fn run(&self, line: &str) -> Result<(Outcome, String)> {
        let words = line.split_whitespace().map(|word| {
            if word.contains('.') { self.0.path().join(word).display().to_string() } else { word.to_owned() }
        });
        let command = Line::try_parse_from(std::iter::once("data".to_owned()).chain(words))?.command;
        let mut output = Vec::new();
        let outcome = run(&command, &mut output)?;
        Ok((outcome, String::from_utf8(output)?))
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.0.path().join(name)).unwrap()
    }
}

const PEOPLE: &str = "age,colour\n31,red\n42,green\n,red\n57,blue\n";
const OTHERS: &str = "age,colour\n29,red\nold,pink\n61,red\n900,blue\n";

#[test]
fn several_files_are_described_as_one_data_set() {
    let folder = Folder::new(&[("a.csv", PEOPLE), ("b.csv", "age,colour\n30,red\n")]);
    let (outcome, table) = folder.run("describe a.csv b.csv --html page.html --save kept.json").unwrap();
    assert_eq!(outcome, Outcome::Fine);
    assert!(table.starts_with("a.csv and 1 more: 5 rows, 2 columns\n"), "{table}");
    assert!(table.contains("1 (20.0 %)") && table.contains("red 3"), "{table}");
    assert!(folder.read("page.html").contains("<svg"));
    assert_eq!(Statistics::from_json(&folder.read("kept.json")).unwrap().rows, 5);
    let (_, json) = folder.run("describe a.csv b.csv --json").unwrap();
    assert_eq!(json.trim_end(), folder.read("kept.json"));
}

#[test]
fn files_with_other_columns_are_refused() {
    let folder = Folder::new(&[("a.csv", PEOPLE), ("b.csv", "age,size\n30,1\n")]);
    let error = format!("{:#}", folder.run("describe a.csv b.csv").unwrap_err());
    assert!(error.contains("b.csv") && error.contains("`colour` where these have `size`"), "{error}");
}

#[test]
fn a_file_is_checked_against_the_schema_of_another() {
    let folder = Folder::new(&[("a.csv", PEOPLE), ("b.csv", OTHERS)]);
    let (_, schema) = folder.run("schema a.csv").unwrap();
    fs_err::write(folder.0.path().join("schema.json"), schema).unwrap();
    let (outcome, said) = folder.run("check a.csv --schema schema.json").unwrap();
    assert_eq!((outcome, said.as_str()), (Outcome::Fine, "4 rows are as expected\n"));
    let (outcome, said) = folder.run("check b.csv --schema schema.json").unwrap();
    assert_eq!(outcome, Outcome::Objections);
    let kinds: Vec<_> = said.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(kinds, ["type_change", "new_category"], "{said}");
    let (_, json) = folder.run("check b.csv --schema schema.json --json").unwrap();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["anomaly"], &first["column"]), (&"type_change".into(), &"age".into()));
}

#[test]
fn a_file_is_checked_and_compared_against_kept_statistics() {
    let before =
        format!("size,kind\n{}", (0..400).map(|row| format!("{row},{}\n", row % 2)).collect::<String>());
    let after = format!(
        "size,kind\n{}",
        (0..400).map(|row| format!("{},{}\n", row + 300, row % 2)).collect::<String>()
    );
    let folder = Folder::new(&[("a.csv", &before), ("b.csv", &after)]);
    folder.run("describe a.csv --save kept.json").unwrap();
    let (outcome, said) = folder.run("check b.csv --baseline kept.json").unwrap();
    assert_eq!(outcome, Outcome::Objections);
    assert!(said.starts_with("out_of_domain: column `size`: 300 values are outside 0 to 399"), "{said}");
    let (outcome, said) = folder.run("drift kept.json b.csv").unwrap();
    assert_eq!(outcome, Outcome::Objections);
    assert!(said.starts_with("drifted: size: jensen_shannon 0.7"), "{said}");
    assert!(said.contains("\nstable: kind: jensen_shannon 0.0000"), "{said}");
    assert_eq!(folder.run("drift a.csv kept.json").unwrap().0, Outcome::Fine);
}

#[test]
fn a_check_needs_something_to_check_against() {
    let folder = Folder::new(&[("a.csv", PEOPLE)]);
    assert!(folder.run("check a.csv").is_err());
    assert!(folder.run("check a.csv --schema s.json --baseline b.json").is_err());
}
