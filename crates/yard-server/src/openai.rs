//! OpenAI's API: language models for programs that speak it already.
//!
//! A request names its model in its body, as `NAME`, `NAME@ALIAS` or `NAME:VERSION`. What it asks becomes calls of the model's
//! process, and their parts become an answer at the end or events on the way. Whoever leaves ends them.

mod asked;
mod chat;
mod completions;
mod embeddings;
mod events;
mod logprobs;
mod models;
mod target;
mod texts;
mod whole;

pub(crate) use chat::chat;
pub(crate) use completions::complete;
pub(crate) use embeddings::embed;
pub(crate) use models::{list, show};
pub(crate) use texts::{detokenize, tokenize};

use yard_api::openai::ApiError;

use crate::failure::Failure;

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let mut failure = Self::invalid(error.message);
        failure.param = error.param.map(Into::into);
        failure.detail = error.code;
        failure
    }
}
