//! `data`: what is in files of data, whether it is as expected, and how far it moved.
//!
//! Several files are one data set, read one after another; they have the same columns. Everything is read once and in
//! bounded memory. Results go to the writer that is given (stdout), so the commands are tested without a process.

mod check;
mod describe;
mod drift;
mod schema;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use yard_data::{
    BatchReader, FileSource, Format, ReadLimits, Source, Statistics, StatisticsBuilder, StatisticsOptions,
    open,
};

/// What to do with data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Show what each column holds: counts, missing and different values, quantiles, histogram
    Describe(describe::DescribeArguments),
    /// Print the schema of a file as JSON, to be edited
    Schema(schema::SchemaArguments),
    /// Check files against a schema, or against the statistics of an earlier data set
    Check(check::CheckArguments),
    /// Measure how far each column of one data set is from that of another
    Drift(drift::DriftArguments),
}

/// Which files are read, and how.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Files (CSV, Parquet, JSON lines, IDX, NPY, NPZ) or folders of images; several make one data set
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The format, where the ending does not say it: csv, parquet, json_lines, idx, npy, npz, image_folder
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to object to.
    Fine,
    /// Anomalies or drift: the exit status is 1, so that a script can stop here.
    Objections,
}

/// Runs the command; data go to `output`.
pub(crate) fn run(command: &DataCommand, output: &mut dyn Write) -> Result<Outcome> {
    match command {
        DataCommand::Describe(arguments) => describe::run(arguments, output),
        DataCommand::Schema(arguments) => schema::run(arguments, output),
        DataCommand::Check(arguments) => check::run(arguments, output),
        DataCommand::Drift(arguments) => drift::run(arguments, output),
    }
}

impl Files {
    /// How messages and titles call the data set.
    fn title(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match self.files.as_slice() {
            [] => String::new(),
            [only] => name(only),
            [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
        }
    }

    /// Opens one after another.
    fn readers(&self) -> impl Iterator<Item = Result<Box<dyn BatchReader>>> {
        self.files.iter().map(|path| reader(path, self.format))
    }

    fn statistics(&self) -> Result<Statistics> {
        let mut builder = StatisticsBuilder::new(StatisticsOptions::default());
        for reader in self.readers() {
            let mut reader = reader?;
            while let Some(batch) = reader.next_batch()? {
                builder.add(&batch).with_context(|| format!("cannot go on with {}", reader.name()))?;
            }
        }
        Ok(builder.finish())
    }
}

fn reader(path: &Path, format: Option<Format>) -> Result<Box<dyn BatchReader>> {
    let source = Source::File(FileSource { path: path.to_owned(), format, labels_path: None, shown: None });
    Ok(open(&source, &ReadLimits::default())?)
}

/// The statistics that were kept in a file.
fn kept_statistics(path: &Path) -> Result<Statistics> {
    Ok(Statistics::from_json(&fs_err::read_to_string(path)?)?)
}

#[cfg(test)]
mod tests;
