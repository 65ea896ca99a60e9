//! One gRPC call from its head to its answer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use hyper::body::Incoming;
use tonic::{body::Body, service::Routes};
use tower::Service;
use yard_types::ErrorCode;

use super::caller::{Caller, status, timeout};
use crate::{
    failure::Failure,
    gate::{Admission, Head, HostRules, RequestId},
    http::BodyCharge,
    routes::{self, Access, Endpoint, Leaving, Route},
    state::ServerState,
};

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
        parts.extensions.insert(Caller {
            principal,
            request_id: request_id.clone(),
            arrived,
            timeout: asked,
        });
        // Our own methods answer in time by themselves; tonic need not know of it.
        parts.headers.remove("grpc-timeout");
        let mut services = self.routes.clone();
        let body = match route.body {
            // A stream has no end at which it would give back what its messages took, and only a few of them at a time
            // are worked on.
            routes::Body::Messages => Body::new(body),
            _ => Body::new(MeteredBody { body, charge: self.state.bodies.begin() }),
        };
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
        response.map_err(|never| match never {})
    }

    /// How long the head of an answer may take: what the caller allows; else, where the work does not go on without
    /// it, the longest time for the message to come in and be worked on.
    fn patience(&self, route: &Route, asked: Option<Duration>) -> Option<Duration> {
        let options = &self.state.options;
        let usual = options.request_timeout + options.http.body_timeout;
        match (asked, route.leaving) {
            (Some(asked), _) => Some(asked),
            (None, Leaving::Cancel) => Some(usual),
            (None, Leaving::Finish) => None,
        }
    }
}

/// A call's messages, which count against the bytes that may be held.
struct MeteredBody {
    body: Incoming,
    charge: BodyCharge,
}

impl http_body::Body for MeteredBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame?;
        if let Some(data) = frame.data_ref()
            && let Err(failure) = self.charge.grow(data.len())
        {
            return Poll::Ready(Some(Err(Box::new(status(&failure)))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

fn is_grpc(parts: &http::request::Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    parts.method == Method::POST && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// The HTTP status that stands for the outcome of a call in the metrics. A stream that fails later has begun well.
fn http_status(response: &Response<Body>) -> StatusCode {
    let code = response.headers().get("grpc-status").and_then(|value| value.to_str().ok());
    let code: i32 = code.and_then(|code| code.parse().ok()).unwrap_or(0);
    let code = tonic::Code::from_i32(code);
    if code == tonic::Code::Ok {
        return StatusCode::OK;
    }
    let found = ErrorCode::ALL.into_iter().map(crate::failure::statuses).find(|(_, rpc)| *rpc == code);
    found.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(status, _)| status)
}
