//! `GET /v1/models`.

use serde::Serialize;

/// The models that the key may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelList {
    object: &'static str,
    /// By name.
    pub data: Vec<ModelObject>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelObject {
    /// Its name.
    pub id: String,
    object: &'static str,
    /// When its first version became ready: seconds since 1970.
    pub created: u64,
    /// Who runs it.
    pub owned_by: String,
}

impl ModelList {
    /// Of these models.
    #[must_use]
    pub const fn new(data: Vec<ModelObject>) -> Self {
        Self { object: "list", data }
    }
}

impl ModelObject {
    /// A model.
    #[must_use]
    pub fn new(id: impl Into<String>, created: u64, owned_by: impl Into<String>) -> Self {
        Self { id: id.into(), object: "model", created, owned_by: owned_by.into() }
    }
}
