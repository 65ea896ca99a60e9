//! Where the models and the library are.

use yard_engine::Engine;
use yard_engine_onnx::{OnnxRuntime, Rten, find_library};
use yard_fixtures::{installed_onnxruntimes, named_onnxruntime};

/// ONNX Runtime, which `cargo xtask setup` installs.
pub(crate) fn onnx_runtime() -> OnnxRuntime {
    let library = find_library(named_onnxruntime().as_deref(), &installed_onnxruntimes())
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
