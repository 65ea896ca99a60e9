//! Errors, the server's own state, garbage collection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EngineBody;

/// A failure, on our own and on OpenAI-compatible routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The failure.
    pub error: ErrorDetail,
}

/// What went wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A stable code, such as `not_found`.
    pub code: String,
    /// For a person.
    pub message: String,
    /// The member of the request that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub param: Option<String>,
    /// Find the request in the server's log by it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

/// The server's own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusBody {
    /// The server's version.
    pub version: String,
    /// The engines it found, the preferred one first.
    pub engines: Vec<EngineBody>,
    /// Versions that are loaded, loading, failed, draining or evicted.
    pub served: Vec<ServedVersionBody>,
}

/// One version in the server's memory, or on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServedVersionBody {
    /// Its model.
    pub model: String,
    /// Its number.
    pub version: u32,
    /// `loading`, `ready`, `failed`, `draining`, or `evicted`: it left for others, and the next request loads it.
    pub state: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it takes of the memory for models.
    pub memory_bytes: u64,
    /// Requests that wait.
    pub waiting: usize,
    /// Whether work waits and nothing moves.
    pub stalled: bool,
    /// How its process does, if it is a language model in service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<ServedLanguageBody>,
}

/// The process of a language model in service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServedLanguageBody {
    /// Whether it runs; if not, it is being started again.
    pub running: bool,
    /// How often it was tried to start it again.
    pub restarts: u64,
    /// Answers that were begun and have not ended.
    pub answers_in_flight: u64,
}

/// What garbage collection did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GarbageBody {
    /// Contents deleted that nothing pointed at.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Left-overs of interrupted writes deleted.
    pub temporary: u64,
    /// Contents kept.
    pub kept: u64,
}
