//! The files beside a model.

use std::io::{ErrorKind, Read as _};

use yard_engine::{LoadError, ModelPackage};
use yard_types::{PackagePath, Signature};

use crate::shape::EncoderShape;

/// The file that makes a model one of texts.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// Most bytes of a tokenizer. The largest in use have some 20 MB.
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;
/// Most bytes of the other files. A `tokenizer_config.json` repeats the added tokens, which are thousands in some models.
const MAX_SETTINGS_BYTES: u64 = 8 << 20;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path in the package.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// Whether a version with this signature and these files serves texts, as far as can be said without loading it: where the
/// signature leaves open what is answered, only a run tells.
pub fn is_encoder(signature: &Signature, main: &PackagePath, has_file: impl Fn(&str) -> bool) -> bool {
    places(main, TOKENIZER).iter().any(|place| has_file(place)) && EncoderShape::of(signature).is_some()
}

/// The tokenizer, if there is one.
pub(crate) fn tokenizer(package: &ModelPackage) -> Result<Option<Found>, LoadError> {
    read(package, TOKENIZER, MAX_TOKENIZER_BYTES)
}

/// The first of these files of settings that is there.
pub(crate) fn settings(package: &ModelPackage, names: &[&str]) -> Result<Option<Found>, LoadError> {
    for name in names {
        if let Some(found) = read(package, name, MAX_SETTINGS_BYTES)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What is wrong with a file, for whoever pushed it.
pub(crate) fn unusable(path: &str, reason: impl Into<String>) -> LoadError {
    LoadError::Companion { file: path.to_owned(), reason: reason.into() }
}

/// Where a file is looked for: beside the model, then at the package's root, since exporters put the model into a folder
/// such as `onnx` and the rest above it.
fn places(main: &PackagePath, name: &str) -> Vec<String> {
    let mut places = Vec::with_capacity(2);
    if let Some((folder, _)) = main.as_str().rsplit_once('/') {
        places.push(format!("{folder}/{name}"));
    }
    places.push(name.to_owned());
    places
}

fn read(package: &ModelPackage, name: &str, limit: u64) -> Result<Option<Found>, LoadError> {
    for path in places(package.main(), name) {
        let file = match fs_err::File::open(package.directory().join(&path)) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(error.into()),
        };
        let declared = file.metadata()?.len();
        if declared > limit {
            return Err(LoadError::TooLarge { what: path, declared, limit });
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        return Ok(Some(Found { path, bytes }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(main: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, ModelPackage) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let package = ModelPackage::new(folder.path(), main.parse().unwrap());
        (folder, package)
    }

    #[test]
    fn files_are_found_beside_the_model_and_then_at_the_root() {
        let (_folder, both) =
            package("onnx/model.onnx", &[("onnx/tokenizer.json", "near"), ("tokenizer.json", "far")]);
        assert_eq!(tokenizer(&both).unwrap().unwrap().path, "onnx/tokenizer.json");
        let (_folder, far) = package("onnx/model.onnx", &[("tokenizer.json", "far")]);
        assert_eq!(tokenizer(&far).unwrap().unwrap().bytes, b"far");
        let (_folder, none) = package("model.onnx", &[("vocab.txt", "")]);
        assert!(tokenizer(&none).unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let (folder, package) = package("model.onnx", &[]);
        let file = std::fs::File::create(folder.path().join(TOKENIZER)).unwrap();
        file.set_len(MAX_TOKENIZER_BYTES + 1).unwrap();
        assert!(matches!(tokenizer(&package), Err(LoadError::TooLarge { .. })));
    }
}
