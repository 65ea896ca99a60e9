//! An engine whose runs wait until the test lets them go: for tests about what happens meanwhile.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use yard_engine::{
    Engine, EngineInfo, LoadError, LoadOptions, LoadedModel, ModelPackage, PredictError, RowJoining,
    RunControl,
};
use yard_types::{DataType, Dim, Signature, Tensor, TensorSpec};

/// What a file for this engine holds.
pub(crate) const VALVE_MODEL: &[u8] = b"valve";

/// Open, runs pass; closed, they wait.
#[derive(Debug, Default)]
pub(crate) struct Valve {
    closed: Mutex<bool>,
    turned: Condvar,
    pub(crate) begun: AtomicUsize,
    pub(crate) ended: AtomicUsize,
    pub(crate) terminated: AtomicUsize,
}

impl Valve {
    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub(crate) fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.turned.notify_all();
    }

    /// Waits until so many runs have begun.
    pub(crate) async fn until_begun(&self, count: usize) {
        until(|| self.begun.load(Ordering::SeqCst) >= count).await;
    }

    fn pass(&self, control: &RunControl) -> bool {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let mut closed = self.closed.lock().unwrap();
        while *closed && !control.is_terminated() {
            closed = self.turned.wait_timeout(closed, Duration::from_millis(5)).unwrap().0;
        }
        drop(closed);
        let terminated = control.is_terminated();
        let counter = if terminated { &self.terminated } else { &self.ended };
        counter.fetch_add(1, Ordering::SeqCst);
        !terminated
    }
}

/// Waits for a condition that another task or thread brings about, and fails when it does not come.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("what the test waits for did not come about");
}

#[derive(Debug)]
pub(crate) struct ValveEngine(pub(crate) Arc<Valve>);

#[derive(Debug)]
struct ValveModel {
    valve: Arc<Valve>,
    signature: Signature,
}

impl Engine for ValveEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo { name: "valve", version: "1".to_owned() }
    }

    fn load(&self, package: &ModelPackage, _: &LoadOptions) -> Result<Arc<dyn LoadedModel>, LoadError> {
        if std::fs::read(package.main_file())? != VALVE_MODEL {
            return Err(LoadError::Refused { engine: "valve", reason: "it is no valve".to_owned() });
        }
        let spec = |name: &str| TensorSpec {
            name: name.to_owned(),
            data_type: DataType::Fp32,
            shape: Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(1)]),
            labels: None,
        };
        let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] };
        Ok(Arc::new(ValveModel { valve: Arc::clone(&self.0), signature }))
    }
}

impl LoadedModel for ValveModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn row_joining(&self) -> RowJoining {
        RowJoining::Refused("each run is to be seen".to_owned())
    }

    fn predict(&self, inputs: &[Tensor], control: &RunControl) -> Result<Vec<Tensor>, PredictError> {
        if self.valve.pass(control) { Ok(inputs.to_vec()) } else { Err(PredictError::Terminated) }
    }
}
