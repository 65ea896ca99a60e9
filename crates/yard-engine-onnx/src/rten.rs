//! RTen, which is part of this program.

mod exactness;
mod threads;
mod value;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rten::{LoadErrorKind, ModelOptions, NodeId, RunErrorKind, RunOptions, Value};
use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{Signature, Tensor};

use self::threads::Pools;
use crate::opened::OpenedModel;

pub(crate) const NAME: &str = "rten";
/// The version that the workspace pins.
const VERSION: &str = "0.27.0";
/// The way out of everything that RTen cannot do.
pub(crate) const INSTEAD: &str = "ONNX Runtime can run it: install it with `modelyard engine install`";

/// RTen: no library to install, quick to load, and the plain operators of ONNX on the number types that it has.
///
/// It holds FP32, INT32, INT8 and UINT8 as they are, and INT64 and BOOL as 32-bit integers, exact as long as every value
/// fits; a model or an input with a larger one is refused, but the results of the model's own arithmetic on INT64 are not
/// watched. Other types and the operators of `ai.onnx.ml` are refused when the model is loaded.
///
/// **A run cannot be stopped**: [`RunControl`] is looked at before it begins and after it ends.
#[derive(Debug, Clone, Default)]
pub struct Rten;

/// A model in RTen; runs on it only read.
struct RtenModel {
    model: rten::Model,
    signature: Signature,
    row_joining: RowJoining,
    inputs: Vec<NodeId>,
    outputs: Vec<NodeId>,
    pools: Pools,
}

impl Rten {
    /// The embedded engine.
    pub const fn new() -> Self {
        Self
    }
}

impl Engine for Rten {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: NAME, version: VERSION.to_owned() }
    }

    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let opened = OpenedModel::open(package, options)?;
        exactness::check(&opened, package)?;
        let mut settings = ModelOptions::with_all_ops();
        for (location, path) in opened.external_locations(package)? {
            check_location(&location)?;
            settings.external_data(&location, std::fs::read(path)?);
        }
        let operators = opened.model.operators();
        let OpenedModel { model, signature, row_joining, .. } = opened;
        let bytes = model.bytes().clone();
        // The decoded file shares the buffer; without it the buffer need not be copied.
        drop(model);
        let loaded = guarded(|| settings.load(Vec::from(bytes)))
            .map_err(|reason| LoadError::Refused { engine: NAME, reason })?;
        let model = loaded.map_err(|error| {
            let node = error.node().unwrap_or_default();
            let used = operators.iter().find(|operator| operator.node == node);
            match used {
                Some(used) if error.kind() == LoadErrorKind::OperatorInvalid => {
                    LoadError::UnsupportedOperator {
                        engine: NAME,
                        operator: used.qualified(),
                        node: used.node.clone(),
                        instead: INSTEAD,
                    }
                }
                _ => LoadError::Refused { engine: NAME, reason: format!("{error}; {INSTEAD}") },
            }
        })?;
        let find = |name: &str| {
            let reason = || format!("it lost the input or output '{name}'; {INSTEAD}");
            model.find_node(name).ok_or_else(|| LoadError::Refused { engine: NAME, reason: reason() })
        };
        let inputs = signature.inputs.iter().map(|spec| find(&spec.name)).collect::<Result<_, _>>()?;
        let outputs = signature.outputs.iter().map(|spec| find(&spec.name)).collect::<Result<_, _>>()?;
        let pools = Pools::of(options.threads_per_run);
        Ok(Arc::new(RtenModel { model, signature, row_joining, inputs, outputs, pools }))
    }
}

/// RTen takes external data from files beside the model, with these endings, alone.
fn check_location(location: &str) -> Result<(), LoadError> {
    let extension = location.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_known = extension.starts_with("data") || extension.starts_with("onnx_data");
    if is_known && !location.contains('/') {
        return Ok(());
    }
    let reason = format!(
        "it takes external data from files beside the model that end in '.data' or '.onnx_data', not from \
         '{location}'; {INSTEAD}"
    );
    Err(LoadError::Refused { engine: NAME, reason })
}

impl RtenModel {
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Value>, PredictError> {
        let mut values = Vec::with_capacity(inputs.len());
        for ((tensor, spec), id) in inputs.iter().zip(&self.signature.inputs).zip(&self.inputs) {
            values.push((*id, value::lend(tensor, &spec.name)?));
        }
        let pool = self.pools.take();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        let result = guarded(|| self.model.run(values, &self.outputs, Some(options)));
        self.pools.give_back(pool);
        let engine_error = |reason: String| PredictError::Engine { engine: NAME, reason };
        result.map_err(engine_error)?.map_err(|error| match error.kind() {
            // The model ran at its proof, so an operator that refuses to compute refuses this input.
            RunErrorKind::InvalidInput | RunErrorKind::OperatorError => {
                PredictError::BadInput(error.to_string())
            }
            _ => engine_error(error.to_string()),
        })
    }
}

impl LoadedModel for RtenModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        self.row_joining.clone()
    }

    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        if inputs.len() != self.signature.inputs.len() {
            let (expected, got) = (self.signature.inputs.len(), inputs.len());
            return Err(PredictError::BadInput(format!("it takes {expected} inputs, got {got}")));
        }
        if control.is_terminated() {
            return Err(PredictError::Terminated);
        }
        let values = self.run(inputs)?;
        let specs = &self.signature.outputs;
        values.into_iter().zip(specs).map(|(value, spec)| value::to_tensor(value, spec)).collect()
    }
}

impl fmt::Debug for RtenModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RtenModel").field("signature", &self.signature).finish_non_exhaustive()
    }
}

/// Runs code of the engine; a panic in it is an error of this model, not the end of the process.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // What the engine shares between runs is read only or behind locks of its own, so that a panic leaves nothing half
    // changed.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        format!("it panicked: {text}")
    })
}
