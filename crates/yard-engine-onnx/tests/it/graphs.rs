//! Small graphs built in code, for what the models of the contract do not show.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use yard_engine::{
    Engine, JoiningProof, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, ProofRequest,
    RowJoining, RunControl, prove,
};
use yard_engine_onnx::{OnnxRuntime, Rten, engines_available};
use yard_onnx::{GraphBuilder, attribute, proto};
use yard_types::{DataType, Dim, Tensor, TensorData};

use yard_fixtures::assets;

use crate::place::{engines, onnx_runtime};

struct Package {
    folder: tempfile::TempDir,
}

impl Package {
    fn of(graph: GraphBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), graph.into_bytes()).unwrap();
        Self { folder }
    }

    fn load(&self, engine: &dyn Engine) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let package = ModelPackage::new(self.folder.path(), "model.onnx".parse().unwrap());
        engine.load(&package, &LoadOptions::default())
    }
}

fn rows(inner: &[usize]) -> Vec<Dim> {
    let inner = inner.iter().map(|size| Dim::Fixed(*size));
    std::iter::once(Dim::Symbol("rows".to_owned())).chain(inner).collect()
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).unwrap()
}

fn ints(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Int64(values.to_vec())).unwrap()
}

fn run(model: &Arc<dyn LoadedModel>, inputs: &[Tensor]) -> Result<Vec<Tensor>, PredictError> {
    model.predict(inputs, &RunControl::new())
}

#[test]
fn scalars_and_empty_inner_dimensions_pass() {
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Fp32, &[Dim::Any, Dim::Any][..])
        .input("s", DataType::Fp32, &[][..])
        .node("Mul", &["x", "s"], &["y"], vec![])
        .node("Identity", &["s"], &["t"], vec![])
        .output("y", DataType::Fp32, &[Dim::Any, Dim::Any][..])
        .output("t", DataType::Fp32, &[][..]);
    let package = Package::of(graph);
    for engine in engines() {
        let model = package.load(engine.as_ref()).unwrap();
        let two = floats(&[], &[2.0]);
        let outputs = run(&model, &[floats(&[1, 2], &[1.0, 3.0]), two.clone()]).unwrap();
        assert_eq!(outputs, [floats(&[1, 2], &[2.0, 6.0]), two.clone()]);
        let outputs = run(&model, &[floats(&[3, 0], &[]), two.clone()]).unwrap();
        assert_eq!(outputs, [floats(&[3, 0], &[]), two], "{:?}", engine.info());
        assert!(matches!(model.row_joining(), RowJoining::Refused(reason) if reason.contains("scalar")));
    }
}

#[test]
fn truth_values_and_wide_integers_come_back_as_declared() {
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Int64, &rows(&[2])[..])
        .initializer("one", &ints(&[], &[1]))
        .node("Add", &["x", "one"], &["y"], vec![])
        .node("Greater", &["x", "one"], &["b"], vec![])
        .output("y", DataType::Int64, &rows(&[2])[..])
        .output("b", DataType::Bool, &rows(&[2])[..]);
    let package = Package::of(graph);
    for engine in engines() {
        let model = package.load(engine.as_ref()).unwrap();
        let outputs = run(&model, &[ints(&[1, 2], &[-5, 7])]).unwrap();
        assert_eq!(outputs[0], ints(&[1, 2], &[-4, 8]));
        assert_eq!(outputs[1].data(), &TensorData::Bool(vec![false, true]));
        assert_eq!(model.row_joining(), RowJoining::Plausible);
    }
}

#[test]
fn many_inputs_and_outputs_keep_their_order() {
    let mut graph = GraphBuilder::new(17);
    for place in 0..20 {
        graph = graph.input(&format!("i{place}"), DataType::Fp32, &rows(&[1])[..]);
    }
    for place in (0..20).rev() {
        let (input, output) = (format!("i{place}"), format!("o{place}"));
        graph = graph.node("Neg", &[&input], &[&output], vec![]);
        graph = graph.output(&output, DataType::Fp32, &rows(&[1])[..]);
    }
    let package = Package::of(graph);
    let inputs: Vec<Tensor> = (0..20_u8).map(|place| floats(&[1, 1], &[f32::from(place)])).collect();
    let expected: Vec<Tensor> = (0..20_u8).rev().map(|place| floats(&[1, 1], &[-f32::from(place)])).collect();
    for engine in engines() {
        let model = package.load(engine.as_ref()).unwrap();
        assert_eq!(run(&model, &inputs).unwrap(), expected, "{:?}", engine.info());
    }
}

