//! The connection to one server, and the one place where requests are sent and answers are judged.

use std::{error::Error as _, fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::{Serialize, de::DeserializeOwned};
use tonic::metadata::{Ascii, MetadataValue};

use crate::{ClientError, ServerAddress, refusal};

/// Longest body of a failure that is read: enough for any message, and no more.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// Longest key.
const MAX_KEY: usize = 512;

/// A client of one server. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: ServerAddress,
    key: Option<ApiKey>,
    options: ClientOptions,
}

/// An API key. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(HeaderValue);

/// The text cannot be an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is 1 to {MAX_KEY} visible characters without a space")]
pub struct MalformedKey;

/// The bounds of a client's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Longest time to open a connection.
    pub connect_timeout: Duration,
    /// Longest time for a call, except those below.
    pub timeout: Duration,
    /// Longest time for the commit of an upload, during which the server proves the model, and until a chat is answered,
    /// for which it may have to load one.
    pub commit_timeout: Duration,
    /// Longest silence during a transfer; a transfer as a whole may take as long as it moves.
    pub idle_timeout: Duration,
    /// Largest answer that is read into memory, in bytes.
    pub max_answer: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            commit_timeout: Duration::from_secs(15 * 60),
            idle_timeout: Duration::from_secs(60),
            max_answer: 256 * 1024 * 1024,
        }
    }
}

// === impl ApiKey ===

impl ApiKey {
    /// Takes the key as the server printed it.
    pub fn new(text: &str) -> Result<Self, MalformedKey> {
        let usable = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !usable {
            return Err(MalformedKey);
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| MalformedKey)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// The value of the `authorization` metadata of gRPC.
    pub(crate) fn metadata(&self) -> Result<MetadataValue<Ascii>, MalformedKey> {
        let mut value = MetadataValue::try_from(self.0.as_bytes()).map_err(|_| MalformedKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey([hidden])")
    }
}

// === impl Client ===

impl Client {
    /// Makes a client; nothing is sent yet.
    pub fn new(
        server: ServerAddress,
        key: Option<ApiKey>,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .user_agent(concat!("modelyard-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientError::Request(format!("cannot set up an HTTP client: {error}")))?;
        Ok(Self { http, server, key, options })
    }

    /// The server it talks to.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The bounds of its calls.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    pub(crate) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        self.server.join(segments)
    }

    /// A request with the key and without a time limit of its own.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.header().clone()),
            None => request,
        }
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        let request = self.request(Method::GET, url).timeout(self.options.timeout);
        self.json_answer(request).await
    }

    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.json_request(method, url, body)?.timeout(self.options.timeout);
        self.json_answer(request).await
    }

    pub(crate) fn json_request(
        &self,
        method: Method,
        url: Url,
        body: &impl Serialize,
    ) -> Result<RequestBuilder, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| ClientError::Request(format!("cannot write the request as JSON: {error}")))?;
        Ok(self.request(method, url).header(CONTENT_TYPE, "application/json").body(body))
    }

    pub(crate) async fn json_answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.accepted(request.header(ACCEPT, "application/json")).await?;
        let body = self.read_body(response, self.options.max_answer).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.protocol(format!("it is not the JSON that was expected: {error}")))
    }

    /// Sends a request whose answer has nothing to say.
    pub(crate) async fn done(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.accepted(request.timeout(self.options.timeout)).await.map(drop)
    }

    /// Sends a request and turns every answer but a success into an error.
    pub(crate) async fn accepted(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.transport(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    async fn refusal(&self, response: Response) -> ClientError {
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            return self
                .protocol(format!("it redirects (status {status}), which this client does not follow"));
        }
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let request_id = header("x-request-id");
        let retry_after_seconds = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let body = match self.read_body(response, MAX_ERROR_BODY).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let mut refusal = refusal::of_answer(status, &body);
        refusal.request_id = refusal.request_id.or(request_id);
        refusal.retry_after_seconds = retry_after_seconds;
        refusal.into()
    }

    /// Reads a whole body of at most `limit` bytes.
    pub(crate) async fn read_body(&self, mut response: Response, limit: usize) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(error))? {
            if body.len() + chunk.len() > limit {
                return Err(self.protocol(format!("it is longer than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    pub(crate) fn protocol(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Protocol { server: self.server.to_string(), reason: reason.into() }
    }

    pub(crate) fn timed_out(&self) -> ClientError {
        ClientError::TimedOut { server: self.server.to_string() }
    }

    pub(crate) fn transport(&self, error: reqwest::Error) -> ClientError {
        let server = self.server.to_string();
        let error = error.without_url();
        if error.is_connect() {
            return ClientError::Unreachable { server, source: error.into() };
        }
        if error.is_timeout() {
            return ClientError::TimedOut { server };
        }
        if error.is_builder() {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return ClientError::Request(format!("the request cannot be sent: {cause}"));
        }
        ClientError::Broken { server, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_and_checked() {
        let key = ApiKey::new("my_id_secret").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey([hidden])");
        for text in ["", "with space", "line\n", "näh", &"x".repeat(513)] {
            assert_eq!(ApiKey::new(text), Err(MalformedKey), "{text:?}");
        }
    }
}
