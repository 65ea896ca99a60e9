//! What both engines do before they load a model: read it, check it, and make it servable.

use std::{collections::BTreeMap, path::PathBuf};

use yard_engine::{LoadError, LoadOptions, ModelPackage, RowJoining};
use yard_onnx::{ExternalReference, Model, OnnxError, ReadLimits};
use yard_types::{PackagePath, Signature};

/// A model file that passed all checks.
#[derive(Debug)]
pub(crate) struct OpenedModel {
    pub(crate) model: Model,
    pub(crate) signature: Signature,
    pub(crate) row_joining: RowJoining,
    /// Whether `model` differs from the file.
    pub(crate) rewritten: bool,
    pub(crate) has_external_data: bool,
    /// The directory that the model's external data is relative to.
    pub(crate) directory: PathBuf,
}

impl OpenedModel {
    pub(crate) fn open(package: &ModelPackage, options: &LoadOptions) -> Result<Self, LoadError> {
        let path = package.main_file();
        let directory = path.parent().map_or_else(|| package.directory().to_owned(), PathBuf::from);
        let limits = ReadLimits { max_weight_bytes: options.max_weight_bytes };
        let read = || {
            let model = Model::read(&path, &limits)?;
            model.check_weights()?;
            model.check_external(&directory)?;
            let has_external_data = !model.external_files()?.is_empty();
            let rewritten = model.without_zip_maps()?;
            let is_rewritten = rewritten.is_some();
            let model = rewritten.unwrap_or(model);
            let signature = model.signature()?;
            let row_joining = match model.check_rows_independent() {
                Ok(()) => RowJoining::Plausible,
                Err(mixed) => RowJoining::Refused(mixed.to_string()),
            };
            Ok((model, signature, row_joining, is_rewritten, has_external_data))
        };
        let (model, signature, row_joining, rewritten, has_external_data) =
            read().map_err(|error| refusal(package.main(), error))?;
        Ok(Self { model, signature, row_joining, rewritten, has_external_data, directory })
    }

    /// The files that hold external data: as the model writes them, and where they are.
    pub(crate) fn external_locations(
        &self,
        package: &ModelPackage,
    ) -> Result<Vec<(String, PathBuf)>, LoadError> {
        let mut locations = BTreeMap::new();
        let walked = self.model.walk_weights(&mut |weight| {
            if let Some(reference) = ExternalReference::of(&weight)? {
                let path = self.directory.join(reference.file.as_str());
                locations.entry(reference.location).or_insert(path);
            }
            Ok(())
        });
        walked.map_err(|error| refusal(package.main(), error))?;
        Ok(locations.into_iter().collect())
    }
}

/// What the file's own fault means to whoever loads it.
pub(crate) fn refusal(file: &PackagePath, error: OnnxError) -> LoadError {
    let file = file.clone();
    match error {
        OnnxError::Malformed(reason) => LoadError::Malformed { file, reason },
        OnnxError::ForeignFile { target, reason } => LoadError::ForeignFile { file, target, reason },
        OnnxError::TooLarge { what, declared, limit } => LoadError::TooLarge { what, declared, limit },
        OnnxError::Unsupported(reason) => LoadError::Unsupported { file, reason },
        OnnxError::Io(error) => LoadError::Io(error),
    }
}
