//! The data that a job was given, by the names that its specification has for them.

use std::path::PathBuf;

use yard_data::{Builtin, FileSource, Format, Source};
use yard_spec::{Builtin as NamedBuiltin, DataFormat, Source as NamedSource, TrainingSpec};
use yard_training::TrainingData;
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

fn source(name: &str, named: NamedSource<'_>, files: &[DataFile]) -> Result<Source, TrainRefusal> {
    let (format, has_labels) = match named {
        NamedSource::Builtin(builtin) => return Ok(Source::Builtin(of_builtin(builtin))),
        NamedSource::Path { format, labels_path, .. } => (format.map(of_format), labels_path.is_some()),
        NamedSource::Dataset(_) => (None, false),
    };
    let shown = match named {
        NamedSource::Dataset(data_set) => format!("data set {data_set}"),
        _ => name.to_owned(),
    };
    let labels_path = if has_labels { Some(path(&format!("{name}.labels"), files)?) } else { None };
    Ok(Source::File(FileSource { path: path(name, files)?, format, labels_path, shown: Some(shown) }))
}

fn path(name: &str, files: &[DataFile]) -> Result<PathBuf, TrainRefusal> {
    let file = files.iter().find(|file| file.name == name);
    let missing = || TrainRefusal::new(ErrorCode::Internal, format!("the job was given no file for {name}"));
    Ok(PathBuf::from(&file.ok_or_else(missing)?.path))
}

const fn of_builtin(builtin: NamedBuiltin) -> Builtin {
    match builtin {
        NamedBuiltin::Digits => Builtin::Digits,
        NamedBuiltin::Iris => Builtin::Iris,
        NamedBuiltin::BreastCancer => Builtin::BreastCancer,
        NamedBuiltin::Wine => Builtin::Wine,
        NamedBuiltin::Diabetes => Builtin::Diabetes,
        NamedBuiltin::SyntheticClassification => Builtin::SyntheticClassification,
        NamedBuiltin::SyntheticRegression => Builtin::SyntheticRegression,
        NamedBuiltin::SyntheticImages => Builtin::SyntheticImages,
        NamedBuiltin::SyntheticText => Builtin::SyntheticText,
    }
}

const fn of_format(format: DataFormat) -> Format {
    match format {
        DataFormat::Csv => Format::Csv,
        DataFormat::Parquet => Format::Parquet,
        DataFormat::JsonLines => Format::JsonLines,
        DataFormat::Idx => Format::Idx,
        DataFormat::Npy => Format::Npy,
        DataFormat::Npz => Format::Npz,
        DataFormat::Images => Format::ImageFolder,
    }
}
