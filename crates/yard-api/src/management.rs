//! The bodies of the management API under `/api/v1`, as JSON.
//!
//! Moments are RFC 3339 texts in UTC; sizes are bytes; durations name their unit. Unknown members of requests are
//! refused, so that a misspelt option is an error and not a silence.

mod access;
mod data_set;
mod job;
mod model;
mod status;
mod upload;

pub use access::{
    AuditEntryBody, AuditPage, CreatedKey, KeyBody, KeyList, NewKeyBody, RotateKey, UsageBody, UsageList,
};
pub use data_set::{
    CommitDataSetBody, CommitDataSetReply, DataSetBody, DataSetDraftBody, DataSetList, NewDataSetBody,
};
pub use job::{
    JobBody, JobErrorBody, JobEventBody, JobEventKind, JobPage, JobResultBody, LogLineBody, LogList,
    MetricBody, MetricList, MissedBody, NewJobBody, ProgressBody,
};
pub use model::{
    AliasBody, AliasList, AliasMoveBody, EngineBody, FileBody, FileList, JoiningBody, LanguageBody,
    ModelBody, ModelList, Passport, PromoteReply, ProofBody, ProvenanceBody, RollbackReply, RollbackRequest,
    ServingOptionsBody, SetAlias, SignatureBody, TensorBody, VersionBody, VersionList, WarmUpBody,
};
pub use status::{ErrorBody, ErrorDetail, GarbageBody, ServedLanguageBody, ServedVersionBody, StatusBody};
pub use upload::{CommitReply, CommitRequest, NewUpload, UploadBody};
