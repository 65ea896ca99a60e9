//! What a job tells, as server-sent events.
//!
//! Each event has the job's sequence number as its id, its kind as its type and its body as its data, on one line. A
//! stream ends with the job; before, a client that comes back with the last id it has seen goes on from there. `missed`
//! says that the client was too slow; it has no id, since what was missed comes again as far as it is kept. Comments keep
//! silent streams open.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use yard_api::management::MissedBody;
use yard_jobs::JobEvent;
use yard_types::ErrorCode;

use super::{OwnedCall, jobs::job_id};
use crate::{
    application::{JobWatch, Watched, bodies},
    failure::Failure,
    http::{Answer, AnswerBody, QueryParameters},
    state::ServerState,
};

/// Longest silence on a stream; less where connections are closed sooner.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// When all streams are taken, another try may succeed after this.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// What a client is told to wait before it comes back.
const BEGINNING: &str = "retry: 1000\n\n";

/// One open stream.
struct EventStream {
    watch: JobWatch,
    state: Arc<ServerState>,
    /// The key may be revoked while the stream is open.
    headers: HeaderMap,
    heartbeat: Duration,
    has_begun: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn follow(call: &OwnedCall) -> Result<Answer, Failure> {
    let query = QueryParameters::parse(call.query.as_deref(), &["after"])?;
    let after = match query.get::<u64>("after")? {
        Some(after) => after,
        None => last_event_id(&call.headers)?,
    };
    let state = Arc::clone(&call.state);
    let permit = Arc::clone(&state.event_streams).try_acquire_owned().map_err(|_| {
        let message = "as many streams of events are open as may be; ask for the job now and then instead";
        Failure::new(ErrorCode::Unavailable, message).with_retry_after(BUSY_WAIT)
    })?;
    let watch = state.application.watch_job(&call.principal, job_id(call)?, after).await?;
    let stream = EventStream {
        watch,
        headers: call.headers.clone(),
        // A connection on which nothing moves is taken for dead.
        heartbeat: HEARTBEAT.min(state.options.http.header_timeout / 3),
        state,
        has_begun: false,
        _permit: permit,
    };
    let pieces = futures_util::stream::unfold(stream, async |mut stream| {
        stream.next().await.map(|piece| (Ok(piece), stream))
    });
    let mut answer = Response::new(AnswerBody::Endless(Box::pin(pieces)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold pieces back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

impl EventStream {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(Bytes::from_static(BEGINNING.as_bytes()));
        }
        let drain = self.state.stopping.drain.clone();
        let watched = tokio::select! {
            biased;
            // The client comes back to whatever runs then.
            () = drain.cancelled() => return None,
            watched = self.watch.next() => watched,
            () = tokio::time::sleep(self.heartbeat) => {
                self.state.gate.authenticate(&self.headers).ok()?;
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        };
        match watched {
            Ok(Some(Watched::Events(events))) => {
                self.state.gate.authenticate(&self.headers).ok()?;
                Some(events.iter().fold(String::new(), |text, event| text + &frame(event)).into())
            }
            Ok(Some(Watched::Missed(after))) => Some(plain_frame("missed", &MissedBody { after }).into()),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a stream of events broke off");
                None
            }
        }
    }
}

fn frame(event: &JobEvent) -> String {
    let body = bodies::job_event(event);
    let mut frame = format!("id: {}\n", event.sequence);
    frame.push_str(&plain_frame(body.what.as_str(), &body));
    frame
}

fn plain_frame(kind: &str, body: &impl Serialize) -> String {
    // JSON has no line ends of its own, and these bodies, plain structs, can always be written.
    let data = serde_json::to_string(body).unwrap_or_default();
    let mut frame = String::new();
    // Writing to a string cannot fail.
    let _ = write!(frame, "event: {kind}\ndata: {data}\n\n");
    frame
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, Failure> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| {
        Failure::invalid("'last-event-id' is the id of an event of this job").with_param("last-event-id")
    })
}

#[cfg(test)]
mod tests {
    use yard_jobs::{EventBody, JobId, LogLevel, LogLine, Report};
    use yard_types::Timestamp;

    use super::*;

    #[test]
    fn an_event_is_one_frame_whatever_its_text() {
        let line = LogLine { level: LogLevel::Warning, text: "a\n\ndata: b\r\u{2028}".to_owned() };
        let event = JobEvent {
            job: JobId::from_bits(1),
            sequence: 12,
            at: Timestamp(0),
            body: EventBody::Report(Report::Log(line)),
        };
        let frame = frame(&event);
        assert!(frame.starts_with("id: 12\nevent: log\ndata: {\"sequence\":12,"), "{frame}");
        assert_eq!(frame.matches('\n').count(), 4, "{frame}");
        assert!(frame.ends_with("}\n\n") && !frame.contains('\r'));
    }

    #[test]
    fn where_to_go_on_is_read_from_the_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_event_id(&headers).unwrap(), 0);
        headers.insert("last-event-id", HeaderValue::from_static(" 7"));
        assert_eq!(last_event_id(&headers).unwrap(), 7);
        for wrong in ["-1", "x", ""] {
            headers.insert("last-event-id", HeaderValue::from_str(wrong).unwrap());
            assert!(last_event_id(&headers).is_err(), "{wrong}");
        }
    }
}
