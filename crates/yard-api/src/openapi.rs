//! The committed description of the HTTP API, and the schemas it is made of.
//!
//! The paths come from the server's table of routes; the server's tests compare what code makes of both with the
//! committed file.

use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::management::{
    AliasList, AuditPage, CommitDataSetBody, CommitDataSetReply, CommitReply, CommitRequest, CreatedKey,
    DataSetBody, DataSetDraftBody, DataSetList, ErrorBody, FileBody, FileList, GarbageBody, JobBody,
    JobEventBody, JobPage, KeyList, LogList, MetricList, MissedBody, ModelBody, ModelList, NewDataSetBody,
    NewJobBody, NewKeyBody, NewUpload, Passport, PromoteReply, RollbackReply, RollbackRequest, RotateKey,
    ServingOptionsBody, SetAlias, StatusBody, UploadBody, UsageList, VersionBody, VersionList,
};

/// The committed description, as JSON.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The schemas of all bodies of the management API, by name.
pub fn schemas() -> Result<Map<String, Value>, serde_json::Error> {
    let mut found = Vec::new();
    collect::<AliasList>(&mut found);
    collect::<AuditPage>(&mut found);
    collect::<CommitDataSetBody>(&mut found);
    collect::<CommitDataSetReply>(&mut found);
    collect::<CommitReply>(&mut found);
    collect::<CommitRequest>(&mut found);
    collect::<CreatedKey>(&mut found);
    collect::<DataSetBody>(&mut found);
    collect::<DataSetDraftBody>(&mut found);
    collect::<DataSetList>(&mut found);
    collect::<ErrorBody>(&mut found);
    collect::<FileBody>(&mut found);
    collect::<FileList>(&mut found);
    collect::<GarbageBody>(&mut found);
    collect::<JobBody>(&mut found);
    collect::<JobEventBody>(&mut found);
    collect::<JobPage>(&mut found);
    collect::<KeyList>(&mut found);
    collect::<LogList>(&mut found);
    collect::<MetricList>(&mut found);
    collect::<MissedBody>(&mut found);
    collect::<ModelBody>(&mut found);
    collect::<ModelList>(&mut found);
    collect::<NewDataSetBody>(&mut found);
    collect::<NewJobBody>(&mut found);
    collect::<NewKeyBody>(&mut found);
    collect::<NewUpload>(&mut found);
    collect::<Passport>(&mut found);
    collect::<PromoteReply>(&mut found);
    collect::<RollbackReply>(&mut found);
    collect::<RollbackRequest>(&mut found);
    collect::<RotateKey>(&mut found);
    collect::<ServingOptionsBody>(&mut found);
    collect::<SetAlias>(&mut found);
    collect::<StatusBody>(&mut found);
    collect::<UploadBody>(&mut found);
    collect::<UsageList>(&mut found);
    collect::<VersionBody>(&mut found);
    collect::<VersionList>(&mut found);
    // Sorted and each once: bodies share their parts.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.dedup_by(|one, other| one.0 == other.0);
    found.into_iter().map(|(name, schema)| Ok((name, serde_json::to_value(schema)?))).collect()
}

fn collect<T: ToSchema + PartialSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    found.push((T::name().into_owned(), T::schema()));
    T::schemas(found);
}
