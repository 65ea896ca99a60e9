//! Where tests find what `cargo xtask setup` has made: models with their samples, ONNX Runtime.
//!
//! For tests alone: nothing that ships depends on it. What is missing ends the test with the command that makes it.

#![warn(missing_docs)]

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the test models and what belongs to them.
///
/// # Panics
///
/// It is not there.
#[must_use]
pub fn assets() -> PathBuf {
    let folder = variable("MODELYARD_TEST_ASSETS").or_else(|| {
        let cache = variable("MODELYARD_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("modelyard")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/modelyard")))?;
        Some(cache.join("assets/current"))
    });
    present(folder.unwrap_or_else(|| panic!("neither MODELYARD_TEST_ASSETS nor HOME is set")))
}

/// A test model as ONNX.
///
/// # Panics
///
/// It is not there.
#[must_use]
pub fn model(name: &str) -> PathBuf {
    present(assets().join("models").join(name).join("model.onnx"))
}

/// A language model as GGUF.
///
/// # Panics
///
/// It is not there.
#[must_use]
pub fn language_model(name: &str) -> PathBuf {
    present(assets().join("language").join(format!("{name}.gguf")))
}

/// The digits that no model is trained on: a header, then 64 pixels and a label a row.
///
/// # Panics
///
/// It is not there.
#[must_use]
pub fn held_out_digits() -> PathBuf {
    present(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/digits/held_out.csv"))
}

/// ONNX Runtime's library, if a variable names it.
#[must_use]
pub fn named_onnxruntime() -> Option<PathBuf> {
    variable("ORT_DYLIB_PATH")
}

/// Where the set-up installs ONNX Runtime.
#[must_use]
pub fn installed_onnxruntimes() -> Vec<PathBuf> {
    let home = variable("MODELYARD_HOME")
        .or_else(|| variable("XDG_DATA_HOME").map(|data| data.join("modelyard")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/share/modelyard")));
    home.map(|home| home.join("engines/onnxruntime")).into_iter().collect()
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "'{}' is missing: run `cargo xtask setup`", path.display());
    path
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