#[test]
fn byte_strings_of_any_content_pass_through_onnx_runtime() {
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Bytes, &rows(&[])[..])
        .node("Identity", &["x"], &["y"], vec![])
        .output("y", DataType::Bytes, &rows(&[])[..]);
    let model = Package::of(graph).load(&onnx_runtime()).unwrap();
    let texts: Vec<Bytes> = vec![
        Bytes::new(),
        Bytes::from_static(b"a\0b"),
        Bytes::from_static(&[0xff, 0xfe, 0]),
        Bytes::from("grün".to_owned()),
        Bytes::from(vec![b'x'; 100_000]),
        Bytes::new(),
    ];
    let input = Tensor::new(vec![6], TensorData::Bytes(texts)).unwrap();
    assert_eq!(run(&model, std::slice::from_ref(&input)).unwrap(), [input]);
}

#[test]
fn outputs_that_are_no_tensors_are_refused() {
    let element = Some(Box::new(proto::TypeProto {
        value: Some(proto::type_proto::Value::TensorType(proto::type_proto::Tensor {
            elem_type: 1,
            shape: None,
        })),
        denotation: String::new(),
    }));
    let sequence =
        proto::type_proto::Value::SequenceType(Box::new(proto::type_proto::Sequence { elem_type: element }));
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Fp32, &rows(&[2])[..])
        .node("SequenceConstruct", &["x"], &["y"], vec![])
        .output_of_type("y", proto::TypeProto { value: Some(sequence), denotation: String::new() });
    let package = Package::of(graph);
    for engine in engines() {
        let error = package.load(engine.as_ref()).unwrap_err();
        assert!(matches!(error, LoadError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("output 'y' is a sequence"), "{error}");
    }
}

fn external(graph: GraphBuilder, file: &str) -> GraphBuilder {
    graph
        .input("x", DataType::Fp32, &rows(&[2])[..])
        .external_initializer("w", DataType::Fp32, &[2, 3], file, 8, 24)
        .node("MatMul", &["x", "w"], &["scores"], vec![])
}

