//! An engine whose runs the tests can hold, fail and count, and a source of its models.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::mpsc;
use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_serving::{
    LoadPlan, ModelRoutes, ModelSource, Prediction, QueueClass, QueueOptions, RequestContext, Serving,
    ServingSettings, SourceError,
};
use yard_types::{
    AliasName, DataType, Dim, ModelName, Selector, Signature, Tensor, TensorData, TensorSpec, VersionNumber,
    VersionRef,
};

/// Input that the model refuses.
pub(crate) const BAD: f32 = -1.0;
/// Input on which the engine panics.
pub(crate) const PANIC: f32 = -2.0;
/// Input on which a run goes on until it is stopped.
pub(crate) const ENDLESS: f32 = -3.0;
/// Input on which a run computes until it is stopped.
pub(crate) const SPINS: f32 = -4.0;
/// Input on which a run on an I/O thread stands still until it is stopped; on other threads it is answered.
pub(crate) const STANDS_STILL: f32 = -5.0;

/// How a version behaves.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    pub(crate) joining_allowed: bool,
    pub(crate) single_run: Option<Duration>,
    pub(crate) load_fails: bool,
    /// What its plan says that it takes.
    pub(crate) memory_bytes: u64,
    /// Answers one row, however many came.
    pub(crate) mixes_rows: bool,
    /// Whether runs and loads pass the gate of the world.
    pub(crate) gated_runs: bool,
    pub(crate) gated_loads: bool,
}

impl Behaviour {
    /// Slow enough for the compute threads.
    pub(crate) fn heavy() -> Self {
        Self {
            joining_allowed: true,
            single_run: Some(Duration::from_millis(1)),
            load_fails: false,
            memory_bytes: 0,
            mixes_rows: false,
            gated_runs: false,
            gated_loads: false,
        }
    }

    /// Fast enough for the I/O thread.
    pub(crate) fn light() -> Self {
        Self { single_run: Some(Duration::from_micros(2)), ..Self::heavy() }
    }

    pub(crate) fn gated() -> Self {
        Self { gated_runs: true, ..Self::heavy() }
    }
}

/// One run, as the engine saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) version: u32,
    /// The first value of each row.
    pub(crate) rows: Vec<f32>,
    pub(crate) thread: String,
}

/// All that the engine and the source share with a test.
pub(crate) struct World {
    models: Mutex<BTreeMap<ModelName, ModelRoutes>>,
    versions: Mutex<BTreeMap<VersionRef, Behaviour>>,
    runs: Mutex<Vec<Run>>,
    gate: Gate,
    /// Tells of each run (by its first value) and each load (by the version) that stands before the gate.
    at_gate: mpsc::UnboundedSender<f32>,
    pub(crate) loads: AtomicUsize,
    pub(crate) plans: AtomicUsize,
    pub(crate) models_alive: AtomicUsize,
    /// The most that were alive at once.
    pub(crate) most_alive: AtomicUsize,
    pub(crate) guards_alive: AtomicUsize,
    pub(crate) unloads: AtomicUsize,
}

/// What tells the test of arrivals before the gate.
pub(crate) type AtGate = mpsc::UnboundedReceiver<f32>;

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

#[derive(Debug)]
struct TestSource(Arc<World>);

#[derive(Debug)]
struct TestEngine(Arc<World>);

struct TestModel {
    world: Arc<World>,
    version: u32,
    behaviour: Behaviour,
    signature: Signature,
    /// The first run warms the model up and does not count.
    warm: std::sync::atomic::AtomicBool,
}

struct Guard(Arc<World>);

pub(crate) fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

pub(crate) fn number(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub(crate) fn version(model: &str, version: u32) -> VersionRef {
    VersionRef { model: name(model), version: number(version) }
}

pub(crate) fn alias(text: &str) -> Selector {
    Selector::Alias(text.parse().unwrap())
}

pub(crate) fn rows(values: &[f32]) -> Vec<Tensor> {
    let data = values.iter().flat_map(|value| [*value, 0.5]).collect();
    vec![Tensor::new(vec![values.len(), 2], TensorData::Fp32(data)).unwrap()]
}

/// The first value of each row of the answer.
pub(crate) fn answers(prediction: &Prediction) -> Vec<f32> {
    let [output] = prediction.outputs.as_slice() else { panic!("{prediction:?}") };
    first_values(output)
}

/// What the version answers to these rows.
pub(crate) fn expected(version: u32, values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| answer(version, *value)).collect()
}

