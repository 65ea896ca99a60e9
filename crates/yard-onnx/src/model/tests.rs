use proptest::prelude::*;
use yard_types::{DataType, Dim, Tensor, TensorData};

use super::*;
use crate::{GraphBuilder, attribute};

/// A graph with a little of everything: inner graphs, constants, a ZipMap, strings.
fn everything() -> Vec<u8> {
    let rows = Dim::Symbol("rows".to_owned());
    let weights = Tensor::new(vec![3, 2], TensorData::Fp32(vec![0.5; 6])).unwrap();
    let shape = Tensor::new(vec![2], TensorData::Int64(vec![-1, 3])).unwrap();
    let inner = GraphBuilder::new(15).initializer("w2", &weights).node("Identity", &["x"], &["z"], vec![]);
    GraphBuilder::new(15)
        .import("ai.onnx.ml", 3)
        .input("x", DataType::Fp32, &[rows.clone(), Dim::Fixed(3)][..])
        .input("flag", DataType::Bool, &[][..])
        .initializer("w", &weights)
        .initializer("shape", &shape)
        .external_initializer("far", DataType::Int64, &[2], "weights.data", 0, 16)
        .node("Reshape", &["x", "shape"], &["r"], vec![])
        .node("If", &["flag"], &["i"], vec![attribute::graph("then_branch", inner.into_graph())])
        .node("MatMul", &["r", "w"], &["m"], vec![])
        .node_of(
            "ai.onnx.ml",
            "ZipMap",
            &["m"],
            &["p"],
            vec![attribute::strings("classlabels_strings", &["no", "yes"])],
        )
        .output("p", DataType::Fp32, &[rows, Dim::Fixed(2)][..])
        .into_bytes()
}

/// Everything that is done with a file before an engine sees it.
fn examine(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(model) = Model::decode(bytes, &ReadLimits::default()) else { return };
    let _ = model.check_weights();
    let _ = model.check_external(Path::new("/nonexistent"));
    let _ = model.external_files();
    let _ = model.operators();
    let _ = model.signature();
    let _ = model.check_rows_independent();
    let _ = model.slice_bounds();
    let _ = model.cast_targets();
    if let Ok(Some(rewritten)) = model.without_zip_maps() {
        let _ = rewritten.signature();
        let _ = rewritten.check_rows_independent();
    }
}

#[test]
fn the_sample_is_a_model() {
    let model = Model::decode(everything().into(), &ReadLimits::default()).unwrap();
    model.check_weights().unwrap();
    let operators: Vec<String> = model.operators().iter().map(|used| used.qualified()).collect();
    assert_eq!(operators, ["Reshape", "If", "Identity", "MatMul", "ai.onnx.ml.ZipMap"]);
    assert_eq!(
        (model.opset(""), model.opset("ai.onnx"), model.opset("ai.onnx.ml")),
        (Some(15), Some(15), Some(3))
    );
    assert!(model.without_zip_maps().unwrap().is_some());
}

#[test]
fn what_is_no_model_is_refused() {
    for bytes in [&b""[..], b"hello", b"\x08\x07", b"\x3a\x00", &[0xff; 100]] {
        let error = Model::decode(Bytes::copy_from_slice(bytes), &ReadLimits::default()).unwrap_err();
        assert!(matches!(error, OnnxError::Malformed(_)), "{error:?}");
    }
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    std::fs::write(&file, everything()).unwrap();
    let link = folder.path().join("link.onnx");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    Model::read(&file, &ReadLimits::default()).unwrap();
    assert!(matches!(Model::read(&link, &ReadLimits::default()), Err(OnnxError::Malformed(_))));
    assert!(matches!(Model::read(folder.path(), &ReadLimits::default()), Err(OnnxError::Malformed(_))));
    assert!(matches!(
        Model::read(&folder.path().join("none"), &ReadLimits::default()),
        Err(OnnxError::Io(_))
    ));
    let sparse = std::fs::File::create(folder.path().join("sparse.onnx")).unwrap();
    sparse.set_len(300 << 20).unwrap();
    let limits = ReadLimits { max_weight_bytes: 1 << 20 };
    let error = Model::read(&folder.path().join("sparse.onnx"), &limits).unwrap_err();
    assert!(matches!(error, OnnxError::TooLarge { .. }), "{error:?}");
}

#[test]
fn a_model_cut_off_anywhere_never_panics() {
    let bytes = everything();
    for length in 0..bytes.len() {
        examine(&bytes[..length]);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        examine(&bytes);
    }

    #[test]
    fn a_model_with_some_bytes_changed_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = everything();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        examine(&bytes);
    }
}
