//! The server's own state.

use reqwest::Method;
use yard_api::management::{GarbageBody, StatusBody};

use crate::{Client, ClientError};

impl Client {
    /// The server's version, engines and loaded models.
    pub async fn status(&self) -> Result<StatusBody, ClientError> {
        self.get_json(self.url(["api", "v1", "status"])).await
    }

    /// Deletes stored content that nothing points at.
    pub async fn collect_garbage(&self) -> Result<GarbageBody, ClientError> {
        let url = self.url(["api", "v1", "gc"]);
        // It walks the whole store, which may take as long as a proof.
        let request = self.json_request(Method::POST, url, &serde_json::Map::new())?;
        self.json_answer(request.timeout(self.options().commit_timeout)).await
    }

    /// Whether the process answers at all; needs no key.
    pub async fn live(&self) -> Result<(), ClientError> {
        self.done(self.request(Method::GET, self.url(["health", "live"]))).await
    }

    /// Whether the server can take requests; needs no key.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.done(self.request(Method::GET, self.url(["health", "ready"]))).await
    }
}
