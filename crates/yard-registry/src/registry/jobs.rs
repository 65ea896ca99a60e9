//! From what a job made to a version, with the job's end in the same transaction.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;
use yard_jobs::{Claim, Completion, Job, JobFailure, Lineage, Product, RegisterError, Results};
use yard_types::{Coded as _, UploadState};

use super::{CommitOutcome, Registry, uploads::random_upload_id};
use crate::{
    Actor, ByteStream, Provenance, RegistryError, StoreError, UploadId, UploadRecord, rules::refused_by_name,
};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

impl Registry {
    /// Proves what a job made and makes it the next version of the job's model; identical bytes give the version that is
    /// there. The job succeeds in the transaction that writes the version, or nothing is written. Once begun, this goes
    /// on even when the caller drops the future.
    pub async fn register_product(
        &self,
        claim: Claim,
        job: &Job,
        product: &Product,
    ) -> Result<CommitOutcome, RegistryError> {
        let upload = UploadRecord {
            id: random_upload_id()?,
            model: job.model.clone(),
            state: UploadState::Receiving,
            created_at: self.clock.now(),
            created_by: Actor(job.owner.0.clone()),
            files: Vec::new(),
            failure: None,
            version: None,
            provenance: provenance(job, &product.lineage),
        };
        let (registry, product) = (self.clone(), product.clone());
        let work = async move {
            let id = upload.id;
            // Not counted among the uploads of its owner: the limit on jobs bounds these.
            registry.store.insert_upload(&upload).await?;
            if let Err(error) = registry.take_files(id, &product).await {
                registry.fail_upload(id, &error.to_string()).await?;
                return Err(error);
            }
            let completion = Completion { claim, summary: product.summary };
            let outcome = registry.commit_for(id, false, Some(completion)).await;
            if outcome.is_err() {
                // A package that was refused before its proof is left open for its sender, who is not there here.
                registry.fail_upload(id, "the result of the job was not registered").await?;
            }
            outcome
        };
        tokio::spawn(work).await.unwrap_or(Err(RegistryError::ProofLost))
    }

    async fn take_files(&self, id: UploadId, product: &Product) -> Result<(), RegistryError> {
        for file in &product.files {
            // Curves that a job has drawn are let in; nobody may push pictures that can hold scripts.
            let drawn = file.path.extension().is_some_and(|extension| extension == "svg");
            if let Some(advice) = refused_by_name(&file.path).filter(|_| !drawn) {
                return Err(RegistryError::RefusedFile { path: file.path.clone(), advice });
            }
            let content = read(&file.source).await.map_err(RegistryError::Package)?;
            self.take_file(id, file.path.clone(), content, None).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Results for Registry {
    async fn register(&self, claim: Claim, job: &Job, product: &Product) -> Result<(), RegisterError> {
        let error = match self.register_product(claim, job, product).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        Err(match error {
            RegistryError::Store(StoreError::Conflict(_) | StoreError::Missing(_)) => {
                RegisterError::ClaimLost
            }
            RegistryError::Refused(failure) => {
                let message = format!("the trained model was refused: {}", failure.message);
                RegisterError::Refused(JobFailure { code: failure.code, message })
            }
            error @ (RegistryError::NoModelFile(_)
            | RegistryError::PathCollision { .. }
            | RegistryError::RefusedFile { .. }
            | RegistryError::TooLarge(_)
            | RegistryError::Artifact(crate::ArtifactError::TooLarge { .. })) => {
                RegisterError::Refused(JobFailure { code: error.code(), message: error.to_string() })
            }
            error => RegisterError::Unavailable(Box::new(error)),
        })
    }
}

/// Where the result of a job comes from, told as facts in the passport.
fn provenance(job: &Job, lineage: &Lineage) -> Provenance {
    let mut facts = vec![
        ("job".to_owned(), job.id.to_string()),
        ("spec".to_owned(), lineage.spec.clone()),
        ("seed".to_owned(), lineage.seed.to_string()),
        ("code_version".to_owned(), lineage.code_version.clone()),
    ];
    facts.extend(
        lineage.data.iter().map(|(name, digest)| (format!("data.{name}"), format!("sha256:{digest}"))),
    );
    facts.extend(
        lineage.environment.iter().map(|(name, value)| (format!("environment.{name}"), value.clone())),
    );
    Provenance { parent: None, note: None, origin: format!("job {}", job.id), facts }
}

async fn read(source: &Path) -> Result<ByteStream, std::io::Error> {
    let file = tokio::fs::File::open(source).await?;
    Ok(Box::pin(stream::try_unfold(file, |mut file| async move {
        let mut piece = Vec::with_capacity(READ_BYTES);
        let read = (&mut file).take(READ_BYTES as u64).read_to_end(&mut piece).await?;
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })))
}
