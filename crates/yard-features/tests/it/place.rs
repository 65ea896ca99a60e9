//! Where the engines are.

use std::{env, path::PathBuf};

use yard_engine_onnx::{OnnxRuntime, find_library};

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// ONNX Runtime, which `cargo xtask setup` installs.
pub(crate) fn onnx_runtime() -> OnnxRuntime {
    let explicit = variable("ORT_DYLIB_PATH");
    let home = variable("MODELYARD_HOME")
        .or_else(|| variable("XDG_DATA_HOME").map(|data| data.join("modelyard")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/share/modelyard")));
    let candidates: Vec<PathBuf> = home.map(|home| home.join("engines/onnxruntime")).into_iter().collect();
    let library = find_library(explicit.as_deref(), &candidates)
        .expect("ONNX Runtime is not installed: run `cargo xtask setup`");
    OnnxRuntime::open(&library).expect("ONNX Runtime cannot be opened")
}
