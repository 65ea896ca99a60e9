//! The proof against engines that compute for real: one that works row by row, and some that misbehave.

use yard_types::{DataType, Dim, TensorData, TensorSpec};

use super::*;
use crate::RowJoining;

/// What the model of the test does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behaviour {
    /// `y = 2 x + 1`, row by row.
    Affine,
    /// `y = x - mean(x)` over all rows, while its graph looks harmless.
    MixesRows,
    /// Always fails.
    Fails,
    /// Fails unless the second dimension is 32.
    WantsThirtyTwo,
    /// Gives one row whatever it gets.
    OneRow,
}

#[derive(Debug)]
struct TestEngine {
    name: &'static str,
    refusal: Option<fn() -> LoadError>,
    behaviour: Behaviour,
    width: Dim,
}

#[derive(Debug)]
struct TestModel {
    signature: Signature,
    behaviour: Behaviour,
}

impl Engine for TestEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: self.name, version: "1".into() }
    }

    fn load(&self, _: &ModelPackage, _: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal());
        }
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            data_type: DataType::Fp32,
            shape: Some(vec![Dim::Symbol("batch".into()), self.width.clone()]),
            labels: None,
        };
        let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] };
        Ok(Arc::new(TestModel { signature, behaviour: self.behaviour }))
    }
}

impl LoadedModel for TestModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Plausible
    }

    fn predict(&self, inputs: &[Tensor], _: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        let TensorData::Fp32(values) = inputs[0].data() else {
            return Err(PredictError::BadInput("not FP32".into()));
        };
        let mut shape = inputs[0].shape().to_vec();
        let outputs: Vec<f32> = match self.behaviour {
            Behaviour::Fails => return Err(PredictError::BadInput("never".into())),
            Behaviour::WantsThirtyTwo if shape[1] != 32 => {
                return Err(PredictError::BadInput("not 32".into()));
            }
            Behaviour::MixesRows => {
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                values.iter().map(|value| value - mean).collect()
            }
            Behaviour::OneRow => {
                shape[0] = 1;
                values[..shape[1]].to_vec()
            }
            Behaviour::Affine | Behaviour::WantsThirtyTwo => {
                values.iter().map(|value| 2.0 * value + 1.0).collect()
            }
        };
        Ok(vec![Tensor::new(shape, TensorData::Fp32(outputs)).unwrap()])
    }
}

fn engine(name: &'static str, behaviour: Behaviour, width: Dim) -> Arc<dyn Engine> {
    Arc::new(TestEngine { name, refusal: None, behaviour, width })
}

fn refusing(name: &'static str, refusal: fn() -> LoadError) -> Arc<dyn Engine> {
    Arc::new(TestEngine { name, refusal: Some(refusal), behaviour: Behaviour::Affine, width: Dim::Fixed(2) })
}

fn run(engines: &[Arc<dyn Engine>], request: &ProofRequest) -> Result<Proof, ProofError> {
    let package = ModelPackage::new("unused", "model.onnx".parse().unwrap());
    prove(engines, &"m".parse().unwrap(), &package, request, &|| 0)
}

fn prove_one(behaviour: Behaviour, width: Dim) -> Result<Proof, ProofError> {
    run(&[engine("one", behaviour, width)], &ProofRequest::default())
}

fn row(values: &[f32]) -> Tensor {
    Tensor::new(vec![1, values.len()], TensorData::Fp32(values.to_vec())).unwrap()
}

fn sample(input: &[f32], output: &[f32]) -> GoldenSample {
    let named = |name: &str, values| NamedTensor { name: name.into(), tensor: row(values) };
    GoldenSample {
        inputs: vec![named("x", input)],
        outputs: vec![named("y", output)],
        tolerance: Tolerance::default(),
    }
}

#[test]
fn a_model_that_works_row_by_row_may_be_joined() {
    let proof = prove_one(Behaviour::Affine, Dim::Fixed(4)).unwrap();
    assert_eq!(proof.joining, JoiningProof::Allowed { max_difference: 0.0 });
    assert_eq!(proof.warm_up, WarmUp::Ran { shapes: vec![vec![1, 4]] });
    assert!(proof.single_run.is_some());
}

#[test]
fn a_model_that_mixes_rows_is_found_out_by_running_it() {
    let proof = prove_one(Behaviour::MixesRows, Dim::Fixed(4)).unwrap();
    let JoiningProof::Refused { reason } = proof.joining else { panic!("{:?}", proof.joining) };
    assert!(reason.contains("joined rows differ from single ones"), "{reason}");
}

#[test]
fn outputs_that_are_not_by_rows_are_never_joined() {
    let proof = prove_one(Behaviour::OneRow, Dim::Fixed(4)).unwrap();
    let JoiningProof::Refused { reason } = proof.joining else { panic!("{:?}", proof.joining) };
    assert!(reason.contains("has shape [1, 4]"), "{reason}");
}

#[test]
fn open_dimensions_are_guessed_and_a_wrong_guess_is_no_refusal() {
    let proof = prove_one(Behaviour::WantsThirtyTwo, Dim::Any).unwrap();
    assert_eq!(proof.warm_up, WarmUp::Ran { shapes: vec![vec![1, 32]] });
    let proof = prove_one(Behaviour::Fails, Dim::Any).unwrap();
    assert!(matches!(proof.warm_up, WarmUp::Skipped { .. }), "{:?}", proof.warm_up);
    assert_eq!(proof.single_run, None);
    assert!(matches!(proof.joining, JoiningProof::Refused { .. }));
}

