use std::{fs, os::unix::fs::symlink};

use yard_types::DataType;

use super::*;
use crate::{GraphBuilder, ReadLimits};

/// A package with `weights.data` of 64 bytes and a folder `deep` with the same.
fn package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("package")).unwrap();
    fs::create_dir(folder.path().join("package/deep")).unwrap();
    for name in ["outside.data", "package/weights.data", "package/deep/weights.data"] {
        fs::write(folder.path().join(name), [0; 64]).unwrap();
    }
    symlink("../outside.data", folder.path().join("package/link.data")).unwrap();
    symlink("..", folder.path().join("package/up")).unwrap();
    folder
}

fn check(folder: &Path, file: &str, offset: u64, length: u64) -> Result<(), OnnxError> {
    let bytes = GraphBuilder::new(17)
        .external_initializer("w", DataType::Fp32, &[8], file, offset, length)
        .output("y", DataType::Fp32, None)
        .into_bytes();
    let model = Model::decode(bytes.into(), &ReadLimits::default()).unwrap();
    assert_eq!(model.check_weights().unwrap(), 32, "external data counts as weights");
    model.check_external(&folder.join("package"))
}

#[test]
fn files_inside_the_package_are_taken() {
    let folder = package();
    for (file, offset) in [("weights.data", 0), ("./weights.data", 32), ("deep/weights.data", 16)] {
        check(folder.path(), file, offset, 32).unwrap();
    }
}

#[test]
fn nothing_outside_the_package_is_reached() {
    let folder = package();
    let absolute = folder.path().join("outside.data").to_string_lossy().into_owned();
    for file in [
        "../outside.data",
        "deep/../../outside.data",
        absolute.as_str(),
        "/etc/passwd",
        "link.data",
        "up/outside.data",
        "deep",
        "missing.data",
        "weights.data/x",
        "",
        "*/_ORT_MEM_ADDR_/*",
    ] {
        let error = check(folder.path(), file, 0, 32).expect_err(file);
        assert!(matches!(error, OnnxError::ForeignFile { .. } | OnnxError::Io(_)), "{file}: {error:?}");
    }
}

#[test]
fn data_beyond_the_end_is_refused() {
    let folder = package();
    for (offset, length) in [(33, 32), (64, 32), (u64::MAX, 32), (u64::MAX - 31, 32)] {
        let error = check(folder.path(), "weights.data", offset, length).unwrap_err();
        assert!(error.to_string().contains("shorter than the model says"), "{error}");
    }
    let error = check(folder.path(), "weights.data", 0, 31).unwrap_err();
    assert!(matches!(error, OnnxError::Malformed(_)), "{error:?}");
}

#[test]
fn each_file_is_named_once() {
    let graph = GraphBuilder::new(17)
        .external_initializer("a", DataType::Fp32, &[1], "x.data", 0, 4)
        .external_initializer("b", DataType::Fp32, &[1], "x.data", 4, 4)
        .external_initializer("c", DataType::Fp32, &[1], "a/y.data", 0, 4)
        .output("y", DataType::Fp32, None);
    let model = Model::decode(graph.into_bytes().into(), &ReadLimits::default()).unwrap();
    let files: Vec<String> = model.external_files().unwrap().iter().map(PackagePath::to_string).collect();
    assert_eq!(files, ["a/y.data", "x.data"]);
}
