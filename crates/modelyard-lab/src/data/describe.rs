//! `data describe`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use yard_data::{describe_page, describe_table};

use super::{Files, Outcome};

/// What is described, and where to.
#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    files: Files,
    /// Write a page that any browser shows, with histograms, to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keep the statistics in this file, for `data check --baseline` and `data drift`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print the statistics as JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DescribeArguments, output: &mut dyn Write) -> Result<Outcome> {
    let statistics = arguments.files.statistics()?;
    let title = arguments.files.title();
    if let Some(path) = &arguments.html {
        fs_err::write(path, describe_page(&statistics, &title))?;
    }
    if let Some(path) = &arguments.save {
        fs_err::write(path, statistics.to_json())?;
    }
    if arguments.json {
        writeln!(output, "{}", statistics.to_json())?;
    } else {
        output.write_all(describe_table(&statistics, &title).as_bytes())?;
    }
    Ok(Outcome::Fine)
}
