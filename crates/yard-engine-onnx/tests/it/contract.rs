//! The contract suite over both engines.

use yard_engine::{
    Tolerance,
    contract::{
        Broken, Refusal, Subject, batches_equal_singles, concurrent_runs, element_types, hostile_packages,
        joining_verdicts, loading_and_dropping, real_models, shared_weights, stopping, wrong_inputs,
    },
};
use yard_engine_onnx::Rten;
use yard_types::DataType;

use yard_fixtures::assets;

use crate::place::{onnx_runtime, resident_bytes};

/// ONNX Runtime of the same release gives the same bits; another one, or another processor, may round otherwise.
const ROUNDING: Tolerance = Tolerance { absolute: 1e-6, relative: 1e-6 };
/// RTen sums in another order; measured: 2e-5 at 0.54 (PP-OCR detector), 5e-5 at 1.6 (MiniLM).
const OTHER_ORDER: Tolerance = Tolerance { absolute: 1e-4, relative: 1e-5 };

const RTEN_TYPES: [DataType; 6] =
    [DataType::Bool, DataType::Uint8, DataType::Int8, DataType::Int32, DataType::Int64, DataType::Fp32];

const RTEN_REFUSES: [(&str, Refusal); 7] = [
    ("cast-bf16", Refusal::ElementType),
    ("strings", Refusal::Operator),
    ("sklearn-pipeline", Refusal::Operator),
    ("sklearn-pipeline-tensor", Refusal::Operator),
    ("sklearn-integer-labels", Refusal::Operator),
    ("gbt-classifier", Refusal::Operator),
    ("gbt-regressor", Refusal::Operator),
];

fn with_onnx_runtime(clause: impl FnOnce(&Subject<'_>) -> Result<(), Broken>) {
    let engine = onnx_runtime();
    let assets = assets();
    let subject = Subject {
        engine: &engine,
        assets: &assets,
        element_types: &DataType::ALL,
        refuses: &[],
        tolerance: ROUNDING,
        stops_runs: true,
        widest_integer_bits: 64,
    };
    keeps(&subject, clause);
}

fn with_rten(clause: impl FnOnce(&Subject<'_>) -> Result<(), Broken>) {
    let assets = assets();
    let subject = Subject {
        engine: &Rten::new(),
        assets: &assets,
        element_types: &RTEN_TYPES,
        refuses: &RTEN_REFUSES,
        tolerance: OTHER_ORDER,
        stops_runs: false,
        widest_integer_bits: 32,
    };
    keeps(&subject, clause);
}

#[track_caller]
fn keeps(subject: &Subject<'_>, clause: impl FnOnce(&Subject<'_>) -> Result<(), Broken>) {
    if let Err(broken) = clause(subject) {
        panic!("{} breaks the contract: {broken}", subject.engine.info().name);
    }
}

/// A test of each clause for each engine.
macro_rules! clauses {
    ($($clause:ident),*) => {
        mod onnx_runtime_keeps {
            $(
                #[test]
                fn $clause() {
                    super::with_onnx_runtime(super::$clause);
                }
            )*
        }

        mod rten_keeps {
            $(
                #[test]
                fn $clause() {
                    super::with_rten(super::$clause);
                }
            )*
        }
    };
}

clauses!(
    element_types,
    real_models,
    joining_verdicts,
    batches_equal_singles,
    concurrent_runs,
    stopping,
    wrong_inputs,
    hostile_packages
);

#[test]
fn onnx_runtime_keeps_no_memory_of_dropped_models() {
    with_onnx_runtime(|subject| loading_and_dropping(subject, &resident_bytes));
}

#[test]
fn rten_keeps_no_memory_of_dropped_models() {
    with_rten(|subject| loading_and_dropping(subject, &resident_bytes));
}

#[test]
fn threads_share_weights_in_onnx_runtime() {
    with_onnx_runtime(|subject| shared_weights(subject, &resident_bytes));
}

#[test]
fn threads_share_weights_in_rten() {
    with_rten(|subject| shared_weights(subject, &resident_bytes));
}
