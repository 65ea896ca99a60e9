//! `ModelStreamInfer`: many predictions over one call, answered in order.

use std::{sync::Arc, time::Instant};

use futures_util::{Stream, StreamExt, stream};
use tonic::{Status, Streaming};
use yard_api::grpc::proto::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};

use super::{
    caller::Caller,
    inference::Inference,
    messages::{Inbox, Received},
};
use crate::{failure::Failure, state::ServerState};

/// So many requests of one stream are worked on at a time; their answers keep the order of the requests.
const AT_ONCE: usize = 8;

/// The answers to a stream of requests.
///
/// A request that fails is answered by an error message and the stream goes on. It ends when its key is no longer valid. A stopping server answers what it has
/// taken and then ends the stream.
pub(super) fn answers(
    inference: Inference,
    caller: Caller,
    inbox: Inbox,
    requests: Streaming<ModelInferRequest>,
) -> impl Stream<Item = Result<ModelStreamInferResponse, Status>> + Send {
    let state = Arc::clone(&inference.state);
    let drain = state.stopping.drain.clone();
    let stop = drain.clone().cancelled_owned();
    let mut first = true;
    requests
        .take_until(Box::pin(stop))
        .map(move |request| {
            // The call itself was counted when it came in, each further request counts anew.
            let counted = std::mem::take(&mut first);
            // Taken here, where the requests are still in order.
            let received = request.and_then(|_| inbox.take().map_err(|failure| caller.status(&failure)));
            answer(inference.clone(), caller.clone(), received, counted)
        })
        .buffered(AT_ONCE)
        .chain(stream::once(async move { drain.is_cancelled() }).filter_map(|stopped| async move {
            stopped.then(|| Err(Status::unavailable("the server is stopping")))
        }))
}

async fn answer(
    inference: Inference,
    caller: Caller,
    received: Result<Received, Status>,
    counted: bool,
) -> Result<ModelStreamInferResponse, Status> {
    let arrived = Instant::now();
    let received = received?;
    // A stream may outlive its key.
    let headers = caller.credentials.headers();
    inference.state.gate.authenticate(headers).map_err(|failure| caller.status(&failure))?;
    let (model_name, id) = (received.message.model_name.clone(), received.message.id.clone());
    let outcome = match check_rate(&inference.state, &caller, counted) {
        Ok(()) => inference.infer(&caller, received, arrived, true).await,
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(inferred) => Ok(ModelStreamInferResponse {
            error_message: String::new(),
            infer_response: Some(inferred.response),
        }),
        Err(failure) => {
            let status = caller.status(&failure);
            // The caller finds out which of its requests failed by the id.
            let infer_response = Some(ModelInferResponse { model_name, id, ..ModelInferResponse::default() });
            Ok(ModelStreamInferResponse { error_message: status.message().to_owned(), infer_response })
        }
    }
}

fn check_rate(state: &ServerState, caller: &Caller, counted: bool) -> Result<(), Failure> {
    if counted { Ok(()) } else { state.gate.check_rate(caller.principal()?) }
}
