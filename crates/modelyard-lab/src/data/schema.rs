//! `data schema`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use yard_data::{Format, InferOptions, infer};

use super::{Outcome, reader};

/// Whose schema is printed.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// A file or a folder of images
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format, where the ending does not say it
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The column to be foretold; a column named `label`, if there is one, when not given
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
}

pub(super) fn run(arguments: &SchemaArguments, output: &mut dyn Write) -> Result<Outcome> {
    let mut reader = reader(&arguments.file, arguments.format)?;
    let options = InferOptions { label: arguments.label.clone(), ..InferOptions::default() };
    let inferred = infer(reader.as_mut(), &options)?;
    for note in &inferred.notes {
        eprintln!("note: {note}");
    }
    writeln!(output, "{}", inferred.schema.to_json())?;
    Ok(Outcome::Fine)
}
