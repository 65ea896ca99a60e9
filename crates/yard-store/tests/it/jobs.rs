//! Jobs on SQLite: the suite, and versions that end jobs.

use std::{path::PathBuf, sync::Arc};

use sqlx::AssertSqlSafe;
use yard_jobs::{
    Claim, HolderId, Job, JobId, JobState, JobStore, Lease, Lineage, NewJob, ProducedFile, Product,
    RegisterError, Results as _, job_store_suite, testing::new_job,
};
use yard_registry::testing::StandInProver;
use yard_store::{Database, DatabaseOptions, SqliteJobStore};
use yard_types::{Timestamp, UploadState, VersionNumber};

use crate::yard::{Yard, model};

async fn open() -> (Arc<dyn JobStore>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.db");
    let database = Database::open(&path, &DatabaseOptions::default()).await.unwrap();
    (Arc::new(SqliteJobStore::new(database)), directory)
}

job_store_suite!(open());

fn jobs(yard: &Yard) -> SqliteJobStore {
    SqliteJobStore::new(yard.database.clone())
}

/// A running job, and files that it made.
async fn produced(yard: &Yard, bits: u128, content: &str) -> (Claim, Job, Product) {
    let id = JobId::from_bits(bits);
    let job = Job::queued(new_job("{}"), id, Timestamp(5));
    jobs(yard).insert(&job).await.unwrap();
    let claim = start(yard, id).await;
    let directory = yard.directory.path().join("jobs").join(id.to_string());
    fs_err::create_dir_all(&directory).unwrap();
    let file = |path: &str, content: &str| {
        let source: PathBuf = directory.join(path);
        fs_err::write(&source, content).unwrap();
        ProducedFile { path: path.parse().unwrap(), source }
    };
    let files =
        vec![file("model.onnx", content), file("training.json", "{}"), file("learning_curve.svg", "<svg/>")];
    let lineage = Lineage {
        spec: format!("{{\"name\":\"{}\"}}", "n".repeat(9000)),
        data: vec![("train.csv".to_owned(), yard_types::Digest::from_bytes([7; 32]))],
        code_version: "0.3.0".to_owned(),
        seed: 7,
        environment: vec![("threads".to_owned(), "1".to_owned())],
    };
    (claim, job, Product { files, summary: "{\"accuracy\":0.98}".to_owned(), lineage })
}

async fn start(yard: &Yard, id: JobId) -> Claim {
    let lease = Lease { holder: HolderId::from_bits(1), expires_at: Timestamp(1000) };
    jobs(yard).start(id, &lease, Timestamp(6)).await.unwrap();
    row(yard, id).await.claim().unwrap()
}

async fn row(yard: &Yard, id: JobId) -> Job {
    jobs(yard).job(id).await.unwrap().unwrap()
}

fn version(job: &Job) -> Option<u32> {
    job.result.as_ref().and_then(|result| result.version).map(VersionNumber::get)
}

