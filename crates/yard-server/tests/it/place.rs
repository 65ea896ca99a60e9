//! Where the models are.

use std::{
    env,
    path::{Path, PathBuf},
};

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A model of the folder that `cargo xtask setup` fills.
fn model(name: &str) -> PathBuf {
    let assets = variable("MODELYARD_TEST_ASSETS").or_else(|| {
        let cache = variable("MODELYARD_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("modelyard")))
            .or_else(|| variable("HOME").map(|home| home.join(".cache/modelyard")))?;
        Some(cache.join("assets/current"))
    });
    let assets = assets.expect("neither MODELYARD_TEST_ASSETS nor HOME is set");
    let file = assets.join("models").join(name).join("model.onnx");
    assert!(file.is_file(), "'{}' is missing: run `cargo xtask setup`", file.display());
    file
}

/// The digits model, which both engines run.
pub(crate) fn digits() -> PathBuf {
    model("digits")
}

/// The digits that it has not seen: a header, then 64 pixels and a label a row.
pub(crate) fn held_out() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/digits/held_out.csv")
}
