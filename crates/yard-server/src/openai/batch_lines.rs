//! A line of a batch is asked like a request: by the same functions, for its owner as that key is now.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use yard_access::{AccessError, KeyId, Permission, Principal};
use yard_batches::{Endpoint, LineAnswer, LineCall, LineRunner, Owner};

use super::{chat, complete, embed, respond};
use crate::{
    clock,
    dispatch::OwnedCall,
    failure::Failure,
    gate::{self, RequestId},
    http::{AnswerBody, Payload, openai_error},
    state::ServerState,
};

/// Runs lines of batches, behind everybody who waits for an answer.
#[derive(Debug)]
pub(crate) struct BatchLines {
    state: Arc<ServerState>,
}

impl BatchLines {
    pub(crate) const fn new(state: Arc<ServerState>) -> Self {
        Self { state }
    }

    /// The answer's status and its document.
    async fn answer(&self, line: LineCall, request_id: RequestId) -> Result<(u16, String), Failure> {
        let principal = self.principal(&line.owner)?;
        self.state.gate.check_rate(&principal)?;
        gate::allow(&principal, Permission::Predict, None)?;
        let mut charge = self.state.bodies.begin();
        charge.grow(line.body.len())?;
        let payload = Payload::Json { document: line.body, _charge: charge };
        let call = OwnedCall::in_background(Arc::clone(&self.state), principal, request_id);
        let answer = match line.endpoint {
            Endpoint::ChatCompletions => Box::pin(chat(&call, &payload)).await?,
            Endpoint::Completions => Box::pin(complete(&call, &payload)).await?,
            Endpoint::Embeddings => Box::pin(embed(&call, &payload)).await?,
            Endpoint::Responses => Box::pin(respond(&call, &payload)).await?,
        };
        let status = answer.status().as_u16();
        match answer.into_body() {
            AnswerBody::Whole(bytes) => {
                Ok((status, String::from_utf8(bytes.into()).map_err(Failure::internal)?))
            }
            AnswerBody::Stream(..) | AnswerBody::Endless(_) => {
                Err(Failure::invalid("the answer to a line is not streamed").with_param("stream"))
            }
        }
    }

    /// Who asks. A key that was revoked since asks in vain.
    fn principal(&self, owner: &Owner) -> Result<Principal, Failure> {
        if owner.0.is_empty() {
            if self.state.options.insecure_no_auth {
                return Ok(Principal::without_keys());
            }
            // Made when the server asked for no keys.
            return Err(AccessError::NoKey.into());
        }
        let id: KeyId = owner.0.parse().map_err(|_| AccessError::InvalidKey)?;
        Ok(self.state.application.access().acting_for(id, clock::now())?)
    }
}

#[async_trait]
impl LineRunner for BatchLines {
    async fn run(&self, line: LineCall) -> LineAnswer {
        let id = RequestId::of(&HeaderMap::new());
        let request_id = id.to_string();
        match self.answer(line, id).await {
            Ok((status, body)) => LineAnswer { status, request_id, body, retry_after: None },
            Err(failure) => {
                failure.log(&request_id);
                let body = serde_json::to_string(&openai_error(&failure)).unwrap_or_default();
                let (status, retry_after) = (failure.http_status().as_u16(), failure.retry_after);
                LineAnswer { status, request_id, body, retry_after }
            }
        }
    }
}
