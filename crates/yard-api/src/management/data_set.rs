//! Data sets: files that jobs are trained on, in immutable versions.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::FileBody;

/// Begins a version of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDataSetBody {
    /// The data set; it need not exist yet. Names are formed like those of models and have a space of their own.
    pub name: String,
}

/// Files on their way to becoming a version of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataSetDraftBody {
    /// The id of the upload.
    pub id: String,
    /// The data set.
    pub name: String,
    /// When it was begun.
    pub created_at: String,
    /// How many files have come in whole.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Makes an upload the next version of its data set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommitDataSetBody {
    /// What the columns are, as `modelyard data schema` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub schema: Option<Box<RawValue>>,
    /// What the columns hold, as `modelyard data describe --json` prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub statistics: Option<Box<RawValue>>,
}

/// The upload is a version of its data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitDataSetReply {
    /// The data set.
    pub name: String,
    /// The version.
    pub version: u32,
    /// Whether it was made now; otherwise the newest one has the same files and schema.
    pub created: bool,
}

/// One version of a data set.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DataSetBody {
    /// The data set.
    pub name: String,
    /// Its number.
    pub version: u32,
    /// When it was made.
    pub created_at: String,
    /// The id of the key that made it.
    pub created_by: String,
    /// The digest of all its files.
    pub digest: String,
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What its columns are, where that was told; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Object)]
    pub schema: Option<Box<RawValue>>,
    /// What its columns hold, where that was told; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Object)]
    pub statistics: Option<Box<RawValue>>,
    /// Its first files by path, at most 1000; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_list: Option<Vec<FileBody>>,
}

/// Data sets, or versions of one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DataSetList {
    /// By name: the newest version of each; or, of one data set, all versions by number.
    pub data_sets: Vec<DataSetBody>,
}
