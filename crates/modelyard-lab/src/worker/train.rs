//! One job of training: from its request to its package.

use std::{num::NonZeroUsize, path::Path};

use yard_engine::{ModelPackage, ProofRequest, prove};
use yard_spec::TrainingSpec;
use yard_types::{Coded as _, ErrorCode, PackagePath};
use yard_worker::train::{Fact, LogLevel, TrainRefusal, TrainRequest, TrainResult};

use super::{
    data,
    failure::{of_chain, refused},
    memory, package,
    run::{JobRun, Listener},
    verifier::EngineVerifier,
};

/// The model's file in a package.
const MODEL_FILE: &str = "model.onnx";

/// Does what a request asks for.
pub(super) fn train(
    request: &TrainRequest,
    listener: &mut dyn Listener,
) -> Result<TrainResult, TrainRefusal> {
    let spec = TrainingSpec::from_json(&request.spec_json).map_err(|error| refused(&error))?;
    let job = Path::new(&request.job_directory);
    let mut run = JobRun::new(listener, job).map_err(|error| of_chain(&error, ErrorCode::Internal))?;

    run.progress("reading data", 0, 1);
    let data = data::read(&spec, request)?;
    run.progress("reading data", 1, 1);

    let main = package_path(MODEL_FILE)?;
    let threads = usize::try_from(request.threads).ok().and_then(NonZeroUsize::new);
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let library = request.onnx_runtime_library.as_deref().map(Path::new);
    let (engines, missing) = yard_engine_onnx::engines_available(library);
    if let Some(missing) = missing {
        run.log(
            LogLevel::Warning,
            format!("ONNX Runtime cannot be used, the model is tried in RTen: {missing}"),
        );
    }
    let verifier = EngineVerifier::new(engines.clone(), spec.name.clone(), main.clone(), job, threads);
    let trained = yard_training::train(&spec, &data, &verifier, &mut run).map_err(|error| refused(&error))?;
    drop(verifier);

    run.progress("writing the package", 0, 1);
    let mut files = Vec::with_capacity(trained.files.len());
    for file in trained.files {
        files.push((package_path(file.path)?, file.bytes));
    }
    package::write(job, &files).map_err(|error| of_chain(&error, ErrorCode::Internal))?;
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();

    // How fast it is, for whoever compares it with others. That it is right was checked above.
    let package = ModelPackage::new(job.join(package::DIRECTORY), main);
    let proof = prove(&engines, &spec.name, &package, &ProofRequest::default(), &memory::resident_bytes)
        .map_err(|error| {
            TrainRefusal::new(error.code(), format!("the trained model cannot be served: {error}"))
        })?;
    let served = serde_json::json!({
        "engine": proof.engine.name,
        "engine_version": proof.engine.version,
        "package_bytes": bytes,
        "single_run_nanoseconds": proof.single_run.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
    });
    run.progress("writing the package", 1, 1);
    Ok(TrainResult {
        package_directory: package::DIRECTORY.to_owned(),
        files: files.iter().map(|(path, _)| path.to_string()).collect(),
        summary_json: with_served(&trained.summary_json, served),
        data_digests: vec![fact("data", data.digest())],
        environment: environment(&proof.engine, request.threads),
    })
}

fn package_path(path: &str) -> Result<PackagePath, TrainRefusal> {
    path.parse()
        .map_err(|error| TrainRefusal::new(ErrorCode::Internal, format!("the file '{path}': {error}")))
}

/// The summary with the figures of serving in it.
fn with_served(summary: &str, served: serde_json::Value) -> String {
    match serde_json::from_str(summary) {
        Ok(serde_json::Value::Object(mut keys)) => {
            keys.insert("served".to_owned(), served);
            serde_json::Value::Object(keys).to_string()
        }
        // What is no object has no place for them.
        _ => summary.to_owned(),
    }
}

/// What of the machine and the libraries can matter to the result.
fn environment(engine: &yard_engine::EngineInfo, threads: u32) -> Vec<Fact> {
    vec![
        fact("architecture", std::env::consts::ARCH),
        fact("engine", format!("{} {}", engine.name, engine.version)),
        fact("modelyard-lab", env!("CARGO_PKG_VERSION")),
        fact("operating-system", std::env::consts::OS),
        fact("threads", threads),
    ]
}

fn fact(name: &str, value: impl ToString) -> Fact {
    Fact { name: name.to_owned(), value: value.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use yard_worker::{CallerGone, train::TrainEvent};

    use super::*;

    /// Listens to nothing.
    struct Deaf;

    impl Listener for Deaf {
        fn tell(&mut self, _: &TrainEvent) -> Result<(), CallerGone> {
            Ok(())
        }

        fn asks_to_stop(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn a_disk_that_is_full_in_mid_run_is_told_as_one() {
        let job = tempfile::tempdir().unwrap();
        let spec = "name = \"m\"\ndata = { builtin = \"iris\" }\nmodel = { kind = \"logistic\" }\n\
                    training = { epochs = 2, checkpoint_every = 1 }\n";
        // Whatever is written to this device finds no room.
        fs_err::create_dir(job.path().join("checkpoints")).unwrap();
        symlink("/dev/full", job.path().join("checkpoints/unfinished")).unwrap();
        let request = TrainRequest {
            spec_json: TrainingSpec::from_toml(spec).unwrap().to_json(),
            job_directory: job.path().to_str().unwrap().to_owned(),
            threads: 1,
            memory_bytes: 1 << 30,
            ..TrainRequest::default()
        };
        let refusal = train(&request, &mut Deaf).unwrap_err();
        assert_eq!(refusal.error_code(), ErrorCode::Unavailable);
        assert!(refusal.message.contains("free some space"), "{}", refusal.message);
    }

    #[test]
    fn figures_of_serving_stand_in_the_summary() {
        let served = serde_json::json!({"package_bytes": 7});
        assert_eq!(with_served("{\"a\":1}", served.clone()), "{\"a\":1,\"served\":{\"package_bytes\":7}}");
        assert_eq!(with_served("no object", served), "no object");
    }
}
