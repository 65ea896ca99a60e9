//! Proves models in this process: tests push only models that do no harm.

use std::sync::Arc;

use async_trait::async_trait;
use yard_engine::{Engine, JoiningProof, ModelPackage, ProofRequest, WarmUp, prove};
use yard_registry::{
    EngineStamp, JoiningRecord, LanguageRecord, ProofFailure, ProofOutcome, ProofRecord, ProofTask, Prover,
    WarmUpRecord,
};
use yard_types::{Coded, ErrorCode, Signature};

pub(crate) struct InProcessProver {
    engines: Vec<Arc<dyn Engine>>,
}

impl InProcessProver {
    pub(crate) fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        Self { engines }
    }
}

#[async_trait]
impl Prover for InProcessProver {
    async fn prove(&self, task: ProofTask) -> ProofOutcome {
        let engines = self.engines.clone();
        let work = move || prove_here(&engines, &task);
        let lost = |_| ProofFailure { code: ErrorCode::Internal, message: "the proof panicked".to_owned() };
        tokio::task::spawn_blocking(work).await.map_err(lost)?
    }
}

fn prove_here(engines: &[Arc<dyn Engine>], task: &ProofTask) -> ProofOutcome {
    if task.main.extension() == Some("gguf") {
        return Ok(language_model(task));
    }
    let package = ModelPackage::new(&task.directory, task.main.clone());
    let proof = prove(engines, &task.model, &package, &ProofRequest::default(), &|| 0);
    let proof = proof.map_err(|error| ProofFailure { code: error.code(), message: error.to_string() })?;
    Ok(ProofRecord {
        engine: EngineStamp { name: proof.engine.name.to_owned(), version: proof.engine.version },
        main: task.main.clone(),
        signature: proof.signature,
        joining: match proof.joining {
            JoiningProof::Allowed { max_difference } => JoiningRecord::Allowed { max_difference },
            JoiningProof::Refused { reason } => JoiningRecord::Refused { reason },
        },
        warm_up: match proof.warm_up {
            WarmUp::Ran { shapes } => WarmUpRecord::Ran { shapes },
            WarmUp::Skipped { reason } => WarmUpRecord::Skipped { reason },
        },
        golden_samples: proof.golden_samples,
        single_run: proof.single_run,
        memory_bytes: proof.memory_bytes,
        language: None,
    })
}

/// What the proof of a language model could have found: this crate links no engine for them.
fn language_model(task: &ProofTask) -> ProofRecord {
    ProofRecord {
        engine: EngineStamp { name: "modelyard-llm".to_owned(), version: "1".to_owned() },
        main: task.main.clone(),
        signature: Signature::default(),
        joining: JoiningRecord::Refused { reason: "a language model".to_owned() },
        warm_up: WarmUpRecord::Skipped { reason: "it wrote 16 tokens instead".to_owned() },
        golden_samples: 0,
        single_run: None,
        memory_bytes: 1 << 20,
        language: Some(LanguageRecord {
            architecture: "llama".to_owned(),
            parameters: 1000,
            context: 96,
            vocabulary: 261,
            width: 64,
            quantization: "Q8_0".to_owned(),
            tokenizer: "sentence pieces".to_owned(),
            chat_template: None,
            tokens_per_second: Some(61.5),
            weight_bytes: 1060,
            position_bytes: None,
        }),
    }
}
