//! Models, versions, aliases, lineage and their rules.
//!
//! [`Registry`] is what the rest of Modelyard calls. What it needs from outside stands here as small traits: where rows
//! are kept ([`RegistryStore`]), where bytes are kept ([`ArtifactStore`]), how a model is proven ([`Prover`]) and the
//! clock ([`Clock`]). This crate knows no SQL, no HTTP and no engine.

mod artifact;
mod error;
mod prover;
mod records;
mod registry;
mod store;

pub use artifact::{ArtifactError, ArtifactStore, ByteStream, StoredArtifact};
pub use error::RegistryError;
pub use prover::{ProofFailure, ProofOutcome, ProofTask, Prover};
pub use records::{
    Actor, AliasMove, AliasRecord, EngineStamp, FileRecord, JoiningRecord, ModelRecord, NewVersion,
    ProofRecord, Provenance, QueueClassLimits, ServingOptions, UploadId, UploadIdError, UploadRecord,
    VersionRecord, WarmUpRecord,
};
pub use registry::{CommitOutcome, GarbageReport, Registry, RegistryOptions};
pub use store::{Clock, RegistryStore, StoreError};