#[tokio::test]
async fn what_a_job_made_becomes_a_version_with_its_history_and_the_job_succeeds_with_it() {
    let yard = Yard::new().await;
    let (claim, job, product) = produced(&yard, 1, "weights").await;
    yard.registry.register(claim, &job, &product).await.unwrap();
    let job = row(&yard, job.id).await;
    assert_eq!((job.state, version(&job)), (JobState::Succeeded, Some(1)));
    assert_eq!(job.result.unwrap().summary, "{\"accuracy\":0.98}");

    let yard = yard.reopen().await;
    let record = yard.registry.version(&model("m"), VersionNumber::FIRST).await.unwrap();
    assert_eq!((record.created_by.0.as_str(), record.files.len()), ("key-1", 3));
    assert_eq!(record.provenance.origin, format!("job {}", job.id));
    let fact = |name: &str| {
        let fact = record.provenance.facts.iter().find(|(known, _)| known == name);
        fact.map(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
    };
    assert_eq!(
        (fact("seed"), fact("code_version"), fact("environment.threads")),
        ("7".into(), "0.3.0".into(), "1".into())
    );
    assert_eq!(fact("data.train.csv"), format!("sha256:{}", "07".repeat(32)));
    assert_eq!((fact("spec"), fact("job")), (product.lineage.spec, job.id.to_string()));
}

#[tokio::test]
async fn the_same_bytes_again_end_the_job_with_the_version_that_is_there() {
    let yard = Yard::new().await;
    for bits in 1..=2 {
        let (claim, job, product) = produced(&yard, bits, "same").await;
        yard.registry.register(claim, &job, &product).await.unwrap();
        assert_eq!(version(&row(&yard, job.id).await), Some(1));
    }
    assert_eq!(yard.registry.versions(&model("m")).await.unwrap().len(), 1);
    assert_eq!(yard.prover.tasks().len(), 1);
}

#[tokio::test]
async fn a_result_that_is_no_good_leaves_the_job_as_it_was() {
    let yard = Yard::new().await;
    let (claim, job, product) = produced(&yard, 1, "bad:no such operator").await;
    let error = yard.registry.register(claim, &job, &product).await.unwrap_err();
    assert!(
        matches!(&error, RegisterError::Refused(failure) if failure.message.contains("no such operator")),
        "{error:?}"
    );
    let empty = Product { files: Vec::new(), ..product.clone() };
    let error = yard.registry.register(claim, &job, &empty).await.unwrap_err();
    assert!(matches!(error, RegisterError::Refused(_)), "{error:?}");
    let gone = ProducedFile { path: "gone.json".parse().unwrap(), source: "/nowhere/gone.json".into() };
    let error =
        yard.registry.register(claim, &job, &Product { files: vec![gone], ..product }).await.unwrap_err();
    assert!(matches!(error, RegisterError::Unavailable(_)), "{error:?}");
    assert_eq!(row(&yard, job.id).await.state, JobState::Running);
    assert_eq!(yard.registry.models().await.unwrap(), []);
    assert_eq!(yard.store.open_uploads().await.unwrap(), [], "nothing is left half done");
}

/// A write that fails stands for a process that is killed there: the transaction is undone in the same way.
#[tokio::test]
async fn a_version_and_the_end_of_its_job_are_written_together_or_not_at_all() {
    for fault in [
        "BEFORE INSERT ON versions",
        "BEFORE INSERT ON version_files",
        "BEFORE INSERT ON aliases",
        "BEFORE UPDATE ON jobs WHEN NEW.state = 'succeeded'",
        "AFTER UPDATE ON jobs WHEN NEW.state = 'succeeded'",
    ] {
        let yard = Yard::new().await;
        let (claim, job, product) = produced(&yard, 1, "weights").await;
        execute(&yard, format!("CREATE TRIGGER fault {fault} BEGIN SELECT RAISE(ABORT, 'cut'); END")).await;
        let error = yard.registry.register(claim, &job, &product).await.unwrap_err();
        assert!(matches!(error, RegisterError::Unavailable(_)), "{fault}: {error:?}");
        assert_eq!(row(&yard, job.id).await.state, JobState::Running, "{fault}");
        assert_eq!(yard.registry.models().await.unwrap(), [], "{fault}");

        // As after a restart: another attempt ends in both.
        let yard = yard.reopen().await;
        execute(&yard, "DROP TRIGGER fault".to_owned()).await;
        jobs(&yard).requeue(&claim, None, Timestamp(7)).await.unwrap();
        let claim = start(&yard, job.id).await;
        yard.registry.register(claim, &job, &product).await.unwrap();
        assert_eq!(version(&row(&yard, job.id).await), Some(1), "{fault}: the failure used up no number");
    }
}

async fn execute(yard: &Yard, statement: String) {
    let mut transaction = yard.database.write().await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_claim_that_was_lost_meanwhile_makes_no_version() {
    for change in ["called off", "taken over", "cancelled"] {
        let yard = Yard::with(StandInProver::waiting(), |_| {}).await;
        let (claim, job, product) = produced(&yard, 1, "weights").await;
        let registry = yard.registry.clone();
        let call = tokio::spawn({
            let job = job.clone();
            async move { registry.register(claim, &job, &product).await }
        });
        yard.prover.begun().await;
        match change {
            "called off" => jobs(&yard).request_cancel(job.id).await.unwrap(),
            "taken over" => {
                jobs(&yard).requeue(&claim, None, Timestamp(7)).await.unwrap();
                start(&yard, job.id).await;
            }
            _ => {
                let ending = yard_jobs::Ending::Cancelled;
                jobs(&yard).finish(&claim, &ending, Timestamp(7)).await.unwrap();
            }
        }
        let before = row(&yard, job.id).await;
        yard.prover.finish_one();
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, RegisterError::ClaimLost), "{change}: {error:?}");
        assert_eq!(row(&yard, job.id).await, before, "{change}");
        assert_eq!(yard.registry.models().await.unwrap(), [], "{change}");
        assert_eq!(yard.store.open_uploads().await.unwrap(), [], "{change}");
    }
}

#[tokio::test]
async fn a_registration_goes_on_when_its_caller_leaves() {
    let yard = Yard::with(StandInProver::waiting(), |_| {}).await;
    let (claim, job, product) = produced(&yard, 1, "weights").await;
    let registry = yard.registry.clone();
    let id = job.id;
    let call = tokio::spawn(async move { registry.register(claim, &job, &product).await });
    yard.prover.begun().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let open = yard.store.open_uploads().await.unwrap();
    assert_eq!(open[0].state, UploadState::Proving);
    // The next proof is behind this one, so once it is done this one is.
    yard.prover.finish_one();
    yard.prover.finish_one();
    yard.push("other", &[("model.onnx", "x")]).await.unwrap();
    assert_eq!(version(&row(&yard, id).await), Some(1));
}

#[tokio::test]
async fn what_unfinished_jobs_read_is_no_garbage() {
    let yard = Yard::new().await;
    let store = jobs(&yard);
    let mut jobs = Vec::new();
    for bits in 1..=3_u8 {
        let content = yard_registry::testing::bytes(format!("rows {bits}"));
        let stored = yard.artifacts.put(content, 99, None).await.unwrap();
        let new = NewJob { inputs: vec![stored.digest], ..new_job("{}") };
        let job = Job::queued(new, JobId::from_bits(bits.into()), Timestamp(5));
        store.insert(&job).await.unwrap();
        jobs.push(job);
    }
    start(&yard, jobs[1].id).await;
    store.end_queued(jobs[2].id, &yard_jobs::Ending::Cancelled, Timestamp(7)).await.unwrap();
    let report = yard.registry.gc().await.unwrap();
    assert_eq!((report.kept, report.deleted), (2, 1));
    assert!(!yard.artifacts.contains(&jobs[2].inputs[0]).await.unwrap());
}
