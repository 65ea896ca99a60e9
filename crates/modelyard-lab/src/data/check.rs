//! `data check`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use yard_data::{Anomaly, CheckOptions, Checker, Schema, schema_of};

use super::{Files, Outcome, kept_statistics};

/// What is checked against what.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    expected: Expected,
    /// The largest share of missing values in a column that may have some, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = CheckOptions::default().most_missing)]
    most_missing: f64,
    /// Print the anomalies as JSON, one on each line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Expected {
    /// What the columns should be, as `data schema` prints it
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The statistics of an earlier data set, as `data describe --save` keeps them
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

#[derive(Serialize)]
struct Line<'a> {
    anomaly: &'a str,
    column: &'a str,
    rows: Option<u64>,
    message: &'a str,
}

pub(super) fn run(arguments: &CheckArguments, output: &mut dyn Write) -> Result<Outcome> {
    let schema = match (&arguments.expected.schema, &arguments.expected.baseline) {
        (Some(path), _) => Schema::from_json(&fs_err::read_to_string(path)?)?,
        (None, Some(path)) => schema_of(&kept_statistics(path)?),
        (None, None) => anyhow::bail!("give --schema or --baseline"),
    };
    let mut checker = Checker::new(schema, CheckOptions { most_missing: arguments.most_missing });
    for reader in arguments.files.readers() {
        let mut reader = reader?;
        while let Some(batch) = reader.next_batch()? {
            checker.add(&batch)?;
        }
    }
    let (anomalies, statistics) = checker.finish();
    for anomaly in &anomalies {
        print(anomaly, arguments.json, output)?;
    }
    if anomalies.is_empty() && !arguments.json {
        writeln!(output, "{} rows are as expected", statistics.rows)?;
    }
    Ok(if anomalies.is_empty() { Outcome::Fine } else { Outcome::Objections })
}

fn print(anomaly: &Anomaly, json: bool, output: &mut dyn Write) -> Result<()> {
    if json {
        let line = Line {
            anomaly: anomaly.kind.as_str(),
            column: &anomaly.column,
            rows: anomaly.rows,
            message: &anomaly.message,
        };
        writeln!(output, "{}", serde_json::to_string(&line)?)?;
    } else {
        writeln!(output, "{}: {}", anomaly.kind, harmless(&anomaly.message))?;
    }
    Ok(())
}

/// Names of columns come from the file and must not drive the terminal.
pub(super) fn harmless(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            result.extend(character.escape_default());
        } else {
            result.push(character);
        }
    }
    result
}
