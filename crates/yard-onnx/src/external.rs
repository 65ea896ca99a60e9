//! Weights in other files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use yard_types::PackagePath;

use crate::{
    Model, OnnxError, WeightTensor,
    error::shown,
    tensors::{declared_bytes, is_external},
};

/// Where a tensor's data stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalReference {
    /// The file, relative to the model file's directory.
    pub file: PackagePath,
    /// The file, as the model writes it.
    pub location: String,
    /// The first byte.
    pub offset: u64,
    /// How many bytes; `None` to the end of the file.
    pub length: Option<u64>,
}

impl ExternalReference {
    /// Reads the reference out of a tensor; `None` where the tensor's data stands in the model file.
    pub fn of(weight: &WeightTensor<'_>) -> Result<Option<Self>, OnnxError> {
        if !is_external(weight.tensor) {
            return Ok(None);
        }
        let mut location = None;
        let mut offset = 0;
        let mut length = None;
        for entry in &weight.tensor.external_data {
            let number = || {
                entry.value.parse::<u64>().map_err(|_| {
                    let (place, key, value) = (weight.place(), &entry.key, shown(&entry.value));
                    OnnxError::malformed(format!("{place} has the external data {key} '{value}'"))
                })
            };
            match entry.key.as_str() {
                "location" => location = Some(entry.value.as_str()),
                "offset" => offset = number()?,
                "length" => length = Some(number()?),
                _ => {}
            }
        }
        let Some(location) = location else {
            let place = weight.place();
            return Err(OnnxError::malformed(format!("{place} does not say where its external data is")));
        };
        // ONNX Runtime takes this name for an address in its own memory.
        if location.contains("_ORT_MEM_ADDR_") {
            let reason = "an address in memory and no file";
            return Err(OnnxError::ForeignFile { target: shown(location), reason });
        }
        match location.strip_prefix("./").unwrap_or(location).parse() {
            Ok(file) => Ok(Some(Self { file, location: location.to_owned(), offset, length })),
            Err(_) => Err(OnnxError::ForeignFile { target: shown(location), reason: "outside the package" }),
        }
    }
}

impl Model {
    /// The files that the model's weights stand in, each once, relative to the model file's directory.
    pub fn external_files(&self) -> Result<BTreeSet<PackagePath>, OnnxError> {
        let mut files = BTreeSet::new();
        self.walk_weights(&mut |weight| {
            files.extend(ExternalReference::of(&weight)?.map(|reference| reference.file));
            Ok(())
        })?;
        Ok(files)
    }

    /// Checks that all external data is there: in regular files inside `directory`, the model file's own, and as long as
    /// the tensors ask for.
    pub fn check_external(&self, directory: &Path) -> Result<(), OnnxError> {
        let mut known: BTreeMap<PackagePath, u64> = BTreeMap::new();
        self.walk_weights(&mut |weight| {
            let Some(reference) = ExternalReference::of(&weight)? else { return Ok(()) };
            let available = match known.get(&reference.file) {
                Some(length) => *length,
                None => {
                    let length = regular_file_length(directory, &reference.file)?;
                    known.insert(reference.file.clone(), length);
                    length
                }
            };
            let declared = declared_bytes(&weight)?;
            let length = reference.length.unwrap_or(declared);
            if length != declared {
                let place = weight.place();
                return Err(OnnxError::malformed(format!(
                    "{place} declares {declared} bytes, but its external data has {length}"
                )));
            }
            match reference.offset.checked_add(length) {
                Some(end) if end <= available => Ok(()),
                _ => Err(OnnxError::ForeignFile {
                    target: reference.file.to_string(),
                    reason: "shorter than the model says",
                }),
            }
        })
    }
}

/// The length of a file that is reached without any symbolic link.
fn regular_file_length(directory: &Path, file: &PackagePath) -> Result<u64, OnnxError> {
    let refusal = |reason| OnnxError::ForeignFile { target: file.to_string(), reason };
    let mut path = PathBuf::from(directory);
    let mut components = file.as_str().split('/').peekable();
    while let Some(component) = components.next() {
        path.push(component);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refusal("not in the package"));
            }
            Err(error) => return Err(error.into()),
        };
        if metadata.is_symlink() {
            return Err(refusal("a symbolic link"));
        }
        match (components.peek(), metadata.is_dir()) {
            (Some(_), true) => {}
            (None, _) if metadata.is_file() => return Ok(metadata.len()),
            _ => return Err(refusal("not a regular file")),
        }
    }
    Err(refusal("not in the package"))
}

#[cfg(test)]
mod tests;
