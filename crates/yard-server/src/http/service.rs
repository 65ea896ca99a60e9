//! One HTTP request from its head to its answer.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use http_body::Body as _;
use hyper::body::Incoming;
use yard_access::Principal;
use yard_types::ErrorCode;

use super::{
    Answer, AnswerBody, BodyCharge, BodyLimits, accepted_encoding, compress, declares_json, read_body,
    response::{empty, failure_answer},
};
use crate::{
    dispatch,
    failure::Failure,
    gate::{Head, HostRules, RequestId},
    heavy,
    net::{Linger, Pace},
    routes::{Access, Body, Endpoint, ErrorStyle, Found, Leaving, PathParameters, Route, Subject},
    state::ServerState,
};

/// Most bytes of a JSON document of the management API.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// Most bytes of a document with prompts: more text than any context holds.
const MAX_PROMPT_BYTES: usize = 8 << 20;
/// So much of an unwanted body is read and forgotten to keep its connection.
const MAX_FORGOTTEN_BYTES: u64 = 256 << 10;
/// For so long at most.
const MAX_FORGETTING: Duration = Duration::from_secs(2);

/// Serves the requests of one connection.
#[derive(Debug)]
pub(crate) struct HttpService {
    pub(crate) state: Arc<ServerState>,
    pub(crate) hosts: Arc<HostRules>,
    pub(crate) linger: Linger,
    pub(crate) pace: Pace,
}

/// A request that was let in, as handlers that answer within it see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) state: &'a Arc<ServerState>,
    pub(crate) parts: &'a Parts,
    pub(crate) parameters: PathParameters<'a>,
    pub(crate) principal: &'a Principal,
    pub(crate) request_id: &'a RequestId,
    pub(crate) arrived: Instant,
}

/// What came with a request, for handlers that own it.
#[derive(Debug)]
pub(crate) enum Payload {
    Nothing,
    /// With what it takes of the memory for bodies, as long as it is there.
    Json {
        document: Bytes,
        _charge: BodyCharge,
    },
    File(Incoming),
}

impl HttpService {
    /// Answers one request. There is always an answer.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let _in_hand = self.pace.begin();
        let arrived = Instant::now();
        let (parts, body) = request.into_parts();
        let mut body = Some(body);
        let request_id = RequestId::of(&parts.headers);
        let found = self.state.http_router.find(&parts.method, parts.uri.path());
        let outcome = self.answer(&parts, &mut body, &found, &request_id, arrived);
        // A handler that panics fails its own request and no other on this connection.
        let outcome = AssertUnwindSafe(outcome).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
        let (endpoint, style) = match &found {
            Found::Route(route, _) => (Some(route.endpoint), route.errors),
            _ => (None, ErrorStyle::of_path(parts.uri.path())),
        };
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(mut failure) => {
                failure.log(request_id.as_str());
                if !forget(&parts, body).await {
                    failure.close = true;
                }
                if failure.close {
                    self.linger.ask();
                }
                failure_answer(&failure, style, &request_id)
            }
        };
        if let AnswerBody::Whole(bytes) = answer.body()
            && bytes.len() >= self.state.options.http.min_compressed_bytes
        {
            answer = compressed(&parts, answer).await;
        }
        answer.headers_mut().insert(RequestId::HEADER, request_id.header_value());
        let took = arrived.elapsed();
        self.state.metrics.observe(endpoint, answer.status(), took);
        tracing::debug!(
            request_id = request_id.as_str(),
            method = parts.method.as_str(),
            path = parts.uri.path(),
            status = answer.status().as_u16(),
            microseconds = took.as_micros() as u64,
            "request"
        );
        Ok(answer)
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: &mut Option<Incoming>,
        found: &Found<'_>,
        request_id: &RequestId,
        arrived: Instant,
    ) -> Result<Answer, Failure> {
        let state = &self.state;
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let head = Head { headers: &parts.headers, authority };
        self.hosts.check(head)?;
        let (route, parameters) = match found {
            Found::Route(route, parameters) => (*route, *parameters),
            Found::OtherMethods(allow) => {
                let _admission = state.gate.admit(head, None, None)?;
                return other_method(parts, allow);
            }
            Found::Nothing => {
                let _admission = state.gate.admit(head, None, None)?;
                return Err(Failure::not_found("there is no such route"));
            }
        };
        if route.access == Access::Open {
            return dispatch::open(state, route.endpoint);
        }
        let model = match route.subject {
            // What is not UTF-8 is no model's name.
            Subject::InPath => Some(parameters.decoded("model").unwrap_or_default()),
            Subject::Unnamed => None,
        };
        let admission = state.gate.admit(head, Some(route), model.as_deref())?;
        let principal = &admission.principal;
        let call = Call { state, parts, parameters, principal, request_id, arrived };
        match (route.endpoint, body.as_mut()) {
            (Endpoint::Infer, Some(body)) => dispatch::infer(&call, body).await,
            (Endpoint::PredictModel | Endpoint::PredictDefault, Some(body)) => {
                dispatch::predict(&call, body).await
            }
            _ => {
                let payload = self.payload(route, parts, body).await?;
                self.run(route, call, payload).await
            }
        }
    }

    /// Takes the body as the route has it.
    async fn payload(
        &self,
        route: &Route,
        parts: &Parts,
        body: &mut Option<Incoming>,
    ) -> Result<Payload, Failure> {
        let limits = BodyLimits::of(&self.state.options.http);
        match (route.body, body.as_mut()) {
            (Body::Json | Body::Prompt, Some(unread)) => {
                // A page in a browser cannot say so without asking first.
                if route.errors != ErrorStyle::Plain && !declares_json(&parts.headers) {
                    return Err(Failure::invalid("the request must be 'content-type: application/json'"));
                }
                let most = if route.body == Body::Prompt { MAX_PROMPT_BYTES } else { MAX_DOCUMENT_BYTES };
                let mut charge = self.state.bodies.begin();
                let document = read_body(&parts.headers, unread, limits.at_most(most), &mut charge).await?;
                Ok(Payload::Json { document, _charge: charge })
            }
            (Body::File, Some(_)) => {
                if parts.headers.contains_key(header::CONTENT_ENCODING) {
                    return Err(Failure::invalid("files are sent as they are, without a content encoding"));
                }
                Ok(body.take().map_or(Payload::Nothing, Payload::File))
            }
            _ => Ok(Payload::Nothing),
        }
    }

    /// Runs a handler that owns its request: within it, or on its own where it is to end even when the client leaves.
    async fn run(&self, route: &Route, call: Call<'_>, payload: Payload) -> Result<Answer, Failure> {
        let owned = dispatch::OwnedCall::new(&call);
        let endpoint = route.endpoint;
        match route.leaving {
            Leaving::Cancel => Box::pin(dispatch::run(endpoint, owned, payload)).await,
            Leaving::Finish => {
                let work = self.state.background.spawn(dispatch::run(endpoint, owned, payload));
                work.await.map_err(Failure::internal)?
            }
        }
    }
}

