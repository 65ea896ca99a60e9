//! Uploads: how a package becomes a version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FileBody;

/// Begins an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// The model that the version will belong to; it need not exist yet.
    pub model: String,
    /// Free text for the passport, at most 4,096 bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// The version of the same model it was made from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<u32>,
    /// Facts for the passport, at most 64 of at most 4,096 bytes each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub facts: BTreeMap<String, String>,
}

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadBody {
    /// Its id.
    pub id: String,
    /// The model.
    pub model: String,
    /// `receiving`, `proving`, `ready` or `failed`.
    pub state: String,
    /// When it was begun.
    pub created_at: String,
    /// The files that have come in whole.
    pub files: Vec<FileBody>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The version made of it, or the identical one that was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Asks for the upload to be proven and made a version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommitRequest {
    /// Make a new version even when an identical one is there.
    pub new_version: bool,
}

/// The upload is a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitReply {
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// Whether it was made now; otherwise an identical one was there.
    pub created: bool,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
}
