//! One gRPC call from its head to its answer.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tonic::{body::Body, service::Routes};
use tower::Service;
use yard_types::ErrorCode;

use super::{
    caller::{Caller, Credentials, status, timeout},
    messages::{self, Count, Inbox, MessageLimits},
    weight::malformed,
};
use crate::{
    failure::Failure,
    gate::{Admission, Head, HostRules, RequestId},
    routes::{self, Access, Endpoint, Leaving, Route},
    state::ServerState,
};

/// The calls whose messages are requests to run a model.
const INFER_CALLS: [&str; 2] =
    ["/inference.GRPCInferenceService/ModelInfer", "/inference.GRPCInferenceService/ModelStreamInfer"];
/// Most bytes of the messages of all other calls: they hold names.
const MAX_SMALL_BYTES: usize = 1 << 20;
/// Most bytes of the message of a call that needs no key.
const MAX_OPEN_BYTES: usize = 4 << 10;
/// Longest time until such a call is answered.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// Serves the calls of one connection.
#[derive(Debug)]
pub(crate) struct GrpcService {
    pub(crate) state: Arc<ServerState>,
    pub(crate) hosts: Arc<HostRules>,
    pub(crate) routes: Routes,
}

impl GrpcService {
    /// Answers one call. There is always an answer.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let arrived = Instant::now();
        let request_id = RequestId::of(request.headers());
        let path = request.uri().path().to_owned();
        let outcome = self.answer(request, &request_id, arrived).await;
        let (mut response, counted) = match outcome {
            Ok(response) => {
                let counted = http_status(&response);
                (response, counted)
            }
            Err(failure) => {
                failure.log(request_id.as_str());
                (status(&failure).into_http(), failure.http_status())
            }
        };
        response.headers_mut().insert(RequestId::HEADER, request_id.header_value());
        let took = arrived.elapsed();
        self.state.metrics.observe(Some(Endpoint::Rpc), counted, took);
        tracing::debug!(
            request_id = request_id.as_str(),
            path,
            status = counted.as_u16(),
            microseconds = took.as_micros() as u64,
            "call"
        );
        Ok(response)
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        request_id: &RequestId,
        arrived: Instant,
    ) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = request.into_parts();
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let head = Head { headers: &parts.headers, authority };
        self.hosts.check(head)?;
        let gate = &self.state.gate;
        let route = self.state.grpc_router.find_call(parts.uri.path());
        let (principal, _admission): (_, Option<Admission>) = match route {
            Some(Route { access: Access::Open, .. }) => (gate.identify(head), None),
            _ => {
                let admission = gate.admit(head, route, None)?;
                (Some(admission.principal.clone()), Some(admission))
            }
        };
        let Some(route) = route else {
            return Err(Failure::new(ErrorCode::Unsupported, "there is no such call"));
        };
        if !is_grpc(&parts) {
            return Err(Failure::invalid(
                "the request is no gRPC call: it must be a POST of application/grpc",
            ));
        }
        let asked = timeout(&parts.headers)?;
        let caller = Caller {
            principal,
            request_id: request_id.clone(),
            arrived,
            timeout: asked,
            credentials: Credentials::of(&parts.headers),
            reached: Arc::default(),
        };
        let reached = Arc::clone(&caller.reached);
        parts.extensions.insert(caller);
        // Our own methods answer in time by themselves; tonic need not know of it.
        parts.headers.remove("grpc-timeout");
        let mut services = self.routes.clone();
        let inbox = Inbox::default();
        parts.extensions.insert(inbox.clone());
        let (body, _charge) =
            messages::checked(&parts.headers, body, self.limits(route), &self.state.bodies, inbox);
        let call = services.call(Request::from_parts(parts, body));
        let response = match self.patience(route, asked) {
            Some(patience) => match tokio::time::timeout_at((arrived + patience).into(), call).await {
                Ok(response) => response,
                Err(_) => {
                    let message = "the call was not answered in time";
                    return Err(Failure::new(ErrorCode::DeadlineExceeded, message));
                }
            },
            None => call.await,
        };
        let Ok(response) = response;
        if rpc_code(&response) == tonic::Code::Internal && !reached.load(Ordering::Relaxed) {
            // What tonic could not make a message of is its sender's fault, not ours.
            return Err(malformed());
        }
        Ok(response)
    }

    fn limits(&self, route: &Route) -> MessageLimits {
        let options = &self.state.options;
        let most = options.grpc.max_message_bytes;
        let infer = INFER_CALLS.contains(&route.pattern);
        let count = match route.body {
            routes::Body::Messages => Count::Many,
            _ => Count::One(options.http.body_timeout),
        };
        if route.access == Access::Open {
            // Who has no key gets neither much memory nor much time.
            let count = Count::One(self.open_patience());
            return MessageLimits { max_bytes: most.min(MAX_OPEN_BYTES), count, infer: false };
        }
        let max_bytes = if infer { most } else { most.min(MAX_SMALL_BYTES) };
        MessageLimits { max_bytes, count, infer }
    }

    fn open_patience(&self) -> Duration {
        OPEN_PATIENCE.min(self.state.options.http.header_timeout)
    }

    /// How long the head of an answer may take: what the caller allows; else, where the work does not go on without
    /// it, the longest time for the message to come in and be worked on.
    fn patience(&self, route: &Route, asked: Option<Duration>) -> Option<Duration> {
        let options = &self.state.options;
        let usual = options.request_timeout + options.http.body_timeout;
        if route.access == Access::Open {
            return Some(asked.map_or(self.open_patience(), |asked| asked.min(self.open_patience())));
        }
        match (asked, route.leaving) {
            (Some(asked), _) => Some(asked),
            (None, Leaving::Cancel) => Some(usual),
            (None, Leaving::Finish) => None,
        }
    }
}

fn is_grpc(parts: &http::request::Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    parts.method == Method::POST && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// How a call ended, as far as its head tells.
fn rpc_code(response: &Response<Body>) -> tonic::Code {
    let code = response.headers().get("grpc-status").and_then(|value| value.to_str().ok());
    tonic::Code::from_i32(code.and_then(|code| code.parse().ok()).unwrap_or(0))
}

/// The HTTP status that stands for the outcome of a call in the metrics. A stream that fails later has begun well.
fn http_status(response: &Response<Body>) -> StatusCode {
    let code = rpc_code(response);
    if code == tonic::Code::Ok {
        return StatusCode::OK;
    }
    let found = ErrorCode::ALL.into_iter().map(crate::failure::statuses).find(|(_, rpc)| *rpc == code);
    found.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(status, _)| status)
}
