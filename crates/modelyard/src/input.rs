//! Files that a person has, read into the tensors that a model takes.

mod convert;
mod csv;
mod fit;
mod json;
mod npy;
mod png;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use yard_types::{NamedTensor, Signature, Tensor, TensorSpec};

/// Largest input that is read, in bytes: more than any server takes in one request.
const MAX_BYTES: u64 = 1 << 30;

/// The form of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values, one row a line
    Csv,
    /// Rows, `{"inputs": rows}`, `{"inputs": {name: rows}}` or an Open Inference Protocol request
    Json,
    /// An array that NumPy saved
    Npy,
    /// Images, one row each
    Png,
}

/// Whether a CSV file begins with names of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Header {
    /// It does when a cell of the first line is no number where the model takes numbers
    #[default]
    Auto,
    /// It does
    Yes,
    /// It does not
    No,
}

/// What a person says about the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadOptions {
    pub(crate) format: Option<Format>,
    pub(crate) header: Header,
    /// Columns of a CSV file to leave out: names, or numbers from 1.
    pub(crate) ignore: Vec<String>,
    /// Each sample of an image is multiplied by this.
    pub(crate) scale: f64,
}

/// Why a file is no input for the model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("cannot tell the format of {}: name it with --format csv, json, npy or png", .0.display())]
    UnknownFormat(PathBuf),
    #[error("several input files are taken for images only; join the rows of other formats in one file")]
    SeveralFiles,
    #[error("it takes and gives texts, not tensors: it is a language model")]
    LanguageModel,
    #[error("{}: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
}

impl InputError {
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads the files, at least one, into tensors for a model of this signature. Whether they fit in the end is the
/// server's to say; what can be seen here is said here, with the line and the column.
pub(crate) fn read(
    files: &[PathBuf],
    options: &ReadOptions,
    signature: &Signature,
) -> Result<Vec<NamedTensor>, InputError> {
    let [first, others @ ..] = files else {
        return Ok(Vec::new());
    };
    if signature.inputs.is_empty() && signature.outputs.is_empty() {
        return Err(InputError::LanguageModel);
    }
    let format = format_of(first, options)?;
    if format == Format::Png {
        return read_images(files, options, signature);
    }
    if !others.is_empty() {
        return Err(InputError::SeveralFiles);
    }
    let content = read_bounded(first)?;
    let tensors = match format {
        Format::Csv => csv::read(&content, options, signature),
        Format::Json => json::read(content, signature),
        Format::Npy => read_array(&content, signature),
        Format::Png => Err(String::new()),
    };
    tensors.map_err(|reason| InputError::Content { path: first.clone(), reason })
}

fn read_array(content: &[u8], signature: &Signature) -> Result<Vec<NamedTensor>, String> {
    let spec = single_input(signature, "an array")?;
    let (shape, data) = npy::read(content)?.into_parts();
    let data = convert::to_type(data, spec.data_type)?;
    // One row without its brackets is a common slip, and there is only one thing it can mean.
    let is_one_row = spec.shape.as_ref().is_some_and(|dims| dims.len() == shape.len() + 1);
    let shape = if is_one_row { std::iter::once(1).chain(shape).collect() } else { shape };
    let tensor = Tensor::new(shape, data).map_err(|error| error.to_string())?;
    Ok(vec![NamedTensor { name: spec.name.clone(), tensor }])
}

fn read_images(
    files: &[PathBuf],
    options: &ReadOptions,
    signature: &Signature,
) -> Result<Vec<NamedTensor>, InputError> {
    let refuse = |path: &Path, reason: String| InputError::Content { path: path.to_owned(), reason };
    let spec = single_input(signature, "an image").map_err(|reason| refuse(&files[0], reason))?;
    let mut rows = Vec::with_capacity(files.len());
    for path in files {
        if format_of(path, options)? != Format::Png {
            return Err(InputError::SeveralFiles);
        }
        let content = read_bounded(path)?;
        let row = png::decode(&content).and_then(|image| image.into_row(spec, options.scale));
        rows.push(row.map_err(|reason| refuse(path, reason))?);
    }
    let rows: Vec<&Tensor> = rows.iter().collect();
    let tensor = Tensor::concat_rows(&rows)
        .map_err(|_| refuse(&files[0], "the images are not all of the same size".to_owned()))?;
    Ok(vec![NamedTensor { name: spec.name.clone(), tensor }])
}

fn single_input<'a>(signature: &'a Signature, what: &str) -> Result<&'a TensorSpec, String> {
    match signature.inputs.as_slice() {
        [spec] => Ok(spec),
        inputs => {
            let names: Vec<&str> = inputs.iter().map(|spec| spec.name.as_str()).collect();
            Err(format!("{what} is one input, but the model takes {}: use CSV or JSON", names.join(", ")))
        }
    }
}

fn format_of(path: &Path, options: &ReadOptions) -> Result<Format, InputError> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("json") => Ok(Format::Json),
        Some("npy") => Ok(Format::Npy),
        Some("png") => Ok(Format::Png),
        _ => Err(InputError::UnknownFormat(path.to_owned())),
    }
}

/// Reads a file, or standard input when it is named `-`.
fn read_bounded(path: &Path) -> Result<Vec<u8>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: path.to_owned(), source };
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let mut content = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(InputError::TooLarge(path.to_owned()));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