fn put_weights(package: &Package, file: &str) {
    let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let bytes: Vec<u8> =
        [0; 8].into_iter().chain(values.iter().flat_map(|value| value.to_le_bytes())).collect();
    let path = package.folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn weights_in_other_files_are_found() {
    let answer = |file: &str, engine: &dyn Engine| {
        let graph = external(GraphBuilder::new(17), file).output("scores", DataType::Fp32, &rows(&[3])[..]);
        let package = Package::of(graph);
        put_weights(&package, file);
        package.load(engine).map(|model| run(&model, &[floats(&[1, 2], &[1.0, 10.0])]).unwrap())
    };
    let expected = [floats(&[1, 3], &[41.0, 52.0, 63.0])];
    for file in ["weights.data", "deep/er/weights.bin", "./weights.data"] {
        assert_eq!(answer(file, &onnx_runtime()).unwrap(), expected, "{file}");
    }
    assert_eq!(answer("weights.data", &Rten::new()).unwrap(), expected);
    let error = answer("deep/weights.data", &Rten::new()).unwrap_err();
    assert!(error.to_string().contains("beside the model"), "{error}");
}

#[test]
fn a_zip_map_and_weights_in_another_file_go_together() {
    let map = proto::type_proto::Map {
        key_type: 8,
        value_type: Some(Box::new(proto::TypeProto {
            value: Some(proto::type_proto::Value::TensorType(proto::type_proto::Tensor {
                elem_type: 1,
                shape: None,
            })),
            denotation: String::new(),
        })),
    };
    let map = proto::TypeProto {
        value: Some(proto::type_proto::Value::MapType(Box::new(map))),
        denotation: String::new(),
    };
    let sequence = proto::type_proto::Sequence { elem_type: Some(Box::new(map)) };
    let sequence = proto::type_proto::Value::SequenceType(Box::new(sequence));
    let graph = external(GraphBuilder::new(17).import("ai.onnx.ml", 3), "weights.data")
        .node_of(
            "ai.onnx.ml",
            "ZipMap",
            &["scores"],
            &["y"],
            vec![attribute::strings("classlabels_strings", &["a", "b", "c"])],
        )
        .output_of_type("y", proto::TypeProto { value: Some(sequence), denotation: String::new() });
    let package = Package::of(graph);
    put_weights(&package, "weights.data");
    let model = package.load(&onnx_runtime()).unwrap();
    assert_eq!(model.signature().outputs[0].labels.as_ref().unwrap(), &["a", "b", "c"]);
    assert_eq!(
        run(&model, &[floats(&[1, 2], &[1.0, 10.0])]).unwrap(),
        [floats(&[1, 3], &[41.0, 52.0, 63.0])]
    );
}

#[test]
fn inputs_that_a_node_refuses_are_the_callers_mistake() {
    let graph = GraphBuilder::new(17)
        .input("a", DataType::Fp32, &[Dim::Any][..])
        .input("b", DataType::Fp32, &[Dim::Any][..])
        .node("Add", &["a", "b"], &["y"], vec![])
        .output("y", DataType::Fp32, &[Dim::Any][..]);
    let package = Package::of(graph);
    for engine in engines() {
        let model = package.load(engine.as_ref()).unwrap();
        let error = run(&model, &[floats(&[2], &[1.0; 2]), floats(&[3], &[1.0; 3])]).unwrap_err();
        assert!(matches!(error, PredictError::BadInput(_)), "{:?}: {error:?}", engine.info());
    }
}

#[test]
fn rten_refuses_what_it_would_narrow_and_names_it() {
    let pass = |graph: GraphBuilder| {
        graph.input("x", DataType::Fp32, &rows(&[2])[..]).output("y", DataType::Fp32, &rows(&[2])[..])
    };
    let refusal = |graph: GraphBuilder| Package::of(graph).load(&Rten::new()).unwrap_err();

    let wide = refusal(
        pass(GraphBuilder::new(17))
            .initializer("big", &ints(&[1], &[1 << 40]))
            .node("Cast", &["big"], &["f"], vec![attribute::int("to", 1)])
            .node("Add", &["x", "f"], &["y"], vec![]),
    );
    assert!(matches!(&wide, LoadError::UnsupportedType { data_type: DataType::Int64, .. }), "{wide:?}");
    assert!(
        wide.to_string().contains("initializer 'big'") && wide.to_string().contains("ONNX Runtime"),
        "{wide}"
    );

    let double = Tensor::new(vec![2], TensorData::Fp64(vec![0.1, 0.2])).unwrap();
    let double = refusal(
        pass(GraphBuilder::new(17))
            .initializer("d", &double)
            .node("Cast", &["d"], &["f"], vec![attribute::int("to", 1)])
            .node("Add", &["x", "f"], &["y"], vec![]),
    );
    assert!(matches!(&double, LoadError::UnsupportedType { data_type: DataType::Fp64, .. }), "{double:?}");

    let inside = refusal(
        pass(GraphBuilder::new(17)).node("Cast", &["x"], &["d"], vec![attribute::int("to", 11)]).node(
            "Cast",
            &["d"],
            &["y"],
            vec![attribute::int("to", 1)],
        ),
    );
    assert!(inside.to_string().contains("node 'Cast_0'"), "{inside}");

    let lacking = refusal(pass(GraphBuilder::new(17)).node("Hardmax", &["x"], &["y"], vec![]));
    assert!(
        matches!(&lacking, LoadError::UnsupportedOperator { operator, node, .. } if operator == "Hardmax" && node == "Hardmax_0"),
        "{lacking:?}"
    );
}

#[test]
fn rten_takes_the_bounds_that_exporters_write_for_all() {
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Fp32, &rows(&[3])[..])
        .initializer("from", &ints(&[1], &[1]))
        .initializer("to", &ints(&[1], &[i64::MAX]))
        .initializer("axis", &ints(&[1], &[1]))
        .node("Slice", &["x", "from", "to", "axis"], &["y"], vec![])
        .output("y", DataType::Fp32, &rows(&[2])[..]);
    let package = Package::of(graph);
    for engine in engines() {
        let model = package.load(engine.as_ref()).unwrap();
        let outputs = run(&model, &[floats(&[1, 3], &[1.0, 2.0, 3.0])]).unwrap();
        assert_eq!(outputs, [floats(&[1, 2], &[2.0, 3.0])]);
    }
}

