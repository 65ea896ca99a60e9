//! Health, which anybody may ask for: status and body say the same, and nothing about which models there are.

use http::StatusCode;
use serde::Serialize;

use crate::{
    failure::Failure,
    http::{Answer, json},
    state::ServerState,
};

#[derive(Serialize)]
struct Live {
    live: bool,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

#[derive(Serialize)]
struct Health {
    ready: bool,
    /// Work waits somewhere and nothing moves. A full queue that moves is not stalled.
    stalled: bool,
}

/// The process answers: it is alive.
pub(super) fn live() -> Result<Answer, Failure> {
    json(StatusCode::OK, &Live { live: true })
}

pub(super) fn v2_ready(state: &ServerState) -> Result<Answer, Failure> {
    let ready = is_ready(state);
    json(status(ready), &Ready { ready })
}

pub(super) fn ready(state: &ServerState) -> Result<Answer, Failure> {
    let ready = is_ready(state);
    json(status(ready), &Health { ready, stalled: state.application.serving().is_stalled() })
}

/// Whether new requests should be sent here.
pub(crate) fn is_ready(state: &ServerState) -> bool {
    state.application.serving().is_ready() && !state.stopping.drain.is_cancelled()
}

const fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
