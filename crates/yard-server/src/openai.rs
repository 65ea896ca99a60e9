//! OpenAI's API: language models and encoders for programs that speak it already.
//!
//! A request names its model in its body, as `NAME`, `NAME@ALIAS` or `NAME:VERSION`. What it asks becomes calls of the model's
//! process, and their parts become an answer at the end or events on the way. Whoever leaves ends them.

mod asked;
mod batch_lines;
mod batches;
mod chat;
mod completions;
mod embeddings;
mod encoders;
mod events;
mod files;
mod logprobs;
mod models;
mod multipart;
mod rerank;
mod responses;
mod spending;
mod target;
mod texts;
mod tools;
mod whole;

pub(crate) use batch_lines::BatchLines;
pub(crate) use batches::{cancel_batch, create_batch, list_batches, show_batch};
pub(crate) use chat::chat;
pub(crate) use completions::complete;
pub(crate) use embeddings::embed;
pub(crate) use files::{create_file, list_files, read_file, remove_file, show_file};
pub(crate) use models::{list, show};
pub(crate) use rerank::rerank;
pub(crate) use responses::respond;
pub(crate) use texts::{detokenize, tokenize};

use yard_api::openai::ApiError;

use crate::{failure::Failure, heavy, http::Payload};

/// Reads a request; a long one beside the threads that talk to clients.
async fn read<Request: Send + 'static>(
    payload: &Payload,
    parse: fn(&[u8]) -> Result<Request, ApiError>,
) -> Result<Request, Failure> {
    let bytes = payload.bytes();
    Ok(heavy::run(bytes.len(), move || parse(&bytes)).await??)
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let mut failure = Self::invalid(error.message);
        failure.param = error.param.map(Into::into);
        failure.detail = error.code;
        failure
    }
}