fn panicked() -> Failure {
    Failure::internal("a handler panicked")
}

fn other_method(parts: &Parts, allow: &HeaderValue) -> Result<Answer, Failure> {
    if parts.method != Method::OPTIONS {
        return Err(Failure::method_not_allowed(allow.clone()));
    }
    let mut answer = empty(StatusCode::NO_CONTENT);
    answer.headers_mut().insert(header::ALLOW, allow.clone());
    Ok(answer)
}

/// Reads and forgets a body that nobody wants, so that the connection can go on. Says whether it can.
async fn forget(parts: &Parts, body: Option<Incoming>) -> bool {
    // Whoever took it also read it, or broke off for a reason of its own.
    let Some(mut body) = body else { return true };
    if body.is_end_stream() {
        return true;
    }
    if parts.headers.contains_key(header::EXPECT) {
        // The client waits to be asked for it, and will not be.
        return false;
    }
    let limits =
        BodyLimits { max_bytes: MAX_FORGOTTEN_BYTES as usize, idle: MAX_FORGETTING, total: MAX_FORGETTING };
    super::body::discard(&mut body, limits).await
}

async fn compressed(parts: &Parts, mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(encoding) = accepted_encoding(&parts.headers) else { return answer };
    let AnswerBody::Whole(bytes) = answer.body() else { return answer };
    let plain = bytes.clone();
    let written = heavy::run(plain.len(), move || compress(encoding, &plain)).await;
    // An answer that cannot be compressed is sent as it is.
    if let Ok(Ok(written)) = written {
        *answer.body_mut() = AnswerBody::Whole(written.into());
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    }
    answer
}

impl Payload {
    /// The bytes of a document; none where there is none.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Json { document, .. } => document.clone(),
            Self::Nothing | Self::File(_) => Bytes::new(),
        }
    }

    /// The JSON document, which may be left out: then it counts as `{}`.
    pub(crate) fn document<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        let bytes: &[u8] = match self {
            Self::Json { document, .. } if !document.is_empty() => document,
            _ => b"{}",
        };
        serde_json::from_slice(bytes).map_err(|error| {
            Failure::new(
                ErrorCode::InvalidArgument,
                format!("the request is not the JSON that belongs here: {error}"),
            )
        })
    }
}