fn answer(version: u32, value: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "test versions are small")]
    let offset = version as f32 * 1000.0;
    value * 2.0 + offset
}

fn first_values(tensor: &Tensor) -> Vec<f32> {
    let TensorData::Fp32(values) = tensor.data() else { panic!("{tensor:?}") };
    values.iter().step_by(2).copied().collect()
}

pub(crate) fn background() -> RequestContext {
    RequestContext { class: QueueClass::Background, deadline: None }
}

/// Two compute threads and nothing that a test would wait for.
pub(crate) fn settings() -> ServingSettings {
    ServingSettings {
        compute_threads: 2.try_into().unwrap(),
        queue: QueueOptions { timeout: Duration::from_secs(3600), ..QueueOptions::default() },
        // What is joined shall depend on what a test sends, not on how long its runs are held.
        max_joined_run: Duration::from_secs(3600),
        ..ServingSettings::default()
    }
}

impl World {
    pub(crate) fn new() -> (Arc<Self>, AtGate) {
        let (at_gate, receiver) = mpsc::unbounded_channel();
        let world = Self {
            models: Mutex::default(),
            versions: Mutex::default(),
            runs: Mutex::default(),
            gate: Gate::default(),
            at_gate,
            loads: AtomicUsize::new(0),
            plans: AtomicUsize::new(0),
            models_alive: AtomicUsize::new(0),
            most_alive: AtomicUsize::new(0),
            guards_alive: AtomicUsize::new(0),
            unloads: AtomicUsize::new(0),
        };
        (Arc::new(world), receiver)
    }

    pub(crate) fn serve(self: &Arc<Self>, settings: ServingSettings) -> Serving {
        let engine: Arc<dyn Engine> = Arc::new(TestEngine(Arc::clone(self)));
        Serving::start(self.source(), vec![engine], settings).unwrap()
    }

    pub(crate) fn source(self: &Arc<Self>) -> Arc<dyn ModelSource> {
        Arc::new(TestSource(Arc::clone(self)))
    }

    /// Adds a version; the first of a model becomes `production`.
    pub(crate) fn add(&self, version: &VersionRef, behaviour: Behaviour) {
        self.versions.lock().unwrap().insert(version.clone(), behaviour);
        let mut models = self.models.lock().unwrap();
        models.entry(version.model.clone()).or_insert_with(|| ModelRoutes {
            model: version.model.clone(),
            aliases: vec![(AliasName::production(), version.version)],
            options: None,
        });
    }

    pub(crate) fn point(&self, alias: &str, version: &VersionRef) {
        let alias: AliasName = alias.parse().unwrap();
        let mut models = self.models.lock().unwrap();
        let aliases = &mut models.get_mut(&version.model).unwrap().aliases;
        aliases.retain(|(name, _)| *name != alias);
        aliases.push((alias, version.version));
    }

    pub(crate) fn tune(&self, model: &str, options: QueueOptions) {
        self.models.lock().unwrap().get_mut(model).unwrap().options = Some(options);
    }

    pub(crate) fn remove(&self, model: &str) {
        self.models.lock().unwrap().remove(model);
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.open.lock().unwrap() = true;
        self.gate.changed.notify_all();
    }

    pub(crate) fn close_gate(&self) {
        *self.gate.open.lock().unwrap() = false;
    }

    /// The runs so far, but for those that warmed a model up.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.lock().unwrap().clone()
    }

    /// The rows of the runs so far.
    pub(crate) fn run_rows(&self) -> Vec<Vec<f32>> {
        self.runs().into_iter().map(|run| run.rows).collect()
    }

    pub(crate) fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    fn pass_gate(&self, value: f32, control: Option<&RunControl>) {
        let _ = self.at_gate.send(value);
        let mut open = self.gate.open.lock().unwrap();
        while !*open && !control.is_some_and(RunControl::is_terminated) {
            // Being stopped does not open the gate, so it is looked at now and then.
            open = self.gate.changed.wait_timeout(open, Duration::from_millis(5)).unwrap().0;
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("World")
    }
}

#[async_trait]
impl ModelSource for TestSource {
    async fn models(&self) -> Result<Vec<ModelRoutes>, SourceError> {
        Ok(self.0.models.lock().unwrap().values().cloned().collect())
    }

    async fn routes(&self, model: &ModelName) -> Result<Option<ModelRoutes>, SourceError> {
        Ok(self.0.models.lock().unwrap().get(model).cloned())
    }

