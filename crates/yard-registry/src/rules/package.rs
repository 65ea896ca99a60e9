//! What makes a set of files a package.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use yard_types::{Digest, PackagePath};

use crate::{FileRecord, RegistryError, RegistryOptions};

/// The extensions of model files.
const MODEL_EXTENSIONS: [&str; 2] = ["onnx", "gguf"];
/// What a model file is called at the root of a package when there are several.
const MODEL_NAMES: [&str; 2] = ["model.onnx", "model.gguf"];

/// The model file: the only `*.onnx` or `*.gguf`, or `model.onnx` or `model.gguf` at the root when there are several.
pub(crate) fn find_model_file(files: &[FileRecord]) -> Result<&PackagePath, RegistryError> {
    const NAMED_IN_MESSAGE: usize = 8;
    if files.is_empty() {
        return Err(RegistryError::NoModelFile(
            "the upload has no files: send a model.onnx or a model.gguf first".to_owned(),
        ));
    }
    let is_model = |path: &PackagePath| {
        let extension = path.extension().unwrap_or_default();
        MODEL_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    };
    let models: Vec<&PackagePath> =
        files.iter().map(|file| &file.path).filter(|path| is_model(path)).collect();
    match models.as_slice() {
        [] => Err(RegistryError::NoModelFile(
            "the package has no .onnx file and no .gguf file: export the model to ONNX, or a language model to GGUF, \
             and push that"
                .to_owned(),
        )),
        [model] => Ok(model),
        several => {
            let mut named = several.iter().filter(|path| MODEL_NAMES.contains(&path.as_str()));
            if let (Some(model), None) = (named.next(), named.next()) {
                return Ok(model);
            }
            let mut message = format!("the package has {} model files (", several.len());
            for (place, path) in several.iter().take(NAMED_IN_MESSAGE).enumerate() {
                let comma = if place == 0 { "" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(message, "{comma}{path}");
            }
            if several.len() > NAMED_IN_MESSAGE {
                message.push_str(", ...");
            }
            message.push_str(
                "): keep one of them, or name the one to serve model.onnx or model.gguf at the root of the package",
            );
            Err(RegistryError::NoModelFile(message))
        }
    }
}

/// The digest of a package: SHA-256 over a heading and, for each file in the order of their paths, the path, a zero
/// byte and the 32 bytes of its digest. It is stored and compared, so it can never change.
pub fn package_digest(files: &[FileRecord]) -> Digest {
    let mut sorted: Vec<&FileRecord> = files.iter().collect();
    sorted.sort_by(|left, right| left.path.cmp(&right.path));
    let mut hash = Sha256::new_with_prefix(b"modelyard package 1\n");
    for file in sorted {
        hash.update(file.path.as_str());
        hash.update([0]);
        hash.update(file.digest.as_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

/// The file with which `path` cannot share a package, because one of them would have to be a folder.
pub(crate) fn collision<'files>(
    files: &'files [FileRecord],
    path: &PackagePath,
) -> Option<&'files PackagePath> {
    let inside = |inner: &PackagePath, outer: &PackagePath| {
        inner.as_str().strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    files.iter().map(|file| &file.path).find(|other| inside(other, path) || inside(path, other))
}

/// How many bytes a new file at `path` may have beside these files. `arriving` counts other files of the same upload
/// that are still on their way.
pub(crate) fn room_for(
    files: &[FileRecord],
    path: &PackagePath,
    arriving: usize,
    options: &RegistryOptions,
) -> Result<u64, RegistryError> {
    let others = files.iter().filter(|file| file.path != *path);
    let (count, bytes) =
        others.fold((0usize, 0u64), |(count, bytes), file| (count + 1, bytes.saturating_add(file.size)));
    if count + arriving >= options.max_files {
        return Err(RegistryError::TooLarge(format!("a package has at most {} files", options.max_files)));
    }
    if let Some(other) = collision(files, path) {
        return Err(RegistryError::PathCollision { path: path.clone(), other: other.clone() });
    }
    Ok(options.max_package_bytes.saturating_sub(bytes).min(options.max_file_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, fill: u8, size: u64) -> FileRecord {
        FileRecord { path: path.parse().unwrap(), digest: Digest::from_bytes([fill; 32]), size }
    }

    fn check(paths: &[&str], expected: Result<&str, &str>) {
        let files: Vec<FileRecord> = paths.iter().map(|path| file(path, 0, 1)).collect();
        match (find_model_file(&files), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path.as_str(), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expected) => panic!("{paths:?}: {got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn there_is_one_model_file() {
        check(&[], Err("no files"));
        check(&["labels.json"], Err("no .onnx file and no .gguf file"));
        check(&["labels.json", "net.onnx"], Ok("net.onnx"));
        check(&["onnx/net.ONNX"], Ok("onnx/net.ONNX"));
        check(&["a.onnx", "model.onnx"], Ok("model.onnx"));
        check(&["a.onnx", "sub/model.onnx"], Err("2 model files (a.onnx, sub/model.onnx)"));
        check(&["tokenizer.json", "SmolLM2.Q4_0.GGUF"], Ok("SmolLM2.Q4_0.GGUF"));
        check(&["a.gguf", "model.gguf"], Ok("model.gguf"));
        check(&["a.gguf", "b.gguf"], Err("2 model files (a.gguf, b.gguf)"));
        check(&["a.gguf", "b.onnx"], Err("2 model files (a.gguf, b.onnx): keep one of them"));
        check(&["a.gguf", "model.onnx"], Ok("model.onnx"));
        check(&["model.gguf", "model.onnx"], Err("2 model files (model.gguf, model.onnx)"));
        let many: Vec<String> = (0..9).map(|index| format!("{index}.onnx")).collect();
        check(&many.iter().map(String::as_str).collect::<Vec<_>>(), Err("7.onnx, ...)"));
    }

    #[test]
    fn the_package_digest_is_the_one_published() {
        // sha256 of b"modelyard package 1\n" + b"a" + b"\0" + b"\1"*32 + b"b/c" + b"\0" + b"\2"*32
        let expected = "3b68421d6a91aba45e17aafee63a5ee505dd7c51cd84bb7d399c1d6427c840d7";
        let (a, b) = (file("a", 1, 5), file("b/c", 2, 6));
        assert_eq!(package_digest(&[a.clone(), b.clone()]).to_string(), expected);
        assert_eq!(package_digest(&[b, a]).to_string(), expected, "the order does not matter");
    }

    #[test]
    fn the_package_digest_tells_packages_apart() {
        let base = package_digest(&[file("a", 1, 5)]);
        assert_ne!(base, package_digest(&[file("b", 1, 5)]));
        assert_ne!(base, package_digest(&[file("a", 2, 5)]));
        assert_ne!(base, package_digest(&[]));
    }

    #[test]
    fn a_file_and_a_folder_do_not_share_a_name() {
        let files = [file("a/b", 0, 1), file("c", 0, 1)];
        for (path, collides) in [("a", true), ("c/d", true), ("a/c", false), ("a/b", false), ("cd", false)] {
            assert_eq!(collision(&files, &path.parse().unwrap()).is_some(), collides, "{path}");
        }
    }

    #[test]
    fn room_is_what_the_limits_leave() {
        let options = RegistryOptions {
            max_file_bytes: 60,
            max_package_bytes: 100,
            max_files: 2,
            ..RegistryOptions::new("unused".into())
        };
        let files = [file("a", 0, 30)];
        let room = |path: &str, arriving| room_for(&files, &path.parse().unwrap(), arriving, &options).ok();
        assert_eq!(room("b", 0), Some(60));
        assert_eq!(room("b", 1), None, "one of two places is taken, the other is being filled");
        assert_eq!(room("a", 0), Some(60), "replacing frees what is replaced");
        let files = [file("a", 0, 70)];
        assert_eq!(room_for(&files, &"b".parse().unwrap(), 0, &options).ok(), Some(30));
    }
}
