//! The engine that will serve a model, tried on it before the job says that it is done.

use std::{cell::RefCell, error::Error, num::NonZeroUsize, path::PathBuf, sync::Arc};

use fs_err as fs;
use yard_engine::{Engine, LoadOptions, LoadedModel, ModelPackage, RunControl};
use yard_training::Verifier;
use yard_types::{ModelName, NamedTensor, PackagePath};

/// Where the model lies while it is tried, in the directory of the job.
const DIRECTORY: &str = "verified";

/// The first engine of this machine that takes the model, as serving chooses it.
pub(crate) struct EngineVerifier {
    engines: Vec<Arc<dyn Engine>>,
    name: ModelName,
    main: PackagePath,
    directory: PathBuf,
    options: LoadOptions,
    /// The model that was tried last: each part of the data asks for the same one.
    loaded: RefCell<Option<Tried>>,
}

struct Tried {
    content: Vec<u8>,
    model: Arc<dyn LoadedModel>,
}

impl EngineVerifier {
    /// Tries models of this name in these engines.
    pub(crate) fn new(
        engines: Vec<Arc<dyn Engine>>,
        name: ModelName,
        main: PackagePath,
        job: &std::path::Path,
        threads: NonZeroUsize,
    ) -> Self {
        let options = LoadOptions { threads_per_run: threads, ..LoadOptions::default() };
        Self { engines, name, main, directory: job.join(DIRECTORY), options, loaded: RefCell::new(None) }
    }

    fn load(&self, model: &[u8]) -> Result<Arc<dyn LoadedModel>, Box<dyn Error + Send + Sync>> {
        if let Some(tried) = &*self.loaded.borrow()
            && tried.content == model
        {
            return Ok(Arc::clone(&tried.model));
        }
        fs::create_dir_all(&self.directory)?;
        let package = ModelPackage::new(&self.directory, self.main.clone());
        fs::write(package.main_file(), model)?;
        let mut reasons = Vec::new();
        for engine in &self.engines {
            match engine.load(&package, &self.options) {
                Ok(loaded) => {
                    let tried = Tried { content: model.to_vec(), model: Arc::clone(&loaded) };
                    *self.loaded.borrow_mut() = Some(tried);
                    return Ok(loaded);
                }
                Err(error) => reasons.push(format!("{}: {error}", engine.info().name)),
            }
        }
        Err(reasons.join("; ").into())
    }
}

impl Verifier for EngineVerifier {
    fn predict(
        &self,
        model: &[u8],
        inputs: Vec<NamedTensor>,
    ) -> Result<Vec<NamedTensor>, Box<dyn Error + Send + Sync>> {
        let loaded = self.load(model)?;
        let signature = loaded.signature();
        let inputs = signature.arrange(&self.name, inputs)?;
        let outputs = loaded.predict(&inputs, &RunControl::new())?;
        let named = signature.outputs.iter().zip(outputs);
        Ok(named.map(|(spec, tensor)| NamedTensor { name: spec.name.clone(), tensor }).collect())
    }
}

impl Drop for EngineVerifier {
    fn drop(&mut self) {
        // The package holds the model; what is left over here is deleted with the job at the latest.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