#[test]
fn one_library_serves_the_whole_process() {
    let engine = onnx_runtime();
    assert!(engine.info().version.starts_with("1."), "{:?}", engine.info());
    let again = onnx_runtime();
    assert_eq!(engine.info(), again.info());
    let missing = OnnxRuntime::open(Path::new("/nonexistent/libonnxruntime.so")).unwrap_err();
    assert!(matches!(missing, LoadError::EngineMissing { .. }), "{missing:?}");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("libonnxruntime.so");
    fs::write(&other, b"not a library").unwrap();
    let error = OnnxRuntime::open(&other).unwrap_err().to_string();
    assert!(error.contains("is loaded already"), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_refused_and_rten_remains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    fs::write(&path, b"not a library").unwrap();
    let (engines, error) = engines_available(Some(&path));
    assert_eq!(engines.len(), 1);
    assert!(matches!(error, Some(LoadError::EngineMissing { .. })), "{error:?}");
}

#[test]
fn the_proof_tells_models_whose_rows_may_be_joined_from_others() {
    let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(onnx_runtime()), Arc::new(Rten::new())];
    let name = "m".parse().unwrap();
    let proven = |model: &str, preferred: Option<&str>| {
        let package = ModelPackage::new(assets().join("models").join(model), "model.onnx".parse().unwrap());
        let request = ProofRequest { preferred: preferred.map(str::to_owned), ..ProofRequest::default() };
        prove(&engines, &name, &package, &request, &crate::place::resident_bytes).unwrap()
    };
    for engine in ["onnxruntime", "rten"] {
        let proof = proven("mlp-100-128-10", Some(engine));
        assert_eq!(proof.engine.name, engine);
        assert!(matches!(proof.joining, JoiningProof::Allowed { .. }), "{:?}", proof.joining);
        assert!(proof.single_run.is_some());
    }
    let JoiningProof::Refused { reason } = proven("batch-mean", None).joining else { panic!("joined") };
    assert!(reason.contains("axis of the rows"), "{reason}");
    let JoiningProof::Refused { reason } = proven("dynamic-quantized", None).joining else {
        panic!("joined")
    };
    assert!(reason.contains("DynamicQuantizeLinear"), "{reason}");
    let proof = proven("gbt-classifier", Some("rten"));
    assert_eq!(proof.engine.name, "onnxruntime", "RTen lacks trees");
}

#[test]
fn a_model_that_sees_ever_new_shapes_stops_planning_for_them_and_answers_the_same() {
    let open = &[Dim::Any, Dim::Any][..];
    let graph = GraphBuilder::new(17)
        .input("x", DataType::Fp32, open)
        .node("Mul", &["x", "x"], &["y"], vec![])
        .node("Add", &["y", "x"], &["z"], vec![])
        .output("z", DataType::Fp32, open);
    let package = Package::of(graph);
    let model = package.load(&onnx_runtime()).unwrap();
    let is_exchanged = || format!("{model:?}").contains("is_exchanged: true");
    for width in 1..=1100 {
        let answer = run(&model, &[floats(&[1, width], &vec![3.0; width])]).unwrap();
        assert_eq!(answer, [floats(&[1, width], &vec![12.0; width])]);
        // The same shape again is no new one.
        run(&model, &[floats(&[1, 1], &[3.0])]).unwrap();
        assert_eq!(is_exchanged(), width > 1024, "{width}");
    }
}
