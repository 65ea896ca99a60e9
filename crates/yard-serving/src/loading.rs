//! Bringing a version into memory: plan, load, warm up.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use yard_engine::{Engine, LoadedModel, PredictError, RunControl};
use yard_types::{DataType, Dim, Signature, Tensor, TensorData, VersionRef};

use crate::{
    LoadPlan, ModelSource, QueueOptions, ServingError,
    host::Host,
    memory::Charge,
    version::{Version, VersionParts},
};

/// A warming run is left out when one of its inputs would have more elements than this.
const MAX_WARM_UP_ELEMENTS: usize = 1 << 24;

/// Loads versions, a few at a time.
#[derive(Debug)]
pub(crate) struct Loader {
    source: Arc<dyn ModelSource>,
    engines: Vec<Arc<dyn Engine>>,
    host: Arc<Host>,
    turns: Semaphore,
}

impl Loader {
    pub(crate) fn new(source: Arc<dyn ModelSource>, engines: Vec<Arc<dyn Engine>>, host: Arc<Host>) -> Self {
        let turns = Semaphore::new(host.settings.concurrent_loads.get().min(Semaphore::MAX_PERMITS));
        Self { source, engines, host, turns }
    }

    pub(crate) fn source(&self) -> &dyn ModelSource {
        &*self.source
    }

    /// How the version is loaded, and what it takes.
    pub(crate) async fn plan(&self, reference: &VersionRef) -> Result<LoadPlan, ServingError> {
        self.source.plan(reference).await.map_err(ServingError::from_source)
    }

    /// Loads and warms a version. Nothing of it is left behind when that fails, and its memory is given back.
    pub(crate) async fn load(
        &self,
        reference: &VersionRef,
        options: QueueOptions,
        plan: LoadPlan,
        charge: Charge,
    ) -> Result<Version, ServingError> {
        let failed = |reason: String| ServingError::LoadFailed { version: reference.clone(), reason };
        let LoadPlan { package, engine: name, joining_allowed, single_run, memory_bytes: _, package_guard } =
            plan;
        let engine = self.engines.iter().find(|engine| engine.info().name == name);
        let Some(engine) = engine.map(Arc::clone) else {
            return Err(failed(format!("the engine '{name}' that proved it is not present")));
        };
        // The semaphore is never closed; without a turn the load would only be less polite.
        let _turn = self.turns.acquire().await;
        let began = Instant::now();
        let load_options = self.host.settings.load.clone();
        // Loading waits for the disk more than it computes, and must not hold a compute thread from requests.
        let loading = tokio::task::spawn_blocking(move || {
            catch_unwind(AssertUnwindSafe(|| engine.load(&package, &load_options)))
        });
        let model = match loading.await {
            Ok(Ok(Ok(model))) => model,
            Ok(Ok(Err(error))) => {
                tracing::warn!(model = %reference.model, version = %reference.version, error = &error as &dyn std::error::Error, "load failed");
                return Err(failed(error.to_string()));
            }
            Ok(Err(_)) | Err(_) => return Err(failed(format!("the engine '{name}' broke down"))),
        };
        // Owned by the version from here on, so that it is unloaded before its package goes, however this ends.
        let version = Version::new(VersionParts {
            reference: reference.clone(),
            host: Arc::clone(&self.host),
            model: Arc::clone(&model),
            package_guard,
            charge,
            joining_allowed,
            single_run,
            options,
        });
        let warmed = warm_up(model, self.host.settings.warm_up_limit).await;
        if let Err(reason) = warmed {
            return Err(failed(reason));
        }
        tracing::info!(
            model = %reference.model, version = %reference.version,
            engine = name,
            milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory_bytes = version.memory_bytes,
            joins_rows = version.joins_rows(),
            inline = version.is_inline(),
            "loaded"
        );
        Ok(version)
    }
}

/// Runs the model once on zeros, so that no request pays for what engines put off until the first run.
///
/// A model may refuse zeros: its proof has shown that it works. What counts is that it neither panics nor goes on for
/// ever.
async fn warm_up(model: Arc<dyn LoadedModel>, limit: Duration) -> Result<(), String> {
    let Some(inputs) = sample(model.signature()) else { return Ok(()) };
    let control = RunControl::new();
    let run = {
        let control = control.clone();
        move || catch_unwind(AssertUnwindSafe(|| model.predict(&inputs, &control).map(drop)))
    };
    let mut running = tokio::task::spawn_blocking(run);
    let ended = match tokio::time::timeout(limit, &mut running).await {
        Ok(ended) => ended,
        Err(_) => {
            control.terminate();
            running.await
        }
    };
    match ended {
        Ok(Ok(Err(PredictError::Terminated))) => {
            Err(format!("its first run did not end within {} s", limit.as_secs_f64()))
        }
        Ok(Ok(Err(error))) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the warming run was refused");
            Ok(())
        }
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Err(_)) | Err(_) => Err("the engine broke down in its first run".to_owned()),
    }
}

/// One row of zeros for each input; `None` when the signature does not say enough.
fn sample(signature: &Signature) -> Option<Vec<Tensor>> {
    let mut inputs = Vec::with_capacity(signature.inputs.len());
    for input in &signature.inputs {
        let dims = input.shape.as_ref()?.iter();
        let shape: Vec<usize> = dims
            .map(|dim| match dim {
                Dim::Fixed(size) => *size,
                Dim::Symbol(_) | Dim::Any => 1,
            })
            .collect();
        let elements = Tensor::element_count(&shape).ok().filter(|count| *count <= MAX_WARM_UP_ELEMENTS)?;
        inputs.push(Tensor::new(shape, zeros(input.data_type, elements)).ok()?);
    }
    Some(inputs)
}

fn zeros(data_type: DataType, count: usize) -> TensorData {
    match data_type {
        DataType::Bool => TensorData::Bool(vec![false; count]),
        DataType::Uint8 => TensorData::Uint8(vec![0; count]),
        DataType::Uint16 => TensorData::Uint16(vec![0; count]),
        DataType::Uint32 => TensorData::Uint32(vec![0; count]),
        DataType::Uint64 => TensorData::Uint64(vec![0; count]),
        DataType::Int8 => TensorData::Int8(vec![0; count]),
        DataType::Int16 => TensorData::Int16(vec![0; count]),
        DataType::Int32 => TensorData::Int32(vec![0; count]),
        DataType::Int64 => TensorData::Int64(vec![0; count]),
        DataType::Fp16 => TensorData::Fp16(vec![Default::default(); count]),
        DataType::Bf16 => TensorData::Bf16(vec![Default::default(); count]),
        DataType::Fp32 => TensorData::Fp32(vec![0.0; count]),
        DataType::Fp64 => TensorData::Fp64(vec![0.0; count]),
        DataType::Bytes => TensorData::Bytes(vec![Default::default(); count]),
    }
}
