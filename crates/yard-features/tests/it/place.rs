//! Where the engines are.

use yard_engine_onnx::{OnnxRuntime, find_library};
use yard_fixtures::{installed_onnxruntimes, named_onnxruntime};

/// ONNX Runtime, which `cargo xtask setup` installs.
pub(crate) fn onnx_runtime() -> OnnxRuntime {
    let library = find_library(named_onnxruntime().as_deref(), &installed_onnxruntimes())
        .expect("ONNX Runtime is not installed: run `cargo xtask setup`");
    OnnxRuntime::open(&library).expect("ONNX Runtime cannot be opened")
}
