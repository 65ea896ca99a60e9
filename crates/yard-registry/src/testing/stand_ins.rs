//! Stand-ins for the prover and the clock.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{Notify, Semaphore};
use yard_types::{DataType, Dim, ErrorCode, Signature, TensorSpec, Timestamp};

use crate::{
    ByteStream, Clock, EngineStamp, JoiningRecord, ProofFailure, ProofOutcome, ProofRecord, ProofTask,
    Prover, WarmUpRecord,
};

/// A clock that goes only when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// A prover that judges by content: a model file that begins with `bad:` is refused with the rest as the message, one
/// that begins with `panic` panics, all else passes. It checks that the files are laid out, and keeps the tasks.
#[derive(Debug)]
pub struct StandInProver {
    tasks: Mutex<Vec<ProofTask>>,
    begun: Notify,
    permits: Arc<Semaphore>,
}

impl Default for StandInProver {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            begun: Notify::new(),
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

impl StandInProver {
    /// A prover that finishes a proof only when it is told to.
    pub fn waiting() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), ..Self::default() }
    }

    /// Lets one proof finish.
    pub fn finish_one(&self) {
        self.permits.add_permits(1);
    }

    /// Waits until a proof has begun since the last call.
    pub async fn begun(&self) {
        self.begun.notified().await;
    }

    /// The tasks so far.
    pub fn tasks(&self) -> Vec<ProofTask> {
        self.tasks.lock().unwrap().clone()
    }
}

#[async_trait]
impl Prover for StandInProver {
    async fn prove(&self, task: ProofTask) -> ProofOutcome {
        let model = tokio::fs::read_to_string(task.directory.join(task.main.as_str())).await.unwrap();
        self.tasks.lock().unwrap().push(task.clone());
        self.begun.notify_one();
        self.permits.acquire().await.unwrap().forget();
        assert!(!model.starts_with("panic"), "asked to panic");
        match model.strip_prefix("bad:") {
            Some(message) => {
                Err(ProofFailure { code: ErrorCode::InvalidArgument, message: message.to_owned() })
            }
            None => Ok(proof(task.main.as_str())),
        }
    }
}

/// What a proof could have found.
pub fn proof(main: &str) -> ProofRecord {
    let spec = |name: &str, size| TensorSpec {
        name: name.to_owned(),
        data_type: DataType::Fp32,
        shape: Some(vec![Dim::Symbol("batch".to_owned()), Dim::Fixed(size)]),
        labels: None,
    };
    ProofRecord {
        engine: EngineStamp { name: "stand-in".to_owned(), version: "1".to_owned() },
        main: main.parse().unwrap(),
        signature: Signature { inputs: vec![spec("x", 64)], outputs: vec![spec("y", 10)] },
        joining: JoiningRecord::Allowed { max_difference: 0.0 },
        warm_up: WarmUpRecord::Ran { shapes: vec![vec![1, 64]] },
        golden_samples: 0,
        single_run: Some(Duration::from_micros(20)),
        memory_bytes: 1 << 20,
        language: None,
    }
}

/// A stream of these bytes, in pieces of seven.
pub fn bytes(content: impl AsRef<[u8]>) -> ByteStream {
    let pieces: Vec<_> = content.as_ref().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// The whole of a stream.
pub async fn collect(mut content: ByteStream) -> Result<Vec<u8>, io::Error> {
    let mut whole = Vec::new();
    while let Some(piece) = content.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole)
}