#[test]
fn a_model_that_cannot_run_although_its_shape_is_plain_is_refused() {
    let error = prove_one(Behaviour::Fails, Dim::Fixed(4)).unwrap_err();
    assert!(matches!(error, ProofError::Fails { .. }), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn golden_samples_must_reproduce() {
    let engines = [engine("one", Behaviour::Affine, Dim::Fixed(2))];
    let prove_with = |samples| run(&engines, &ProofRequest { golden: samples, ..ProofRequest::default() });
    let good = sample(&[1.0, 2.0], &[3.0, 5.0]);
    assert_eq!(prove_with(vec![good.clone()]).unwrap().golden_samples, 1);

    let error = prove_with(vec![good.clone(), sample(&[1.0, 2.0], &[3.0, 5.25])]).unwrap_err().to_string();
    assert!(
        error.starts_with("golden sample 1 does not reproduce: output 'y': element 1 is 5, expected 5.25"),
        "{error}"
    );

    let error = prove_with(vec![sample(&[1.0], &[3.0])]).unwrap_err();
    assert!(matches!(error, ProofError::GoldenMismatch { index: 0, .. }), "{error}");

    let mut renamed = good;
    renamed.outputs[0].name = "z".into();
    assert!(prove_with(vec![renamed]).unwrap_err().to_string().contains("no output 'z'"));
}

#[test]
fn the_first_engine_that_takes_the_model_serves_it() {
    let lacks = || LoadError::UnsupportedOperator {
        engine: "small",
        operator: "Scaler".into(),
        node: "n".into(),
        instead: "ONNX Runtime has it",
    };
    let engines = [refusing("small", lacks), engine("large", Behaviour::Affine, Dim::Fixed(2))];
    assert_eq!(run(&engines, &ProofRequest::default()).unwrap().engine.name, "large");

    let error = run(&engines[..1], &ProofRequest::default()).unwrap_err();
    assert_eq!(error.to_string(), "small has no operator 'Scaler' (node 'n'); ONNX Runtime has it");
    assert_eq!(error.code(), ErrorCode::Unsupported);
}

#[test]
fn advice_to_use_an_engine_that_refused_as_well_is_not_given() {
    let refuses = || LoadError::Refused { engine: "large", reason: "no such operator".into() };
    let lacks = || LoadError::UnsupportedOperator {
        engine: "small",
        operator: "Scaler".into(),
        node: "n".into(),
        instead: "use large",
    };
    let error = run(&[refusing("large", refuses), refusing("small", lacks)], &ProofRequest::default());
    assert_eq!(error.unwrap_err().to_string(), "large refused the model: no such operator");
    let missing = || LoadError::EngineMissing { engine: "large", reason: "no library".into() };
    let error = run(&[refusing("large", missing), refusing("small", lacks)], &ProofRequest::default());
    assert!(error.unwrap_err().to_string().ends_with("(node 'n'); use large"));
}

#[test]
fn the_preferred_engine_goes_first_and_must_be_there() {
    let engines = [
        engine("a", Behaviour::Affine, Dim::Fixed(2)),
        engine("b", Behaviour::Affine, Dim::Fixed(2)),
        engine("c", Behaviour::Affine, Dim::Fixed(2)),
    ];
    let prefer = |name: &str| ProofRequest { preferred: Some(name.into()), ..ProofRequest::default() };
    assert_eq!(run(&engines, &prefer("c")).unwrap().engine.name, "c");
    let error = run(&engines, &prefer("d")).unwrap_err().to_string();
    assert_eq!(error, "engine 'd' is not on this machine; there are: a, b, c");
}

#[test]
fn a_broken_file_is_broken_for_every_engine() {
    let broken = || LoadError::Malformed {
        file: "model.onnx".parse().unwrap(),
        reason: "it ends in the middle".into(),
    };
    let engines = [refusing("a", broken), engine("b", Behaviour::Affine, Dim::Fixed(2))];
    let error = run(&engines, &ProofRequest::default()).unwrap_err();
    assert_eq!(error.to_string(), "'model.onnx' is not a valid model: it ends in the middle");
}

#[test]
fn tolerances_apply_to_fractions_only() {
    let whole = |value| Tensor::new(vec![1], TensorData::Int64(vec![value])).unwrap();
    assert!(compare::within(&whole(1), &whole(2), Tolerance { absolute: 5.0, relative: 5.0 }).is_err());
    let fraction = |value| Tensor::new(vec![1], TensorData::Fp32(vec![value])).unwrap();
    let loose = Tolerance { absolute: 0.5, relative: 0.0 };
    assert_eq!(compare::within(&fraction(1.0), &fraction(1.25), loose), Ok(0.25));
    assert!(compare::within(&fraction(1.0), &fraction(2.0), loose).is_err());
    assert!(compare::within(&fraction(1.0), &fraction(f32::NAN), loose).is_err());
    assert_eq!(compare::within(&fraction(f32::NAN), &fraction(f32::NAN), loose), Ok(0.0));
    assert_eq!(compare::within(&fraction(f32::INFINITY), &fraction(f32::INFINITY), loose), Ok(0.0));
}
