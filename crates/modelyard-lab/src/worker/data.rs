//! The data that a job was given, by the names that its specification has for them.

use std::path::{Path, PathBuf};

use yard_data::{FileSource, Source};
use yard_spec::{Source as NamedSource, TrainingSpec};
use yard_training::{TrainingData, source_of};
use yard_types::ErrorCode;
use yard_worker::train::{DataFile, TrainRefusal, TrainRequest};

use super::failure::refused;

/// The part of a job's memory that its table may take; what is left is for training.
const SHARE_OF_MEMORY: u64 = 2;

/// Reads all rows.
pub(super) fn read(spec: &TrainingSpec, request: &TrainRequest) -> Result<TrainingData, TrainRefusal> {
    let files = &request.data_files;
    let rows = spec.data.source().map_err(|error| refused(&error))?;
    let rows = source("data", rows, files)?;
    let test = match &spec.data.test {
        Some(test) => Some(source("data.test", test.source().map_err(|error| refused(&error))?, files)?),
        None => None,
    };
    let memory_limit = request.memory_bytes / SHARE_OF_MEMORY;
    TrainingData::read(&spec.data, &rows, test.as_ref(), memory_limit).map_err(|error| refused(&error))
}

/// A file that a specification names lies where the request says.
fn source(name: &str, named: NamedSource<'_>, files: &[DataFile]) -> Result<Source, TrainRefusal> {
    let shown = match named {
        NamedSource::Dataset(data_set) => format!("data set {data_set}"),
        NamedSource::Path { path, .. } => match Path::new(path).file_name() {
            Some(file) => format!("{name} ({})", file.to_string_lossy()),
            None => name.to_owned(),
        },
        NamedSource::Builtin(_) => name.to_owned(),
    };
    let (format, labels_path) = match source_of(named) {
        Some(Source::Builtin(builtin)) => return Ok(Source::Builtin(builtin)),
        Some(Source::File(FileSource { format, labels_path, .. })) => (format, labels_path),
        None => (None, None),
    };
    let labels_path = labels_path.map(|_| path(&format!("{name}.labels"), files)).transpose()?;
    Ok(Source::File(FileSource { path: path(name, files)?, format, labels_path, shown: Some(shown) }))
}

fn path(name: &str, files: &[DataFile]) -> Result<PathBuf, TrainRefusal> {
    let file = files.iter().find(|file| file.name == name);
    let missing = || TrainRefusal::new(ErrorCode::Internal, format!("the job was given no file for {name}"));
    Ok(PathBuf::from(&file.ok_or_else(missing)?.path))
}
