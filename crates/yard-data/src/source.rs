//! Where data are, and which reader is for them.

use std::path::{Path, PathBuf};

use crate::batches::{BatchReader, ReadLimits};
use crate::builtin::Builtin;
use crate::error::DataError;
use crate::formats::csv::CsvReader;
use crate::formats::image_folder::ImageFolderReader;
use crate::formats::json_lines::JsonLinesReader;
use crate::formats::parquet::ParquetReader;
use crate::formats::{idx, npy, npz};
use crate::schema::words;

mod digest;

/// Where data are.
#[derive(Debug, Clone)]
pub enum Source {
    /// One that comes with the program.
    Builtin(Builtin),
    /// A file or a folder.
    File(FileSource),
}

/// A file or a folder of images.
#[derive(Debug, Clone)]
pub struct FileSource {
    /// Where it is.
    pub path: PathBuf,
    /// Told by the ending when not given.
    pub format: Option<Format>,
    /// For IDX and NPY: the file of the labels.
    pub labels_path: Option<PathBuf>,
    /// How messages call it, where the path must not be shown; the path when not given.
    pub shown: Option<String>,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text with a header and a delimiter (comma, semicolon, tab or bar, found by looking); also compressed by gzip.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object on each line; also compressed by gzip.
    JsonLines,
    /// The format of MNIST; also compressed by gzip. Columns `image` and `label`.
    Idx,
    /// One NumPy array.
    Npy,
    /// Several NumPy arrays: `x` and `y`.
    Npz,
    /// A folder with a folder for each class, PNG and JPEG inside. Columns `image` and `label`.
    ImageFolder,
}

words!(Format, "format", "csv" => Format::Csv, "parquet" => Format::Parquet, "json_lines" => Format::JsonLines,
    "idx" => Format::Idx, "npy" => Format::Npy, "npz" => Format::Npz, "image_folder" => Format::ImageFolder);

impl Source {
    /// A file whose ending says what it is, or a folder of images.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self::File(FileSource { path: path.into(), format: None, labels_path: None, shown: None })
    }
}

impl FileSource {
    /// How messages call the file.
    pub fn shown(&self) -> String {
        self.shown.clone().unwrap_or_else(|| self.path.display().to_string())
    }

    /// What was given, else what the ending says.
    pub fn format(&self) -> Result<Format, DataError> {
        self.format
            .or_else(|| format_of(&self.path))
            .ok_or_else(|| DataError::UnknownFormat { file: self.shown() })
    }
}

/// The rows of a source, as its format has them.
pub fn open(source: &Source, limits: &ReadLimits) -> Result<Box<dyn BatchReader>, DataError> {
    let file = match source {
        Source::Builtin(builtin) => return builtin.open(limits),
        Source::File(file) => file,
    };
    let format = file.format()?;
    if file.labels_path.is_some() && !matches!(format, Format::Idx | Format::Npy) {
        let problem = format!("labels_path goes with idx and npy; the rows of {format} hold their label");
        return Err(DataError::Invalid { problem });
    }
    match format {
        Format::Csv => Ok(Box::new(CsvReader::open(file, limits)?)),
        Format::Parquet => Ok(Box::new(ParquetReader::open(file, limits)?)),
        Format::JsonLines => Ok(Box::new(JsonLinesReader::open(file, limits)?)),
        Format::Idx => Ok(Box::new(idx::open(file, limits)?)),
        Format::Npy => Ok(Box::new(npy::open(file, limits)?)),
        Format::Npz => Ok(Box::new(npz::open(file, limits)?)),
        Format::ImageFolder => Ok(Box::new(ImageFolderReader::open(file, limits)?)),
    }
}

fn format_of(path: &Path) -> Option<Format> {
    if path.is_dir() {
        return Some(Format::ImageFolder);
    }
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let endings = [
        (".csv", Format::Csv),
        (".tsv", Format::Csv),
        (".parquet", Format::Parquet),
        (".jsonl", Format::JsonLines),
        (".ndjson", Format::JsonLines),
        (".idx", Format::Idx),
        ("-ubyte", Format::Idx),
        (".idx3", Format::Idx),
        (".npy", Format::Npy),
        (".npz", Format::Npz),
    ];
    endings.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| *format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_say_the_format() {
        let format = |name: &str| format_of(Path::new(name));
        assert_eq!(format("a.CSV"), Some(Format::Csv));
        assert_eq!(format("a.csv.gz"), Some(Format::Csv));
        assert_eq!(format("t10k-images-idx3-ubyte.gz"), Some(Format::Idx));
        assert_eq!(format("a.xlsx"), None);
    }
}
