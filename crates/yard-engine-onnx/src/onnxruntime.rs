//! ONNX Runtime, loaded from a shared library at run time.

mod library;
mod memory_plans;
mod session;
mod value;
mod words;

use std::{path::Path, sync::Arc};

use ort::{
    ep,
    session::{Session, builder::GraphOptimizationLevel},
    value::ValueType,
};
use yard_engine::{Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage};
use yard_types::{Dim, Signature};

use self::{library::Library, memory_plans::Reopen, session::SharedSession};
use crate::opened::OpenedModel;

pub(crate) const NAME: &str = "onnxruntime";

/// Where a model in memory finds its external data (since ONNX Runtime 1.20).
const EXTERNAL_DATA_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// ONNX Runtime: every operator set and element type, and the speed that others are compared with.
#[derive(Debug, Clone)]
pub struct OnnxRuntime {
    library: &'static Library,
}

impl OnnxRuntime {
    /// Loads the library, once for the whole process: opening the same file again gives the same runtime, another file is
    /// refused.
    ///
    /// The file's code runs in this process; whoever names it must trust it.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        Ok(Self { library: Library::open(path)? })
    }

    fn session(
        &self,
        opened: &OpenedModel,
        package: &ModelPackage,
        options: &LoadOptions,
        plans_memory: bool,
    ) -> ort::Result<Session> {
        let mut builder = Session::builder(self.library.environment())?
            .with_intra_threads(options.threads_per_run.get())?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_memory_pattern(plans_memory)?
            .with_execution_providers([ep::CPU::default().with_arena_allocator(true).build()])?;
        if !opened.rewritten {
            return builder.commit_from_file(package.main_file());
        }
        if opened.has_external_data {
            builder = builder.with_config_entry(EXTERNAL_DATA_FOLDER, opened.directory.to_string_lossy())?;
        }
        builder.commit_from_memory(opened.model.bytes())
    }

    fn reopening(&self, package: &ModelPackage, options: &LoadOptions) -> Reopen {
        let (engine, package, options) = (self.clone(), package.clone(), options.clone());
        Box::new(move || {
            let opened = OpenedModel::open(&package, &options).ok()?;
            engine.session(&opened, &package, &options, false).ok()
        })
    }
}

impl Engine for OnnxRuntime {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: NAME, version: self.library.version().to_owned() }
    }

    fn load(&self, package: &ModelPackage, options: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let mut opened = OpenedModel::open(package, options)?;
        let session = self.session(&opened, package, options, true).map_err(|error| LoadError::Refused {
            engine: NAME,
            reason: words::plain(error.message(), Some(package.directory())),
        })?;
        complete(&mut opened.signature, &session)?;
        let reopen = has_dynamic_shape(&opened.signature).then(|| self.reopening(package, options));
        let model = SharedSession::new(session, reopen, opened.signature, opened.row_joining)?;
        Ok(Arc::new(model))
    }
}

fn has_dynamic_shape(signature: &Signature) -> bool {
    let is_fixed = |dim: &Dim| matches!(dim, Dim::Fixed(_));
    signature.inputs.iter().any(|spec| !spec.shape.as_ref().is_some_and(|dims| dims.iter().all(is_fixed)))
}

/// Takes over what the runtime found out about outputs whose shape the file leaves open, and makes sure that both read
/// the same names out of the file.
fn complete(signature: &mut Signature, session: &Session) -> Result<(), LoadError> {
    let ours = signature.inputs.iter().map(|spec| spec.name.as_str());
    let theirs = session.inputs().iter().map(|input| input.name());
    if !ours.eq(theirs) || signature.outputs.len() != session.outputs().len() {
        let reason = "it found other inputs or outputs than the file declares".to_owned();
        return Err(LoadError::Refused { engine: NAME, reason });
    }
    for (spec, output) in signature.outputs.iter_mut().zip(session.outputs()) {
        let ValueType::Tensor { shape, .. } = output.dtype() else { continue };
        // An empty shape is a scalar or an unknown rank; the runtime does not tell which.
        if spec.shape.is_none() && !shape.is_empty() {
            let dim = |size: &i64| usize::try_from(*size).map_or(Dim::Any, Dim::Fixed);
            spec.shape = Some(shape.iter().map(dim).collect());
        }
    }
    Ok(())
}