    async fn plan(&self, version: &VersionRef) -> Result<LoadPlan, SourceError> {
        self.0.plans.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.0.versions.lock().unwrap().get(version).cloned();
        let behaviour = behaviour.ok_or_else(|| SourceError::NotFound(version.clone()))?;
        self.0.guards_alive.fetch_add(1, Ordering::SeqCst);
        Ok(LoadPlan {
            package: ModelPackage::new(
                format!("{}/{}", version.model, version.version),
                "model.onnx".parse().unwrap(),
            ),
            engine: "test".to_owned(),
            joining_allowed: behaviour.joining_allowed,
            single_run: behaviour.single_run,
            memory_bytes: behaviour.memory_bytes,
            package_guard: Box::new(Guard(Arc::clone(&self.0))),
        })
    }
}

impl Engine for TestEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: "test", version: "1".to_owned() }
    }

    fn load(
        &self,
        package: &ModelPackage,
        _options: &LoadOptions,
    ) -> Result<Arc<dyn LoadedModel>, LoadError> {
        let mut parts = package.directory().iter().map(|part| part.to_str().unwrap());
        let reference = version(parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let behaviour = self.0.versions.lock().unwrap()[&reference].clone();
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        if behaviour.gated_loads {
            self.0.pass_gate(0.0, None);
        }
        if behaviour.load_fails {
            return Err(LoadError::Refused { engine: "test", reason: "it was told to".to_owned() });
        }
        let alive = self.0.models_alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_alive.fetch_max(alive, Ordering::SeqCst);
        let shape = Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(2)]);
        let spec = |name: &str| TensorSpec {
            name: name.to_owned(),
            data_type: DataType::Fp32,
            shape: shape.clone(),
            labels: None,
        };
        Ok(Arc::new(TestModel {
            world: Arc::clone(&self.0),
            version: reference.version.get(),
            behaviour,
            signature: Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] },
            warm: false.into(),
        }))
    }
}

impl LoadedModel for TestModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Plausible
    }

    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        // No package may go before its model.
        assert!(World::count(&self.world.guards_alive) > 0);
        let values = first_values(&inputs[0]);
        if self.warm.swap(true, Ordering::SeqCst) {
            let thread = thread::current().name().unwrap_or_default().to_owned();
            let run = Run { version: self.version, rows: values.clone(), thread };
            self.world.runs.lock().unwrap().push(run);
            if self.behaviour.gated_runs {
                self.world.pass_gate(values[0], Some(control));
            }
        }
        if control.is_terminated() {
            return Err(PredictError::Terminated);
        }
        assert!(!values.contains(&PANIC), "a test asked for this panic");
        if values.contains(&BAD) {
            return Err(PredictError::BadInput("it was told to".to_owned()));
        }
        if values.contains(&ENDLESS) {
            let (sender, receiver) = std::sync::mpsc::channel();
            let _guard = control.on_terminate(move || {
                let _ = sender.send(());
            });
            let _ = self.world.at_gate.send(ENDLESS);
            receiver.recv().unwrap();
            return Err(PredictError::Terminated);
        }
        if values.contains(&SPINS) {
            while !control.is_terminated() {
                std::hint::spin_loop();
            }
            return Err(PredictError::Terminated);
        }
        let on_compute = std::thread::current().name().is_some_and(|name| name.starts_with("yard-compute"));
        if values.contains(&STANDS_STILL) && !on_compute {
            let (sender, receiver) = std::sync::mpsc::channel();
            let _guard = control.on_terminate(move || {
                let _ = sender.send(());
            });
            receiver.recv().unwrap();
            return Err(PredictError::Terminated);
        }
        let kept = if self.behaviour.mixes_rows { &values[..1] } else { &values[..] };
        let data = kept.iter().flat_map(|value| [answer(self.version, *value), 0.0]).collect();
        Ok(vec![Tensor::new(vec![kept.len(), 2], TensorData::Fp32(data)).unwrap()])
    }

    fn service(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(self.version))
    }

    fn unload(&self) {
        self.world.unloads.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for TestModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestModel").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Drop for TestModel {
    fn drop(&mut self) {
        let models = self.world.models_alive.fetch_sub(1, Ordering::SeqCst);
        assert!(World::count(&self.world.guards_alive) >= models, "a package went before its model");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.guards_alive.fetch_sub(1, Ordering::SeqCst);
    }
}
