//! HTTP/1.1: the bodies of requests and answers, and the service that takes a request from the gate to its handler.

mod body;
mod budget;
mod compress;
mod query;
mod response;
mod service;

pub(crate) use body::{BodyLimits, declares_json, gunzip, read_body, stream_body};
pub(crate) use budget::{BodyBudget, BodyCharge};
pub(crate) use compress::{accepted_encoding, compress};
pub(crate) use query::QueryParameters;
pub(crate) use response::{Answer, AnswerBody, empty, json, json_bytes, openai_error, text};
pub(crate) use service::{Call, HttpService, Payload};
