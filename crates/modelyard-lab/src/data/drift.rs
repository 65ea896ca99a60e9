//! `data drift`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use yard_data::{ColumnDrift, DriftOptions, Format, Statistics, drift};

use super::check::harmless;
use super::{Files, Outcome, kept_statistics};

/// What is compared with what.
#[derive(Debug, Args)]
pub(crate) struct DriftArguments {
    /// The earlier data set: a file of data, or statistics kept by `data describe --save` (ending .json)
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// The later data set, likewise
    #[arg(value_name = "SECOND")]
    second: PathBuf,
    /// The format of files of data, where the ending does not say it
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// For categories: the largest change of a value's share that is no drift (L-infinity, 0 to 1)
    #[arg(long, value_name = "DISTANCE", default_value_t = DriftOptions::default().category_threshold)]
    category_threshold: f64,
    /// For numbers and lengths of text: the largest Jensen-Shannon divergence (to base 2, 0 to 1) that is no drift
    #[arg(long, value_name = "DISTANCE", default_value_t = DriftOptions::default().number_threshold)]
    number_threshold: f64,
    /// Print the distances as JSON, one column on each line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    column: &'a str,
    verdict: &'a str,
    measure: Option<&'a str>,
    distance: Option<f64>,
    noise: Option<f64>,
    threshold: Option<f64>,
}

pub(super) fn run(arguments: &DriftArguments, output: &mut dyn Write) -> Result<Outcome> {
    let first = side(&arguments.first, arguments.format)?;
    let second = side(&arguments.second, arguments.format)?;
    let options = DriftOptions {
        category_threshold: arguments.category_threshold,
        number_threshold: arguments.number_threshold,
    };
    let columns = drift(&first, &second, &options);
    for column in &columns {
        print(column, arguments.json, output)?;
    }
    let drifted = columns.iter().any(|column| column.verdict.is_drift());
    Ok(if drifted { Outcome::Objections } else { Outcome::Fine })
}

fn side(path: &Path, format: Option<Format>) -> Result<Statistics> {
    if format.is_none() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        return kept_statistics(path);
    }
    Files { files: vec![path.to_owned()], format }.statistics()
}

fn print(column: &ColumnDrift, json: bool, output: &mut dyn Write) -> Result<()> {
    let distance = column.distance.as_ref();
    if json {
        let line = Line {
            column: &column.column,
            verdict: column.verdict.as_str(),
            measure: distance.map(|distance| distance.measure.as_str()),
            distance: distance.map(|distance| distance.value),
            noise: distance.map(|distance| distance.noise),
            threshold: distance.map(|distance| distance.threshold),
        };
        writeln!(output, "{}", serde_json::to_string(&line)?)?;
        return Ok(());
    }
    let name = harmless(&column.column);
    let Some(distance) = distance else {
        writeln!(output, "{}: {name}", column.verdict)?;
        return Ok(());
    };
    write!(
        output,
        "{}: {name}: {} {:.4} (threshold {}, chance up to {:.4})",
        column.verdict, distance.measure, distance.value, distance.threshold, distance.noise
    )?;
    if let Some((value, before, after)) = &distance.largest {
        let value = harmless(value);
        write!(output, ", most for `{value}`: {:.1} % to {:.1} %", before * 100.0, after * 100.0)?;
    }
    writeln!(output)?;
    Ok(())
}
