//! Which engines are on this machine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use yard_engine::{Engine, LoadError};

use crate::{OnnxRuntime, Rten};

/// What ONNX Runtime's library is called.
const LIBRARY_NAMES: [&str; 1] = ["libonnxruntime.so"];

/// The engines that can be used here, the preferred one first, and why ONNX Runtime is not among them where it is not.
///
/// RTen is always there. A library that is named but cannot be loaded leaves RTen, and the error for the log.
pub fn engines_available(library: Option<&Path>) -> (Vec<Arc<dyn Engine>>, Option<LoadError>) {
    let embedded: Arc<dyn Engine> = Arc::new(Rten::new());
    let Some(library) = library else {
        return (vec![embedded], None);
    };
    match OnnxRuntime::open(library) {
        Ok(runtime) => (vec![Arc::new(runtime), embedded], None),
        Err(error) => (vec![embedded], Some(error)),
    }
}

/// ONNX Runtime's library: what is named explicitly, be it there or not, else the first of the candidates that exists.
///
/// A candidate is a file, or a directory that holds the library or directories with it; of several such directories the
/// last by name is taken, so that the answer does not depend on the file system's order.
pub fn find_library(explicit: Option<&Path>, candidates: &[PathBuf]) -> Option<PathBuf> {
    if let Some(explicit) = explicit {
        return Some(explicit.to_owned());
    }
    candidates.iter().find_map(|candidate| {
        if candidate.is_file() {
            return Some(candidate.clone());
        }
        in_directory(candidate).or_else(|| {
            let mut inner: Vec<PathBuf> =
                candidate.read_dir().ok()?.flatten().map(|entry| entry.path()).collect();
            inner.sort();
            inner.iter().rev().find_map(|directory| in_directory(directory))
        })
    })
}

fn in_directory(directory: &Path) -> Option<PathBuf> {
    LIBRARY_NAMES.iter().map(|name| directory.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let engines = folder.path().join("engines");
        let older = engines.join("aaa");
        let newer = engines.join("bbb");
        for directory in [&older, &newer] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(directory.join("libonnxruntime.so"), b"").unwrap();
        }
        let direct = newer.join("libonnxruntime.so");
        let absent = folder.path().join("absent");
        assert_eq!(find_library(None, &[absent.clone(), engines]), Some(direct.clone()));
        assert_eq!(find_library(None, std::slice::from_ref(&newer)), Some(direct.clone()));
        assert_eq!(find_library(None, std::slice::from_ref(&direct)), Some(direct));
        assert_eq!(find_library(None, std::slice::from_ref(&absent)), None);
        assert_eq!(
            find_library(Some(&absent), &[newer]),
            Some(absent),
            "what is named is not second-guessed"
        );
    }

    #[test]
    fn without_the_library_the_embedded_engine_remains() {
        let (engines, error) = engines_available(None);
        let names: Vec<&str> = engines.iter().map(|engine| engine.info().name).collect();
        assert_eq!(names, ["rten"]);
        assert!(error.is_none());
        let (engines, error) = engines_available(Some(Path::new("/nonexistent/libonnxruntime.so")));
        assert_eq!(engines.len(), 1);
        assert!(matches!(error, Some(LoadError::EngineMissing { .. })), "{error:?}");
    }
}
