//! `modelyard worker`: the child processes that prove a pushed model or run a language model. Started by the server, never
//! by hand.

mod golden;
mod language;
mod memory;
mod prove_language;

use std::{num::NonZeroUsize, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use yard_encoders::{Occasion, WithTexts};
use yard_engine::{JoiningProof, LoadOptions, ModelPackage, Proof, ProofRequest, WarmUp};
use yard_types::{Coded as _, ErrorCode};
use yard_worker::{
    BadRequest, Request, Response,
    prove::{
        EnginePreference, EngineStamp, Joining, PROVE, ProofRefusal, ProofReport, ProveRequest,
        ProveResponse, Shape, Shapes, Signature, joining, prove_response, warm_up,
    },
    serve_child, serve_concurrent_child,
};

/// Work for the server that started this process
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// What it does
    #[arg(value_enum, default_value_t = Work::Prove)]
    work: Work,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Work {
    /// Proves pushed models
    Prove,
    /// Runs a language model
    Language,
}

/// Answers the parent until it closes the socket.
pub(crate) fn run(args: &WorkerArgs) -> Result<()> {
    let served = match args.work {
        Work::Prove => serve_child(answer),
        Work::Language => serve_concurrent_child(language::work),
    };
    served.context("the worker stops")
}

fn answer(request: Request) -> Result<Response, BadRequest> {
    match request.kind() {
        PROVE => {
            let request: ProveRequest = request.decode()?;
            let proved = if prove_language::is_meant(&request) {
                prove_language::prove(&request)
            } else {
                prove(&request).map(|proof| report(&request, &proof))
            };
            let outcome = match proved {
                Ok(report) => prove_response::Outcome::Proved(report),
                Err(refusal) => prove_response::Outcome::Refused(refusal),
            };
            Ok(Response::new(&ProveResponse { outcome: Some(outcome) }))
        }
        _ => Err(request.unknown()),
    }
}

fn prove(request: &ProveRequest) -> Result<Proof, ProofRefusal> {
    let invalid = |message: String| ProofRefusal::new(ErrorCode::Internal, message);
    let model = request.model.parse().map_err(|error| invalid(format!("{error}")))?;
    let main = request.main_file.parse().map_err(|error| invalid(format!("{error}")))?;
    let package = ModelPackage::new(&request.package_directory, main);
    let golden = match &request.golden_file {
        Some(file) => golden::read(package.directory(), file)
            .map_err(|reason| ProofRefusal::new(ErrorCode::InvalidArgument, format!("'{file}': {reason}")))?,
        None => Vec::new(),
    };
    let library = request.onnx_runtime_library.as_deref().map(Path::new);
    let (engines, missing) = yard_engine_onnx::engines_available(library);
    if let Some(missing) = missing {
        // For the parent's log: the model may still be taken by the other engine.
        eprintln!("{missing}");
    }
    // What came beside the model to read texts with is part of what is proven.
    let engines = WithTexts::around(engines, Occasion::Proof);
    let preferred = match request.engine() {
        EnginePreference::Automatic => None,
        EnginePreference::OnnxRuntime => Some("onnxruntime".to_owned()),
        EnginePreference::Rten => Some("rten".to_owned()),
    };
    let request = ProofRequest { preferred, load: load_options(request), golden };
    yard_engine::prove(&engines, &model, &package, &request, &memory::resident_bytes)
        .map_err(|error| ProofRefusal::new(error.code(), error.to_string()))
}

fn load_options(request: &ProveRequest) -> LoadOptions {
    let defaults = LoadOptions::default();
    let Some(limits) = &request.limits else { return defaults };
    let threads = usize::try_from(limits.threads_per_run).ok().and_then(NonZeroUsize::new);
    LoadOptions {
        threads_per_run: threads.unwrap_or(defaults.threads_per_run),
        max_weight_bytes: limits.max_weight_bytes,
    }
}

fn report(request: &ProveRequest, proof: &Proof) -> ProofReport {
    let verdict = match &proof.joining {
        JoiningProof::Allowed { max_difference } => joining::Verdict::MaxDifference(*max_difference),
        JoiningProof::Refused { reason } => joining::Verdict::Refused(reason.clone()),
    };
    let outcome = match &proof.warm_up {
        WarmUp::Ran { shapes } => {
            warm_up::Outcome::Ran(Shapes { shapes: shapes.iter().map(|shape| wire_shape(shape)).collect() })
        }
        WarmUp::Skipped { reason } => warm_up::Outcome::Skipped(reason.clone()),
    };
    ProofReport {
        engine: Some(EngineStamp {
            name: proof.engine.name.to_owned(),
            version: proof.engine.version.clone(),
        }),
        main_file: request.main_file.clone(),
        signature: Some(Signature::from(&proof.signature)),
        joining: Some(Joining { verdict: Some(verdict) }),
        warm_up: Some(yard_worker::prove::WarmUp { outcome: Some(outcome) }),
        golden_samples: proof.golden_samples as u64,
        single_run_nanoseconds: proof.single_run.map(nanoseconds),
        memory_bytes: proof.memory_bytes,
        language: None,
    }
}

fn wire_shape(shape: &[usize]) -> Shape {
    Shape { sizes: shape.iter().map(|size| *size as u64).collect() }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
