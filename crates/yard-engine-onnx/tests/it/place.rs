//! Where the models and the library are.

use std::{env, path::PathBuf};

use yard_engine::Engine;
use yard_engine_onnx::{OnnxRuntime, Rten, find_library};

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder that `cargo xtask setup` fills.
pub(crate) fn assets() -> PathBuf {
    let found = variable("MODELYARD_TEST_ASSETS").or_else(|| {
        let cache = variable("MODELYARD_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("modelyard")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/modelyard")))?;
        Some(cache.join("assets/current"))
    });
    let found = found.expect("neither MODELYARD_TEST_ASSETS nor HOME is set");
    assert!(found.is_dir(), "'{}' is missing: run `cargo xtask setup`", found.display());
    found
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

/// Both engines.
pub(crate) fn engines() -> Vec<Box<dyn Engine>> {
    vec![Box::new(onnx_runtime()), Box::new(Rten::new())]
}

/// Resident memory of this process.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024
}
