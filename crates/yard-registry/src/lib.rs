//! Models, versions, aliases, lineage, data sets and their rules.
//!
//! [`Registry`] is what the rest of Modelyard calls. What it needs from outside stands here as small traits: where rows
//! are kept ([`RegistryStore`]), where bytes are kept ([`ArtifactStore`]), how a model is proven ([`Prover`]) and the
//! clock ([`Clock`]). This crate knows no SQL, no HTTP and no engine.
//!
//! The feature `store-suite` adds stores in memory and the suites that every implementation of the store traits must pass.

#![warn(missing_docs)]

mod artifact;
mod data_sets;
mod error;
mod prover;
mod records;
mod registry;
mod rules;
mod store;
#[cfg(any(test, feature = "store-suite"))]
pub mod testing;

pub use artifact::{ArtifactError, ArtifactStore, ByteStream, StagedArtifact, StoredArtifact};
pub use data_sets::{DataSetDraft, DataSetRecord, DataSetStore, NewDataSet};
pub use error::RegistryError;
pub use prover::{ProofFailure, ProofOutcome, ProofTask, Prover};
pub use records::{
    Actor, AliasMove, AliasRecord, EngineStamp, FileRecord, JoiningRecord, LanguageRecord, ModelRecord,
    MoveKind, NewVersion, ProofRecord, Provenance, QueueClassLimits, ServingOptions, UploadId, UploadIdError,
    UploadRecord, VersionRecord, WarmUpRecord,
};
pub use registry::{
    CheckDepth, CommitOutcome, ContentHold, DataSetOutcome, GarbageReport, IntegrityFault, PackageLease,
    RecoveryReport, Registry, RegistryOptions, Rollback,
};
pub use rules::package_digest;
pub use store::{Clock, RegistryStore, StoreError, SystemClock};
