//! The Open Inference Protocol V2 over gRPC.
//!
//! [`proto`] is generated from our own `.proto` files, whose names and numbers are those of the published clients.
//! Requests become the same [`InferRequest`](crate::v2::InferRequest) as over REST, with the same errors.

mod describe;
mod request;
mod response;

pub use request::{decode_request, loaded_model};
pub use response::encode_response;

/// Messages, client and server of the service, as generated.
#[expect(missing_docs, clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("inference");
}

/// The compiled `.proto` files, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/open_inference.bin"));

#[cfg(test)]
mod tests;
