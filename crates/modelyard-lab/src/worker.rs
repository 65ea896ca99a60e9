//! `modelyard-lab worker`: the child process in which one job runs. Started by `modelyard`, never by hand.
//!
//! Around the training itself: the job's directory with its checkpoints and its package, the events that the parent is
//! told, and failures turned into words that the job's owner can act on.

mod checkpoints;
mod data;
mod failure;
mod memory;
mod package;
mod run;
mod train;
mod verifier;

use yard_worker::{
    BadRequest, Caller, Request, Response, ServeError, serve_streaming_child,
    train::{TRAIN, TrainRequest, TrainResponse, train_response},
};

/// Answers the parent until it closes the socket.
pub(crate) fn run() -> Result<(), ServeError> {
    serve_streaming_child(answer)
}

fn answer(request: Request, caller: &mut Caller<'_>) -> Result<Response, BadRequest> {
    match request.kind() {
        TRAIN => {
            let request: TrainRequest = request.decode()?;
            let outcome = match train::train(&request, caller) {
                Ok(result) => train_response::Outcome::Trained(result),
                Err(refusal) => train_response::Outcome::Refused(refusal),
            };
            Ok(Response::new(&TrainResponse { outcome: Some(outcome) }))
        }
        _ => Err(request.unknown()),
    }
}
